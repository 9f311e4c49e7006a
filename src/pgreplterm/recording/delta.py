"""What changed from one snapshot to another, as plain data, and that applied again.

Owns: the grammar of a delta. Must not: compress, or know a file.

A delta is a scalar (the new value), a list of one item (the new value, when that is a list, an object or nothing to
be told from a delta), or an object: the delta of each changed field by name, or of each changed item by position.
"""

from __future__ import annotations

from dataclasses import is_dataclass
from typing import Any

from pgreplterm.recording.codec import CodecError, field_names, plain

NOTHING: dict[str, Any] = {}


def delta(before: Any, after: Any) -> Any:
    """What leads from one value to the other; NOTHING when they are equal."""
    if before is after or before == after:
        return NOTHING
    if is_dataclass(after) and type(before) is type(after):
        names = field_names(type(after))
        return _changed((name, getattr(before, name), getattr(after, name)) for name in names)
    if isinstance(after, tuple) and isinstance(before, tuple) and len(after) == len(before):
        return _changed((str(place), *pair) for place, pair in enumerate(zip(before, after, strict=True)))
    new = plain(after)
    return [new] if isinstance(new, list | dict) else new


def _changed(parts: Any) -> dict[str, Any]:
    found = ((key, delta(before, after)) for key, before, after in parts if before is not after)
    return {key: change for key, change in found if change is not NOTHING}


def apply(base: Any, change: Any) -> Any:
    """The plain data after a change to it; base stays as it was. Raises CodecError when they do not fit."""
    if isinstance(change, list):
        if len(change) != 1:
            raise CodecError("expected one new value")
        return change[0]
    if not isinstance(change, dict):
        return change
    try:
        if isinstance(base, dict):
            return {**base, **{key: apply(base[key], part) for key, part in change.items()}}
        if isinstance(base, list):
            items = list(base)
            for key, part in change.items():
                items[int(key)] = apply(items[int(key)], part)
            return items
    except (KeyError, IndexError, ValueError) as error:
        raise CodecError(f"a delta that does not fit its full frame: {error}") from None
    raise CodecError("a delta of something that has no parts")
