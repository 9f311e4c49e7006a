"""What can be wrong with a configuration.

Owns: the error and one problem's place. Must not: show a value that may hold a password.
"""

from __future__ import annotations

from dataclasses import dataclass

from pgreplterm.errors import ExitCode, PgReplTermError


class ConfigError(PgReplTermError):
    """The configuration cannot be used as it is."""

    exit_code = ExitCode.USAGE


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong; where is FILE:LINE or an environment variable."""

    where: str
    text: str

    def __str__(self) -> str:
        return f"{self.where}: {self.text}"
