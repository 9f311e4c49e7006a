"""What can be wrong with WAL given to us, as one sentence each.

Owns: the errors raised for input that cannot be read at all. Damage inside readable WAL is a finding, not an error.
"""

from __future__ import annotations

from pathlib import Path

from pgreplterm.errors import ExitCode, PgReplTermError


class WalError(PgReplTermError):
    """The path holds no WAL that can be read: missing, empty, foreign, or of an unsupported major."""


class WalDeniedError(WalError):
    """The WAL is there, and this user may not read it."""

    exit_code = ExitCode.NO_PRIVILEGE


def unreadable(path: Path | str, expected: str, error: OSError) -> WalError:
    """The error for what the system said of a path; expected names what should have been there."""
    if isinstance(error, PermissionError):
        return WalDeniedError(
            f"{path}: expected {expected}; this user may not read it. Run as the server's user, or as root."
        )
    return WalError(f"{path}: expected {expected}; {error.strerror}.")
