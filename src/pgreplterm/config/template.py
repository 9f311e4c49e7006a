"""The keys as text: the file that ``config init`` writes, and the table in docs/config.md.

Owns: their layout. Must not: say anything about a key that the schema does not say.
"""

from __future__ import annotations

from textwrap import wrap

from pgreplterm.config.schema import (
    BUILT_IN,
    DEFAULT_PROFILE,
    KEYS,
    PROFILE_SENTENCE,
    PROFILE_VARIABLE,
    PROFILES,
    THRESHOLDS,
)

_HEAD = """\
# What you would otherwise type. Each key is commented out: take the "# " away.
# "pgreplterm config validate" checks this file, "pgreplterm config show" prints
# what holds and where it comes from. Passwords are better kept in ~/.pgpass.
"""


def template() -> str:
    """A file with every key, all of them commented out."""
    lines = [_HEAD, *_entry(PROFILE_SENTENCE, f'{DEFAULT_PROFILE} = "default"'), f"[{PROFILES}.default]", ""]
    inside = False
    for key in KEYS:
        if key.name.startswith(THRESHOLDS) and not inside:
            lines += [f"[{PROFILES}.default.{THRESHOLDS}]", ""]
            inside = True
        lines += _entry(key.sentence, f"{key.last} = {key.example}")
    return "\n".join(lines).rstrip() + "\n"


def _entry(sentence: str, example: str) -> list[str]:
    return [*wrap(sentence, 78, initial_indent="# ", subsequent_indent="# "), f"# {example}", ""]


def reference() -> str:
    """Every key as a table of Markdown: name, variable, default, and its sentence."""
    rows = ["| key | variable | default | |", "| --- | --- | --- | --- |"]
    rows.append(f"| `{DEFAULT_PROFILE}` | `{PROFILE_VARIABLE}` | {BUILT_IN[0]} | {PROFILE_SENTENCE} |")
    for key in KEYS:
        default = key.kind.spell(key.default) if key.default not in ((), {}) else "none"
        option = f" On the command line: `{key.option}`." if key.option else ""
        rows.append(f"| `{key.name}` | `{key.variable}` | {default} | {key.sentence}{option} |")
    return "\n".join(rows)
