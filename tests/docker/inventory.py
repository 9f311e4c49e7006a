"""What a Docker Engine holds, as docker's own client sees it."""

from __future__ import annotations

import docker

from pgreplterm.lab.docker.labels import OWNER


def inventory() -> frozenset[str]:
    """Everything with our labels, and every image and volume: anonymous volumes and dangling layers bear none."""
    client = docker.APIClient()  # its lists are one answer; the other client asks again for each, which may be gone
    try:
        ours = {"label": OWNER}
        found = [f"container {each['Names']}" for each in client.containers(all=True, filters=ours)]
        found += [f"network {each['Name']}" for each in client.networks(filters=ours)]
        found += [f"volume {each['Name']}" for each in client.volumes()["Volumes"] or []]
        found += [f"image {each['Id']} {each['RepoTags']}" for each in client.images(all=True)]
    finally:
        client.close()
    return frozenset(found)
