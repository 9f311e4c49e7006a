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
from pathlib import Path
from typing import Any

from pgreplterm.config.errors import ConfigError, Problem
from pgreplterm.config.interpret import interpret
from pgreplterm.toml_text import Keys, TomlError, TomlText, read_toml

_PASSWORD = re.compile(
    r"(?i)(?:password|client_secret|client_key|server_key)\s*=|^\s*postgres(?:ql)?://[^/?#@]*:[^@]+@"
)
_READ_BY_OTHERS = stat.S_IRGRP | stat.S_IROTH


@dataclass(frozen=True)
class ConfigFile:
    """What the file says; nothing when there is none. profiles holds the values of known keys, read."""

    toml: TomlText
    path: Path
    chosen: str | None
    profiles: Mapping[str, Mapping[str, Any]]
    unplaced: tuple[tuple[Keys, str], ...]
    mode: int

    def place(self, *keys: str) -> str:
        """FILE:LINE of a key."""
        return self.toml.place(keys)

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What is wrong, in the order of the lines."""
        ordered = sorted(self.unplaced, key=lambda one: self.toml.lines.get(one[0], 0))
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
        mode = path.stat().st_mode
        toml = read_toml(path, "configuration")
    except (FileNotFoundError, NotADirectoryError):
        return ConfigFile(TomlText(str(path), "", {}), path, None, {}, (), 0)
    except OSError as error:
        raise ConfigError(f"the configuration {path} cannot be read: {error.strerror}") from None
    except TomlError as error:
        raise ConfigError(str(error)) from None
    chosen, profiles, unplaced = interpret(toml.document)
    return ConfigFile(toml, path, chosen, profiles, tuple(unplaced), mode)
