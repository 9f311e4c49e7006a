"""A configuration of the test's own, and commands run in this process."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from pgreplterm.cli import run


@dataclass(frozen=True)
class Done:
    """How a command ended and what it said."""

    status: int
    out: str
    err: str


Command = Callable[..., Done]


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty home; no PG* or PGREPLTERM_* variable is set."""
    for name in [name for name in os.environ if re.match(r"PG|XDG_CONFIG_HOME$", name)]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def config_file(home: Path) -> Path:
    """Where the configuration will be."""
    place = home / ".config" / "pgreplterm" / "config.toml"
    place.parent.mkdir(parents=True)
    return place


@pytest.fixture
def pgreplterm(home: Path, capfd: pytest.CaptureFixture[str]) -> Iterator[Command]:
    """Run one command line."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}

    def command(*words: str) -> Done:
        capfd.readouterr()
        status = run(words)
        said = capfd.readouterr()
        return Done(status, said.out, said.err)

    yield command
    for number, handler in handlers.items():
        signal.signal(number, handler)
