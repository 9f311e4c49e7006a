"""Pieces of HTML and SVG, escaped.

Owns: that nothing a server said becomes markup, and that the result is well-formed. Must not: know a report.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from html import escape

from pgreplterm.cluster.words import printable

# What XML cannot hold at all.
_NO_CHARACTER = re.compile("[\ud800-\udfff\ufffe\uffff]")


def safe(text: str) -> str:
    """Text as text, also within an attribute's double quotes."""
    return escape(_NO_CHARACTER.sub("\N{REPLACEMENT CHARACTER}", printable(text)))


def tag(name: str, content: str = "", **attributes: str | float | None) -> str:
    """An element; content is markup, attributes are not. ``class_`` is class, ``x_y`` is x-y, None is left out."""
    said = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{_attribute(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    return f"<{name}{said}>{content}</{name}>"


def section(title: str, *content: str) -> str:
    """A heading with what is below it; nothing when there is nothing."""
    body = "\n".join(each for each in content if each)
    return tag("section", f"\n{tag('h2', safe(title))}\n{body}\n") if body else ""


def table(caption: str, headings: Sequence[str], rows: Iterable[Sequence[str]], numeric: Sequence[int] = ()) -> str:
    """A table; cells are markup already, the first of a row is its heading. numeric names columns of figures."""
    head = "".join(
        tag("th", safe(each), scope="col", class_=_kind(place, numeric)) for place, each in enumerate(headings)
    )
    lines = "\n".join(_row(row, numeric) for row in rows)
    body = f"{tag('caption', safe(caption))}\n{tag('thead', tag('tr', head))}\n{tag('tbody', lines)}"
    return tag("div", tag("table", body), class_="scroll")


def badge(kind: str, words: str) -> str:
    """A verdict: its words, coloured by kind "good", "bad" or "open"."""
    return tag("span", safe(words), class_=f"badge {kind}")


def _row(row: Sequence[str], numeric: Sequence[int]) -> str:
    first, *others = row
    cells = [tag("td", cell, class_=_kind(place, numeric)) for place, cell in enumerate(others, start=1)]
    return tag("tr", tag("th", first, scope="row", class_=_kind(0, numeric)) + "".join(cells))


def _kind(place: int, numeric: Sequence[int]) -> str | None:
    return "number" if place in numeric else None


def _attribute(value: str | float) -> str:
    return safe(value) if isinstance(value, str) else f"{value:.2f}".rstrip("0").rstrip(".")
