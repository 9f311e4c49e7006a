"""What can be wrong with WAL given to us, as one sentence each.

Owns: the error raised for input that cannot be read at all. Damage inside readable WAL is a finding, not an error.
"""

from pgreplterm.errors import PgReplTermError


class WalError(PgReplTermError):
    """The path holds no WAL that can be read: missing, empty, foreign, or of an unsupported major."""
