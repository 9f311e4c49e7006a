"""``pgreplterm lab image``: the Docker images that labs run from.

Owns: the arguments and the two forms of output. Must not: know how an image is made.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from pgreplterm.lab.docker.engine import Engine
    from pgreplterm.lab.docker.image_store import Built

_on_host = click.option("--docker-host", metavar="URL", help="The Docker Engine to use; otherwise as docker finds it.")
_as_json = click.option("--json", "as_json", is_flag=True, help="One JSON document instead of text.")
_NUMBERS = frozenset({"SIZE"})


@click.group()
def image() -> None:
    """Docker images that labs run from: built here without a registry, listed, removed."""


@image.command()
@click.option(
    "--from",
    "source",
    type=click.Choice(["installed", "debootstrap", "tools"]),
    default="installed",
    show_default=True,
    help="A PostgreSQL of this machine, Debian's packages (as root, a minute), or the network tools for faults.",
)
@click.option("--pg-bin", type=click.Path(path_type=Path), help="The bin directory of the PostgreSQL to take.")
@click.option("--major", type=int, help="The major version to take, of those installed here.")
@click.option("--suite", default="bookworm", show_default=True, help="The Debian suite, for --from debootstrap.")
@click.option("--mirror", help="The Debian mirror, for --from debootstrap.")
@_on_host
@_as_json
def build(
    source: str,
    pg_bin: Path | None,
    major: int | None,
    suite: str,
    mirror: str | None,
    docker_host: str | None,
    as_json: bool,
) -> None:
    """Build an image unless it is there; its tag goes to stdout."""
    from pgreplterm.lab.binaries import locate
    from pgreplterm.lab.docker import debian, image

    with _engine(docker_host) as engine:
        if source == "tools":
            tag = image.sidecar(engine, _narrate)
            click.echo(json.dumps({"tag": tag}, indent=2) if as_json else tag)
            return
        if source == "debootstrap":
            made = image.build_debian(engine, suite, mirror or debian.MIRROR, _narrate)
        elif pg_bin is not None:
            made = image.build(engine, locate(pg_bin), _narrate)
        else:
            made = image.build_here(engine, major, _narrate)
    document = {**asdict(made), "bindir": str(made.bindir)}
    click.echo(json.dumps(document, indent=2) if as_json else made.tag)


@image.command()
@_on_host
@_as_json
def ls(docker_host: str | None, as_json: bool) -> None:
    """The images built here, their size and who uses them."""
    from pgreplterm.cli.tables import aligned
    from pgreplterm.lab.docker import image_store

    with _engine(docker_host) as engine:
        found = image_store.built(engine)
    if as_json:
        click.echo(json.dumps({"images": [_document(each) for each in found]}, indent=2))
        return
    headings = ["IMAGE", "POSTGRESQL", "SIZE", "USED BY", "MADE FROM"]
    click.echo("\n".join(aligned(headings, [_row(each) for each in found], _NUMBERS)))


@image.command()
@click.argument("names", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Every image built here that no container uses.")
@_on_host
def rm(names: tuple[str, ...], everything: bool, docker_host: str | None) -> None:
    """Remove images built here; never one of somebody else."""
    from pgreplterm.lab.docker import image_store

    if bool(names) == everything:
        raise click.UsageError("name the images to remove, or give --all")
    with _engine(docker_host) as engine:
        for removed in image_store.remove_unused(engine) if everything else _one_by_one(engine, names):
            _narrate(f"image {removed.name} is gone")


def _one_by_one(engine: Engine, names: tuple[str, ...]) -> Iterator[Built]:
    from pgreplterm.lab.docker import image_store

    for name in names:
        yield image_store.remove(engine, name)


@contextmanager
def _engine(docker_host: str | None) -> Iterator[Engine]:
    from pgreplterm.lab.docker.engine import connect, find

    with connect(find(docker_host)) as engine:
        _narrate(str(engine))
        yield engine


def _document(each: Built) -> dict[str, Any]:
    document = asdict(each)
    created = datetime.fromtimestamp(document.pop("created"), UTC).isoformat(timespec="seconds")
    return {**document, "created_at": created}


def _row(each: Built) -> list[str]:
    from pgreplterm.cluster.words import size

    return [each.name, each.version or "-", size(each.size), ", ".join(each.used_by) or "-", each.origin]


def _narrate(sentence: str) -> None:
    click.echo(f"lab: {sentence}", err=True)
