"""The one family of errors a user can meet, and the exit codes that are a contract with scripts.

Owns: exit codes and the base error, whose text is always one sentence (expected, found, where, what to do).
Must not: import any other room, print, or know which surface will show the sentence.
"""

from enum import IntEnum


class ExitCode(IntEnum):
    """What a finished command tells its caller (``check`` alone uses the monitoring-plugin codes instead)."""

    OK = 0
    FINDING = 1
    USAGE = 2
    CANNOT_CONNECT = 3
    NO_PRIVILEGE = 4
    DRILL_FAILED = 5
    INTERRUPTED = 130


class PgReplTermError(Exception):
    """A failure the user can act on. ``str(error)`` is the one sentence shown; no traceback follows it."""

    exit_code = ExitCode.USAGE


class CannotConnect(PgReplTermError):
    """A server refused, stayed silent past its timeout, or could not be found."""

    exit_code = ExitCode.CANNOT_CONNECT


class NoPrivilege(PgReplTermError):
    """A server answered, but the role may not see or do what was asked."""

    exit_code = ExitCode.NO_PRIVILEGE


class DrillFailed(PgReplTermError):
    """A drill stopped before its last step; its journal says what was done and what was undone."""

    exit_code = ExitCode.DRILL_FAILED
