"""What holds now: command line before environment before file before default.

Owns: that order, and where each value comes from. Must not: connect, or print.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pgreplterm.cluster.thresholds import PROFILES as LIMITS
from pgreplterm.cluster.thresholds import Thresholds, with_limits
from pgreplterm.config.errors import ConfigError, Problem
from pgreplterm.config.file import ConfigFile, config_path, read_config
from pgreplterm.config.schema import (
    BUILT_IN,
    DEFAULT_PROFILE,
    KEYS,
    PREFIX,
    PROFILE_VARIABLE,
    PROFILES,
    THRESHOLDS,
    Key,
)

DEFAULT = "default"
_SERVERS = ("dsns", "nodes")


@dataclass(frozen=True, slots=True)
class Setting:
    """One value. origin is "default", an option, a variable, or "file", whose line Settings.where tells."""

    key: Key
    value: Any
    origin: str

    @property
    def is_default(self) -> bool:
        """Whether nobody set it."""
        return self.origin == DEFAULT


@dataclass(frozen=True, slots=True)
class Settings:
    """Every key's value, and the profile they are of. profile_origin is as Setting.origin."""

    file: ConfigFile
    profile: str
    profile_origin: str
    by_name: Mapping[str, Setting]

    def __getitem__(self, name: str) -> Any:
        return self.by_name[name].value

    def where(self, name: str) -> str:
        """Where that value comes from: FILE:LINE, a variable, an option, or what makes it the default."""
        setting = self.by_name[name]
        if setting.origin != "file":
            by_limits = setting.is_default and name.startswith(THRESHOLDS) and self["limits"] != DEFAULT
            return f"limits {self['limits']}" if by_limits else setting.origin
        return self.file.place(PROFILES, self.profile, *name.split("."))

    def where_profile(self) -> str:
        """The same of the profile's name."""
        return self.file.place(DEFAULT_PROFILE) if self.profile_origin == "file" else self.profile_origin

    def thresholds(self) -> Thresholds:
        """The limits of every rule. Raises ConfigError when a warning would come after its critical."""
        limits = Thresholds(
            **{name.partition(".")[2]: self[name] for name in self.by_name if name.startswith(THRESHOLDS)}
        )
        try:
            return with_limits(limits, None, None)
        except ValueError as error:
            raise ConfigError(f"the thresholds of profile {self.profile!r}: {error}") from None


def settings(profile: str | None = None, options: Mapping[str, Any] | None = None) -> Settings:
    """What holds under that profile, or the one that is chosen elsewhere. options are values by key that were typed.

    Raises ConfigError for the first thing that is wrong.
    """
    file = read_config(config_path())
    if file.unplaced:
        raise ConfigError(str(file.problems[0]))
    return effective(file, profile, options or {})


def effective(file: ConfigFile, profile: str | None, options: Mapping[str, Any]) -> Settings:
    """The same of a file that was read. Raises ConfigError."""
    name, origin = _profile(file, profile)
    values = _values(file.profiles.get(name, {}), options)
    limits = values["limits"]
    if limits.is_default and name in LIMITS:
        limits = values["limits"] = Setting(limits.key, name, DEFAULT if name == DEFAULT else f"profile {name}")
    for key in KEYS:
        if key.name.startswith(THRESHOLDS) and values[key.name].is_default:
            values[key.name] = Setting(key, getattr(LIMITS[limits.value], key.last), DEFAULT)
    return Settings(file, name, origin, values)


def wrong_variables() -> list[Problem]:
    """Environment variables that cannot be read, and those that look like one and are none."""
    found = []
    for key in KEYS:
        try:
            _spoken(key)
        except ConfigError as error:
            where, _, text = str(error).partition(": ")
            found.append(Problem(where, text))
    for name in os.environ:
        if name.startswith(PREFIX) and (meant := _meant(name)) is not None:
            found.append(Problem(name, f"unknown variable; did you mean {meant}?"))
    return found


def _meant(variable: str) -> str | None:
    """The variable that one which looks like it should have been. The program and its tests have others, too."""
    from difflib import get_close_matches

    known = [PROFILE_VARIABLE, *(key.variable for key in KEYS)]
    if variable in known:
        return None
    said = variable.removeprefix(PREFIX)
    if without_table := [key.variable for key in KEYS if key.last.upper() == said]:
        return without_table[0]
    nearest = get_close_matches(said, [name.removeprefix(PREFIX) for name in known], n=1, cutoff=0.8)
    return PREFIX + nearest[0] if nearest else None


def _profile(file: ConfigFile, asked: str | None) -> tuple[str, str]:
    by_variable = os.environ.get(PROFILE_VARIABLE) or None
    choices = ((asked, "--profile"), (by_variable, PROFILE_VARIABLE), (file.chosen, "file"), (DEFAULT, DEFAULT))
    name, origin = next((name, origin) for name, origin in choices if name is not None)
    if name in file.profiles or name in BUILT_IN:
        return name, origin
    from difflib import get_close_matches

    known = list(dict.fromkeys((*BUILT_IN, *file.profiles)))
    nearest = get_close_matches(name, known, n=1)
    where = {"--profile": "", "file": f"{file.place(DEFAULT_PROFILE)}: "}.get(origin, f"{origin}: ")
    meant = f"; did you mean {nearest[0]!r}?" if nearest else f"; there are {', '.join(known)}"
    raise ConfigError(f"{where}there is no profile {name!r}{meant}")


def _values(filed: Mapping[str, Any], options: Mapping[str, Any]) -> dict[str, Setting]:
    """Servers are named by one place as a whole: a DSN that is typed is not added to those of the file."""
    spoken = {key.name: value for key in KEYS if (value := _spoken(key)) is not None}
    layers = (("option", options), ("variable", spoken), ("file", filed))
    serving = next((layer for layer, values in layers if any(name in values for name in _SERVERS)), None)
    found: dict[str, Setting] = {}
    for key in KEYS:
        may = [(layer, values) for layer, values in layers if key.name not in _SERVERS or layer == serving]
        layer, value = next(
            ((layer, values[key.name]) for layer, values in may if key.name in values), (DEFAULT, key.default)
        )
        names = {"option": key.option or "option", "variable": key.variable}
        found[key.name] = Setting(key, value, names.get(layer, layer))
    return found


def _spoken(key: Key) -> Any:
    """What its variable says; an empty one says nothing. Raises ConfigError."""
    text = os.environ.get(key.variable)
    if not text:
        return None
    try:
        return key.kind.spoken(text)
    except (ValueError, OverflowError):
        found = "something else" if key.kind.is_secret else repr(text)
        raise ConfigError(f"{key.variable}: expected {key.kind.expected}, found {found}") from None
