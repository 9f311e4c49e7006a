"""What to say of a name that does not exist.

Owns: that sentence, for every room that reads names somebody typed. Must not: know what is named.
"""

from __future__ import annotations

from collections.abc import Iterable


def unknown(what: str, name: object, known: Iterable[str], inside: str = "", instead: str | None = None) -> str:
    """One sentence with the nearest name there is, or else all of them; instead says something better than those."""
    from difflib import get_close_matches

    if instead is None:
        known = list(known)
        nearest = get_close_matches(str(name), known, n=1, cutoff=0.6)
        instead = f"did you mean {nearest[0]!r}?" if nearest else f"there are {', '.join(known) or 'none'}"
    return f"unknown {what} {str(name)!r}{inside}; {instead}"
