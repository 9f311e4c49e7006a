"""What a session keeps from one answer to the next, so that a server need not say it ten times a second.

Owns: the settings, the timeline's history and the list of pg_wal, with what tells whether they are still true.
Must not: connect, or keep a connection string longer than it takes to read a host from it.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict

from pgreplterm.cluster.activity import WalFolder
from pgreplterm.wal.timeline import TimelineHistory, parse_history

Answer = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of one configuration load, primary_conninfo taken apart and left out of values."""

    loaded_at: str | None = None  # pg_conf_load_time() as the server writes it; None: none are held
    values: tuple[tuple[str, str], ...] = ()
    by_name: Mapping[str, str] = field(default_factory=dict, compare=False)
    upstream_host: str | None = None
    upstream_port: int | None = None
    application_name: str | None = None

    def text(self, name: str) -> str | None:
        """A setting as pg_settings gives it; None if hidden or of another major."""
        return self.by_name.get(name)

    def seconds(self, name: str, units_per_second: int = 1) -> float | None:
        """A duration, from its base unit."""
        text = self.text(name)
        return None if text is None else int(text) / units_per_second


@dataclass(frozen=True, slots=True)
class Kept:
    """Everything one connection keeps. settings_due asks for the settings though no reload happened."""

    settings: Settings = Settings()
    settings_due: bool = True
    history_timeline: int | None = None
    history: TimelineHistory | None = None
    folder: WalFolder | None = None
    folder_timeline: int | None = None

    def parameters(self) -> tuple[str | None, ...]:
        """The three of the statement: what need not be sent again, and the newest timeline known from pg_wal.

        All text: a parameter's type is part of what a prepared statement is found by.
        """
        loaded_at = None if self.settings_due else self.settings.loaded_at
        timelines = (
            None if number is None else str(number) for number in (self.history_timeline, self.folder_timeline)
        )
        return loaded_at, *timelines

    def after(self, answer: Answer) -> Kept:
        """With what the answer brought anew."""
        node, kept = answer["node"], self
        if answer["settings"] is not None:
            settings = read_settings(answer["settings"], node["conf_loaded_at"])
            kept = replace(kept, settings=settings, settings_due=False)
        timeline = node["timeline"]
        if timeline != kept.history_timeline:
            history = _history(timeline, answer["history"])
            known = timeline if history is not None or timeline == 1 else None  # the first timeline has no file
            kept = replace(kept, history_timeline=known, history=history)
        if kept.folder_timeline is not None and timeline is not None and timeline > kept.folder_timeline:
            kept = replace(kept, folder_timeline=timeline)
        return kept

    def after_folder(self, answer: Answer, taken_at: float) -> Kept:
        """With a new list of pg_wal; the settings are asked again, too: a few change without a reload."""
        folder, timeline = read_folder(answer, taken_at), answer["timeline"] or 1
        newest = max(timeline, self.folder_timeline or 0)
        return replace(self, folder=folder, folder_timeline=newest, settings_due=True)


def read_settings(rows: Mapping[str, str], loaded_at: str | None) -> Settings:
    """pg_settings' rows by name; a hidden primary_conninfo has none."""
    upstream = _conninfo(rows.get("primary_conninfo"))
    port = upstream.get("port", "")
    shown = {name: value for name, value in sorted(rows.items()) if name != "primary_conninfo"}
    return Settings(
        loaded_at=loaded_at,
        values=tuple(shown.items()),
        by_name=shown,
        upstream_host=upstream.get("host") or upstream.get("hostaddr"),
        upstream_port=int(port) if port.isdigit() else None,
        application_name=upstream.get("application_name"),
    )


def read_folder(answer: Answer, taken_at: float) -> WalFolder:
    """pg_wal's list; archive_status is null where this role may not list it."""
    status = answer["archive_status"] or {}
    return WalFolder(
        taken_at=taken_at,
        segments=answer["segments"],
        bytes=int(answer["bytes"]),
        ready=status.get("ready"),
        oldest_ready=status.get("oldest_ready"),
        oldest_ready_age=status.get("oldest_ready_age"),
    )


def _conninfo(text: str | None) -> dict[str, str]:
    """The parts of primary_conninfo, {} when hidden or malformed; its error text could quote a password."""
    try:
        return {key: str(value) for key, value in conninfo_to_dict(text or "").items()}
    except ProgrammingError:
        return {}


def _history(timeline: int | None, text: str | None) -> TimelineHistory | None:
    """None for a file that is missing, unreadable or malformed: then nothing is known of the lineage."""
    if timeline is None or text is None:
        return None
    try:
        return parse_history(timeline, base64.b64decode(text).decode("utf-8", "replace"))
    except (ValueError, binascii.Error):
        return None
