"""The configuration file: where it is, what it says, on which line, and what is wrong with it.

Owns: reading it, the places of what is wrong in it, and the warning about who else may read it.
Must not: know which keys there are, or what wins over the file.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from pgreplterm.config.errors import ConfigError, Problem
from pgreplterm.config.interpret import Keys, interpret
from pgreplterm.toml_lines import lines_of

_PASSWORD = re.compile(
    r"(?i)(?:password|client_secret|client_key|server_key)\s*=|^\s*postgres(?:ql)?://[^/?#@]*:[^@]+@"
)
_READ_BY_OTHERS = stat.S_IRGRP | stat.S_IROTH


@dataclass(frozen=True)
class ConfigFile:
    """What the file says; nothing when there is none. profiles holds the values of known keys, read."""

    path: Path
    text: str
    chosen: str | None
    profiles: Mapping[str, Mapping[str, Any]]
    unplaced: tuple[tuple[Keys, str], ...]
    mode: int

    @cached_property
    def lines(self) -> Mapping[Keys, int]:
        """The line on which each key begins: worked out only when somebody is to be told."""
        return lines_of(self.text)

    def place(self, *keys: str) -> str:
        """FILE:LINE of a key."""
        line = self.lines.get(keys)
        return f"{self.path}:{line}" if line is not None else str(self.path)

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What is wrong, in the order of the lines."""
        ordered = sorted(self.unplaced, key=lambda one: self.lines.get(one[0], 0))
        return tuple(Problem(self.place(*keys), text) for keys, text in ordered)

    @property
    def warning(self) -> str | None:
        """Said when others may read a password."""
        if not self.mode & _READ_BY_OTHERS or not any(_PASSWORD.search(dsn) for dsn in self._dsns()):
            return None
        return f"{self.path} holds a password and others may read it: chmod 600 {self.path}, or use a pgpass file"

    def _dsns(self) -> Iterator[str]:
        for values in self.profiles.values():
            yield from values.get("dsns", ())
            yield from values.get("nodes", {}).values()


def config_path() -> Path:
    """The file's place, by the XDG base directories, whether or not it is there."""
    base = os.environ.get("XDG_CONFIG_HOME", "")
    folder = Path(base) if base.startswith("/") else Path(os.path.expanduser("~")) / ".config"  # noqa: PTH111
    return folder / "pgreplterm" / "config.toml"


def read_config(path: Path) -> ConfigFile:
    """Read that file; one that is not there says nothing. Raises ConfigError when it is no TOML or cannot be read."""
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            text = file.read().decode()
    except (FileNotFoundError, NotADirectoryError):
        return ConfigFile(path, "", None, {}, (), 0)
    except OSError as error:
        raise ConfigError(f"the configuration {path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: expected UTF-8, found something else at byte {error.start}") from None
    return _interpret(path, text, mode)


def _interpret(path: Path, text: str, mode: int) -> ConfigFile:
    import tomllib

    try:
        document = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # also of a number too long, and of brackets too deep
        said = re.fullmatch(r"(.*?) \(at (?:line (\d+), column \d+|end of document)\)", str(error))
        line = int(said[2]) if said and said[2] else text.count("\n") + 1
        raise ConfigError(
            f"{path}:{line}: expected TOML: {(said[1] if said else 'it cannot be read').lower()}"
        ) from None
    chosen, profiles, unplaced = interpret(document)
    return ConfigFile(path, text, chosen, profiles, tuple(unplaced), mode)
