"""The calculators: units, formulas, what is unknown, and the examples of docs/plan.md."""

from __future__ import annotations

import json
import math
import re
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from pgreplterm.cli.plan import plan
from pgreplterm.drill import units
from pgreplterm.drill.figures import Figure
from pgreplterm.drill.report.store import save
from pgreplterm.drill.runs import Run
from pgreplterm.drill.sizing import HOUR, NO_LIMIT, Fate, Retention, WalSize, capacity
from pgreplterm.lab.lab import Lab
from tests.drill.report_sample import sample

_MB, _GB = 1 << 20, 1 << 30
_GUIDE = Path(__file__).parents[2] / "docs" / "plan.md"
_EXAMPLE = re.compile(r"```console\n\$ pgreplterm (plan [^\n]*)\n(.*?)```", re.DOTALL)


@pytest.mark.parametrize(
    ("text", "base", "count"),
    [
        ("512", "B", 512),
        ("512B", "B", 512),
        ("10kB", "B", 10240),
        (" 10 kB ", "B", 10240),
        ("16MB", "B", 16 * _MB),
        ("1.5GB", "B", 3 * _GB // 2),
        (".5MB", "B", _MB // 2),
        ("1TB", "B", 1 << 40),
        ("64", "MB", 64 * _MB),
    ],
)
def test_sizes_are_read_as_postgresql_reads_them(text: str, base: str, count: int) -> None:
    assert units.size(text, base) == count


@pytest.mark.parametrize(
    ("text", "base", "count"),
    [
        ("300", "s", 300),
        ("500ms", "s", 0.5),
        ("15min", "s", 900),
        ("4 h", "s", 14400),
        ("1d", "s", 86400),
        ("4", "h", 14400),
    ],
)
def test_times_are_read_as_postgresql_reads_them(text: str, base: str, count: float) -> None:
    assert units.seconds(text, base) == count


def test_rates_may_have_a_second_behind_them() -> None:
    assert units.rate("48.8MB/s") == units.rate("48.8MB") == 48.8 * _MB


@pytest.mark.parametrize(
    ("read", "text", "told"),
    [
        (units.size, "10KB", "did you mean kB?"),
        (units.size, "1mb", "did you mean MB?"),
        (units.size, "10PB", "units are B, kB, MB, GB, TB"),
        (units.size, "", "found ''"),
        (units.size, "5,000", "expected a size"),
        (units.size, "1e3", "expected a size"),
        (units.seconds, "5m", "units are us, ms, s, min, h, d"),
        (units.seconds, "4H", "did you mean h?"),
        (units.rate, "x/s", "expected a rate such as 500kB/s or 48.8MB/s, found 'x/s'"),
    ],
)
def test_a_wrong_unit_is_told(read: Any, text: str, told: str) -> None:
    with pytest.raises(ValueError, match=re.escape(told)):
        read(text)


def test_the_document_is_wrong_by_sixty_and_this_is_not() -> None:
    found = WalSize(tps=5000, wal_per_transaction=10 * 1024, checkpoint_timeout=900)
    assert found.rate / _MB == pytest.approx(48.8, abs=0.05)
    assert found.per_checkpoint / _GB == pytest.approx(42.9, abs=0.05)
    assert found.wanted / _GB == pytest.approx(171.7, abs=0.05)


def test_below_the_servers_own_rule_wal_forces_checkpoints() -> None:
    found = WalSize(100, 8192, 300, margin=4, completion_target=0.9, now=512 * _MB)
    assert found.least == pytest.approx(found.per_checkpoint * 1.9)
    assert not found.forces_checkpoints
    assert WalSize(100, 8192, 300, margin=1.8).forces_checkpoints
    assert found.forced_every == pytest.approx(512 * _MB / 1.9 / found.rate)
    assert WalSize(100, 8192, 300).forced_every is None


def test_recovery_takes_what_lies_behind_the_last_finished_checkpoint() -> None:
    found = WalSize(100, 8192, 300, replay_rate=10 * _MB)
    assert found.to_replay == pytest.approx(100 * 8192 * 300 * 1.9)
    assert found.recovery_seconds == pytest.approx(found.to_replay / (10 * _MB))
    assert WalSize(100, 8192, 300).recovery_seconds is None
    assert WalSize(100, 8192, 300, margin=1).to_replay == WalSize(100, 8192, 300, margin=1).wanted


def test_a_slot_with_a_limit_is_lost_and_the_disk_is_spared() -> None:
    found = Retention(rate=5 * _MB, free=100 * _GB, limit=50 * _GB)
    assert found.saved_by_limit is True
    assert found.seconds_until_lost == pytest.approx(50 * 1024 / 5)
    assert found.seconds_until_full is None
    short, long = found.away(HOUR), found.away(24 * HOUR)
    assert (short.slot, short.disk, short.held) == (Fate.KEPT, Fate.FITS, short.written)
    assert (long.slot, long.disk, long.held) == (Fate.LOST, Fate.FITS, 50 * _GB)


@pytest.mark.parametrize("limit", [NO_LIMIT, 200 * _GB])
def test_without_a_limit_in_time_the_disk_is_full(limit: int) -> None:
    found = Retention(rate=5 * _MB, free=100 * _GB, limit=limit)
    assert found.saved_by_limit is False
    assert found.seconds_until_full == pytest.approx(100 * 1024 / 5)
    long = found.away(24 * HOUR)
    assert (long.slot, long.disk) == (Fate.KEPT if limit == NO_LIMIT else Fate.LOST, Fate.FULL)


def test_what_follows_from_an_unknown_is_unknown() -> None:
    nothing = Retention(None)
    assert (nothing.limited, nothing.saved_by_limit, nothing.seconds_until_lost) == (None, None, None)
    gone = nothing.away(HOUR)
    assert (gone.written, gone.held, gone.slot, gone.disk) == (None, None, Fate.UNKNOWN, Fate.UNKNOWN)
    no_limit_known = Retention(rate=_MB, free=10 * _GB)
    assert no_limit_known.away(HOUR).disk is Fate.FITS  # even if all of it stays
    assert no_limit_known.away(24 * HOUR).disk is Fate.UNKNOWN
    assert no_limit_known.away(HOUR).slot is Fate.UNKNOWN
    assert Retention(rate=_MB, limit=_GB).away(HOUR).slot is Fate.LOST
    assert Retention(rate=_MB, limit=_GB).away(HOUR).disk is Fate.UNKNOWN
    assert [day.wal for day in capacity(None, (1e6,))] == [None]
    assert capacity(None, (1e6,))[0].away == (None, None, None)


def test_a_cluster_that_writes_nothing_keeps_nothing_for_ever() -> None:
    found = Retention(rate=0.0, free=_GB, limit=NO_LIMIT)
    assert found.away(24 * HOUR).written == 0
    assert found.seconds_until_full is None


def test_a_day_of_rows() -> None:
    (day,) = capacity(165.8, (1e6,))
    assert day.wal == pytest.approx(165.8e6)
    assert day.rate == pytest.approx(165.8e6 / 86400)
    assert day.away[-1] == pytest.approx(day.wal)


def _run(*words: str) -> str:
    told = CliRunner().invoke(plan, list(words))
    assert told.exit_code == 0, told.output
    return told.stdout


@pytest.mark.parametrize(
    "words",
    [
        (
            "wal-size",
            "--tps",
            "5000",
            "--wal-per-transaction",
            "10kB",
            "--max-wal-size",
            "1GB",
            "--replay-rate",
            "90MB/s",
        ),
        ("retention",),
        ("retention", "--rate", "5MB", "--free", "1TB", "--max-slot-wal-keep-size", "-1", "--away", "400"),
        ("capacity", "--bytes-per-row", "165.8", "--rows-per-day", "1e9", "--away", "12", "--away", "36h"),
    ],
)
def test_every_line_fits_eighty_columns_and_json_is_json(words: tuple[str, ...]) -> None:
    text = _run(*words)
    assert all(len(line) <= 80 for line in text.splitlines())
    document = json.loads(_run(*words, "--json"))
    assert document["formula"]


def test_unknown_is_null_and_a_question_mark() -> None:
    document = json.loads(_run("retention", "--json"))
    assert document["wal_per_second"] is None
    assert document["away"][0] == {"seconds": 3600.0, "written": None, "on_disk": None, "slot": None, "disk": None}
    assert re.search(r"WAL a second +\? +give --rate", _run("retention"))
    assert json.loads(_run("capacity", "--json"))["days"][0]["wal_per_day"] is None


def test_wrong_words_are_refused() -> None:
    for words in (("retention", "--rate", "-5MB"), ("wal-size", "--tps", "0"), ("retention", "--away", "0")):
        assert CliRunner().invoke(plan, list(words)).exit_code == 2


def test_capacity_of_a_run(tmp_path: Path) -> None:
    run = Run(tmp_path / "run")
    run.folder.mkdir()
    run.request.write_text("{}")
    without = save(sample(), run)[0]
    assert "did not measure it" in _run("capacity", "--report", str(without))
    save(replace(sample(), figures=(Figure("wal_bytes_per_row", "WAL of a row", 165.8, "bytes/row", ""),)), run)
    for named in (run.folder, run.report):
        document = json.loads(_run("capacity", "--report", str(named), "--json"))
        assert (document["bytes_per_row"], document["source"]) == (165.8, "measured by network-interruption")


def test_retention_of_a_lab_is_measured(shared_lab: Lab) -> None:
    words = ("retention", "--lab", shared_lab.name, "--for", "0.5s", "--json")
    document = json.loads(_run(*words))
    assert document["wal_per_second"] >= 0
    assert document["source"].startswith("measured on pg1 for 0.")
    assert document["max_slot_wal_keep_size"] == _GB  # a lab's own, in lab/config.py
    if shared_lab.state.docker is None:
        assert document["free"] > 0
    given = json.loads(_run(*words, "--rate", "1MB", "--free", "2GB", "--max-slot-wal-keep-size", "-1"))
    assert (given["wal_per_second"], given["free"], given["max_slot_wal_keep_size"]) == (_MB, 2 * _GB, -1)
    assert given["source"] == "as given"


def test_the_examples_of_the_guide_are_what_the_program_says() -> None:
    examples = _EXAMPLE.findall(_GUIDE.read_text(encoding="utf-8"))
    assert len(examples) >= 3
    for command, shown in examples:
        _, *words = shlex.split(command)
        assert _run(*words) == shown


def test_the_formulas_of_the_guide_hold() -> None:
    assert math.ceil(5000 * 10 * 1024 * 900 * 4 / _MB) == 175782
    assert "175782MB" in _GUIDE.read_text(encoding="utf-8")
