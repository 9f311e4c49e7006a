"""The faults of a lab on disk: what was injected, and how it is undone.

Owns: one JSON file a fault in the lab's folder, written before the fault is injected and removed after it is healed.
Must not: inject or heal.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from pgreplterm.lab.errors import LabError
from pgreplterm.lab.faults.fault import Order, Undo
from pgreplterm.lab.state import replace_file

FOLDER = "faults"
_FILE = re.compile(r"(\d+)\.json\Z")


class Stage(StrEnum):
    """How far a fault has come; a program that was killed leaves one behind that says so."""

    INJECTING = "injecting"
    INJECTED = "injected"
    HEALING = "healing"


@dataclass(frozen=True, slots=True)
class Record:
    """One fault of a lab. number is unique in that lab while it is there; times are in epoch seconds.

    done says in a sentence what was injected, error why it could not be healed.
    """

    number: int
    fault: str
    order: Order
    undo: Undo
    stage: Stage
    injected_at: float
    until: float | None = None  # when it is to be healed by itself
    done: str = ""
    error: str | None = None

    def is_same(self, other: Record) -> bool:
        """Whether both are one injection: a number is given again once its fault is healed."""
        return (self.number, self.injected_at) == (other.number, other.injected_at)


def read_all(directory: Path) -> tuple[Record, ...]:
    """The faults of the lab in that folder, oldest first. Raises LabError naming a file that cannot be read."""
    return tuple(_read(path) for _, path in sorted(_files(directory)))


def readable(directory: Path) -> tuple[tuple[Record, ...], tuple[str, ...]]:
    """The faults that can be read, oldest first, and a sentence on each file that cannot."""
    records, complaints = [], []
    for _, path in sorted(_files(directory)):
        try:
            records.append(_read(path))
        except LabError as error:
            complaints.append(str(error))
    return tuple(records), tuple(complaints)


def sweep(directory: Path) -> None:
    """Remove what a killed program was writing. The caller holds the lock of the lab's faults."""
    for path in (directory / FOLDER).glob(".*.json.*"):
        path.unlink(missing_ok=True)


def find(directory: Path, number: int) -> Record:
    """The fault of that number. Raises LabError saying which there are."""
    found = {record.number: record for record in read_all(directory)}
    if number not in found:
        there = ", ".join(str(each) for each in found) or "none"
        raise LabError(f"lab {directory.name!r} has no fault {number}: it has {there}")
    return found[number]


def next_number(directory: Path) -> int:
    """A number that no fault of this lab has."""
    return max((number for number, _ in _files(directory)), default=0) + 1


def write(directory: Path, record: Record) -> None:
    """Put the record on disk, replacing an earlier one of that number. Raises LabError."""
    (directory / FOLDER).mkdir(exist_ok=True)
    replace_file(_path(directory, record.number), json.dumps(asdict(record), indent=1) + "\n")


def forget(directory: Path, number: int) -> None:
    """Remove the record of a fault that is healed."""
    _path(directory, number).unlink(missing_ok=True)


def _path(directory: Path, number: int) -> Path:
    return directory / FOLDER / f"{number}.json"


def _files(directory: Path) -> list[tuple[int, Path]]:
    folder = directory / FOLDER
    if not folder.is_dir():
        return []
    return [(int(found[1]), path) for path in folder.iterdir() if (found := _FILE.match(path.name))]


def _read(path: Path) -> Record:
    try:
        document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        order = document["order"]
        return Record(
            number=int(document["number"]),
            fault=str(document["fault"]),
            order=Order(str(order["target"]), dict(order["options"])),
            undo=dict(document["undo"]),
            stage=Stage(document["stage"]),
            injected_at=float(document["injected_at"]),
            until=None if document["until"] is None else float(document["until"]),
            done=str(document["done"]),
            error=None if document["error"] is None else str(document["error"]),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise LabError(
            f"{path}: expected the record of a fault, found {type(error).__name__}: {error}; "
            "heal it by hand, or take the lab down"
        ) from None
