"""Removing a lab's containers, networks and volumes.

Owns: finding them by their labels, and the order in which they go. Must not: remove anything that lacks them, whatever
its name is.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pgreplterm.lab.docker.errors import InTheWay, NothingThere
from pgreplterm.lab.docker.labels import DIRECTORY, NODE, OWNER, RUN, Naming, owner

if TYPE_CHECKING:
    from pgreplterm.lab.docker.engine import Engine


def remove_lab(engine: Engine, naming: Naming) -> None:
    """Remove everything that bears the lab's labels. Raises LabError."""
    _remove_containers(engine, naming.filters())
    with engine.translated("looking for the lab's networks"):
        networks = engine.client.api.networks(filters=naming.filters())
    for network in networks:
        _remove(engine, engine.client.api.remove_network, network["Id"])
    _remove_volumes(engine, naming.filters())


def remove_node(engine: Engine, naming: Naming, node: str) -> None:
    """Remove the container and the volume of one node. Raises LabError."""
    filters = naming.filters()
    filters["label"] = [*filters["label"], f"{NODE}={node}"]
    _remove_containers(engine, filters)
    _remove_volumes(engine, filters)


def orphans(engine: Engine) -> dict[str, Path]:
    """The labs of this account that the engine still has something of: run label and folder, which may be gone."""
    filters = {"label": [f"{OWNER}={owner()}"]}
    found: dict[str, Path] = {}
    with engine.translated("looking for what labs left"):
        api = engine.client.api
        things = [*api.containers(all=True, filters=filters), *api.networks(filters=filters)]
        things += api.volumes(filters=filters)["Volumes"] or []
    for thing in things:
        labels = thing["Labels"]
        if RUN in labels and DIRECTORY in labels:
            found[labels[RUN]] = Path(labels[DIRECTORY])
    return found


def _remove_containers(engine: Engine, filters: dict[str, list[str]]) -> None:
    with engine.translated("looking for the lab's containers"):
        found = engine.client.api.containers(all=True, filters=filters)
    remove = partial(engine.client.api.remove_container, force=True, v=True)
    with ThreadPoolExecutor(max_workers=4) as threads:
        list(threads.map(lambda container: _remove(engine, remove, container["Id"]), found))


def _remove_volumes(engine: Engine, filters: dict[str, list[str]]) -> None:
    with engine.translated("looking for the lab's volumes"):
        found = engine.client.api.volumes(filters=filters)["Volumes"] or []
    for volume in found:
        _remove(engine, engine.client.api.remove_volume, volume["Name"])


def _remove(engine: Engine, remove: Callable[[str], object], what: str) -> None:
    """Remove something that may have gone meanwhile, as a program's container does when it is abandoned."""
    try:
        with engine.translated("removing the lab"):
            remove(what)
    except NothingThere:
        return
    except InTheWay as error:
        if "already in progress" not in str(error):
            raise
