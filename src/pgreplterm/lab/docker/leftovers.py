"""What labs left in an engine when their folder is gone or says nothing any more.

Owns: finding it by its labels and removing it. Must not: touch what a readable state file describes.
"""

from __future__ import annotations

from pathlib import Path

from pgreplterm.lab.docker import sweep
from pgreplterm.lab.docker.endpoint import find
from pgreplterm.lab.docker.engine import connect
from pgreplterm.lab.docker.errors import DockerError
from pgreplterm.lab.docker.labels import Naming


def remove_of(directory: Path) -> bool:
    """Remove what bears the label of that folder; whether there was anything. Raises LabError."""
    with connect(find(None)) as engine:
        runs = [run for run, folder in sweep.orphans(engine).items() if folder == directory]
        for run in runs:
            sweep.remove_lab(engine, Naming(directory.name, run, directory))
    return bool(runs)


def remove_named(name: str) -> bool:
    """Remove what a lab of that name left whose folder is gone; whether there was anything."""
    try:
        engine = connect(find(None))
    except DockerError:
        return False
    with engine:
        gone = [
            (run, folder)
            for run, folder in sweep.orphans(engine).items()
            if folder.name == name and not folder.exists()
        ]
        for run, folder in gone:
            sweep.remove_lab(engine, Naming(name, run, folder))
    return bool(gone)
