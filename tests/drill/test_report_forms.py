"""A report as JSON both ways, as text, Markdown and HTML; compared with others; and its files."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from pgreplterm.drill.figures import Curve, Figure
from pgreplterm.drill.report.chart import panels
from pgreplterm.drill.report.compare import cells, compare
from pgreplterm.drill.report.curve_words import extent, thinned
from pgreplterm.drill.report.document import as_document, from_document
from pgreplterm.drill.report.html import as_html
from pgreplterm.drill.report.markdown import as_markdown
from pgreplterm.drill.report.model import Outcome, Report
from pgreplterm.drill.report.scale import ticks, time_ticks
from pgreplterm.drill.report.store import compared, load, save
from pgreplterm.drill.report.text import as_text
from pgreplterm.drill.report.topology import branches, shape
from pgreplterm.drill.report.words import figure_in_words, tick_in_words, value_in_words
from pgreplterm.drill.runs import Run, new_run
from pgreplterm.errors import PgReplTermError
from tests.drill.report_sample import BEGAN, lag_points, sample, snapshot

_VOID = {"meta"}


class _Page(HTMLParser):
    """Which elements are open, what the text is, and every attribute that could fetch something."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []
        self.fetched: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        self.fetched += [value or "" for name, value in attrs if name in ("src", "href", "data", "action", "srcset")]
        assert not any(name.startswith("on") for name, _ in attrs)
        if tag not in _VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def _pictures(page: str) -> Iterator[ElementTree.Element]:
    for picture in re.findall(r"<svg.*?</svg>", page, re.DOTALL):
        yield ElementTree.fromstring(picture)


def test_a_report_survives_json() -> None:
    document = json.loads(json.dumps(as_document(sample()), allow_nan=False))
    assert from_document(document) == sample()
    assert document["figures"]["wal_bytes"]["value"] == 348_190_123
    assert document["figures"]["catch_up_seconds"]["value"] is None


def test_keys_of_a_later_program_are_skipped_and_missing_ones_are_empty() -> None:
    bare = {"kind": "drill", "name": "failover", "started_at": 1, "ended_at": 2, "outcome": "passed", "later": {"a": 1}}
    found = from_document(bare)
    assert (found.figures, found.before, found.lab) == ((), None, "")


def test_what_is_not_finite_is_not_known() -> None:
    odd = replace(
        sample(),
        figures=(Figure("rate", "Rate", float("inf"), "rows/s", "0 s"),),
        curves=(Curve("lag", "lag", "bytes", ((BEGAN, float("nan")),)),),
    )
    found = from_document(json.loads(json.dumps(as_document(odd), allow_nan=False)))
    assert (found.figures[0].value, found.curves[0].points[0][1]) == (None, None)
    assert figure_in_words(odd.figures[0]) == "not measured"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"outcome": "fine"}, "outcome should be passed, failed or inconclusive, and is 'fine'"),
        ({"started_at": "today"}, "started_at should be a number"),
        ({"figures": [1]}, "figures should be an object"),
        ({"figures": {"x": {"value": {}}}}, "figures.x.value should be"),
        ({"curves": [{"key": "k", "points": [[1]]}]}, "curves[0].points[0] should be an instant and a value"),
        ({"checks": [{"name": "n", "verdict": "green"}]}, "checks[0].verdict should be ok, warning or refusal"),
        ({"steps": {}}, "steps should be a list"),
        ({"name": ""}, "it has no 'name'"),
        ({"expectations": [{"text": "t", "holds": "yes"}]}, "expectations[0].holds should be true, false or null"),
        ({"files": {"journal": 3}}, "files.journal should be a text"),
    ],
)
def test_a_damaged_report_is_one_sentence(change: dict[str, Any], told: str) -> None:
    with pytest.raises(PgReplTermError) as caught:
        from_document({**as_document(sample()), **change}, "/runs/a/report.json")
    assert told in str(caught.value)
    assert str(caught.value).startswith("/runs/a/report.json: expected a report")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("value", "unit", "words"),
    [
        (0.412, "s", "412 ms"),
        (0.00059, "s", "0.59 ms"),
        (0.0123, "s", "12.3 ms"),
        (1.823, "s", "1.82 s"),
        (125.0, "s", "2 min 5 s"),
        (0, "s", "0 s"),
        (192, "bytes", "192 B"),
        (34_100_000, "bytes", "32.5 MB"),
        (8_290_984.0, "bytes/s", "7.9 MB/s"),
        (165.82, "bytes/row", "165.8 bytes/row"),
        (121_034.2, "rows/s", "121,034 rows/s"),
        (0, "commits", "0 commits"),
        (BEGAN, "epoch s", "2026-11-21T20:01:30.250+00:00"),
        (99.5, "%", "99.5%"),
        ((), "", "0"),
        ((7,), "", "1 (7)"),
        (tuple(range(30)), "", f"30 ({', '.join(map(str, range(20)))}, ...)"),
        (True, "", "yes"),
        (False, "", "no"),
        (None, "bytes", "not measured"),
        ("0/5000148", "", "0/5000148"),
        ("a\x1b[1m", "", "a\ufffd[1m"),
    ],
)
def test_values_are_humanised(value: Any, unit: str, words: str) -> None:
    assert value_in_words(value, unit) == words


def test_the_text_fits_eighty_columns_and_begins_with_the_outcome() -> None:
    lines = as_text(sample(), 80).splitlines()
    assert lines[0] == "INCONCLUSIVE: Network interruption"
    assert lines[1] == "lab s05 (local), PostgreSQL 18.1, 2026-11-21 20:01:30 UTC, for 1 min 30 s"
    assert all(len(line) <= 80 for line in lines)
    assert "Why: catch_up_seconds was not measured" in lines


def test_the_text_tells_everything() -> None:
    text = as_text(sample(), None)
    for figure in sample().figures:
        assert re.search(rf"{figure.label} +{re.escape(figure_in_words(figure))} ", text)
    for expected in (
        "does not hold  lost_ids is 0 (found: 3 (17, 18, 19))",
        "not measured   catch_up_seconds at most 30",
        "holds          wal_bytes at least 1 MB (found: 332.1 MB)",
        "refusal  one timeline  pg3 is on 1",
        "FAILED: failover: wait",
        "peak 9.5 MB at +20.30 s, last 2 kB; 780 samples, 120 unknown",
        "lag of pg3          not measured; 0 samples, 2 unknown",
        "1 ok, 1 warning",
        "pgreplterm replay '/tmp/x y/recording'",
    ):
        assert expected in text
    assert "\x1b" not in text


def test_long_words_go_below_their_figure() -> None:
    label = "WAL kept for a standby that is away 24 h, at most"
    text = as_text(replace(sample(), figures=(Figure("kept", label, 7, "bytes", "a clause " * 12),)), 80)
    assert "  WAL kept for a standby that is away 24 h, at  7 B\n  most\n    a clause a clause" in text
    assert all(len(line) <= 80 for line in text.splitlines())


def test_markdown_keeps_what_servers_said_out_of_its_markup() -> None:
    page = as_markdown(sample())
    assert "<script" not in page
    assert "\x1b" not in page
    rows = [line for line in page.splitlines() if line.startswith("|")]
    tables = [len(re.findall(r"(?<!\\)\|", row)) for row in rows if row.startswith("| Lost")]
    assert tables == [5]
    assert not re.search(r"^# head", page, re.MULTILINE)
    assert page.count("| 3 (17, 18, 19) |") == 2
    assert "332.1 MB (348,190,123 bytes)" in page


def test_the_page_is_well_formed_and_needs_nothing_else() -> None:
    page = as_html(sample(), compare(sample(), _earlier(2)))
    parser = _Page()
    parser.feed(page)
    assert parser.open == []
    assert parser.fetched == []
    assert "script" not in parser.seen
    assert "link" not in parser.seen
    style = page.partition("<style>")[2].partition("</style>")[0]
    assert "url(" not in style
    assert "@import" not in style
    assert "prefers-color-scheme: dark" in style
    assert "@media print" in style


def test_the_page_has_every_figure_with_how_it_was_measured() -> None:
    parser = _Page()
    parser.feed(as_html(sample()))
    text = "\n".join(parser.text)
    for figure in sample().figures:
        assert figure.label in text
        assert figure_in_words(figure) in text
    assert "the primary's position, twice" in text
    assert 'x</td><script src="http://evil/"></script>' in text  # as words, with the escape character replaced
    assert "\x1b" not in text


def test_the_picture_has_gaps_marks_a_title_and_every_peak() -> None:
    picture, *bars = _pictures(as_html(sample()))
    assert len(bars) == len(sample().steps)
    space = "{http://www.w3.org/2000/svg}"
    lines = picture.findall(f"{space}polyline")
    assert [line.get("class") for line in lines] == [
        "curve c0",
        "curve c0",
        "curve c0",
    ]  # pg2 twice, commits; pg3 never
    ends = [float(line.get("points", "").split()[-1].split(",")[0]) for line in lines]
    starts = [float(line.get("points", "").split()[0].split(",")[0]) for line in lines]
    assert starts[1] - ends[0] == pytest.approx(12.1 / 90 * 904, abs=1.5)
    heights = [float(place.split(",")[1]) for place in lines[0].get("points", "").split()]
    assert max(heights) - min(heights) > 100  # the peak of one sample is drawn
    assert picture.get("aria-labelledby") == "curves-title curves-desc"
    assert "lag of pg2: peak 9.5 MB" in (picture.findtext(f"{space}desc") or "")
    assert [line.get("class") for line in picture.iter(f"{space}line") if "mark" in line.get("class", "")].count(
        "mark fault"
    ) == 2
    assert "heal cut" in [text.text for text in picture.iter(f"{space}text")]


def test_a_run_without_curves_and_one_without_length_are_pages_too() -> None:
    bare = Report("drill", "failover", "", "", "lab", "", "", BEGAN, BEGAN, Outcome.PASSED)
    for report in (bare, replace(bare, curves=(Curve("lag_bytes:a", "", "bytes", ((BEGAN, 0.0),), "a"),))):
        parser = _Page()
        parser.feed(as_html(report))
        assert parser.open == []
        assert as_markdown(report).startswith("# Failover drill: passed\n")
        assert as_text(report, 80).startswith("PASSED: Failover drill\n")


def test_thinning_keeps_peaks_and_gaps() -> None:
    kept = thinned(lag_points(), 50)
    assert len(kept) <= 250
    assert [at for at, _ in kept] == sorted(at for at, _ in kept)
    assert max(value for _, value in kept if value is not None) == 9_999_999
    gap = [at - BEGAN for at, value in kept if value is None]
    assert min(gap) == pytest.approx(50.0)
    assert 61.9 - 90 / 50 < max(gap) < 62  # to within a stretch
    assert not [at for at, value in kept if value is not None and 50 <= at - BEGAN < 62]
    assert thinned(lag_points()[:10], 50) == lag_points()[:10]


def test_an_extent_without_a_known_value_is_unknown_and_not_zero() -> None:
    seen = extent(Curve("k", "", "bytes", ((1.0, None), (2.0, None))))
    assert (seen.least, seen.most, seen.peak_at, seen.last, seen.known, seen.unknown) == (None, None, None, None, 0, 2)


def test_lag_and_commits_come_first_and_a_node_keeps_its_colour() -> None:
    curves = [
        Curve(key, key, "", (), node)
        for key, node in (
            ("x", None),
            ("commits_per_second", None),
            ("replay:b", "b"),
            ("lag_bytes:a", "a"),
            ("lag_bytes:b", "b"),
        )
    ]
    found = [[(colour, curve.key) for colour, curve in panel.curves] for panel in panels(curves)]
    assert [panel[0][1] for panel in found] == ["lag_bytes:a", "commits_per_second", "x", "replay:b"]
    assert found[0] == [(1, "lag_bytes:a"), (0, "lag_bytes:b")]
    assert found[3] == [(0, "replay:b")]
    slots = [Curve(f"kept:{name}", name, "bytes", (), "a") for name in "bc"]  # two of one node
    assert [colour for colour, _ in panels([*curves, *slots])[-1].curves] == [0, 1]


@pytest.mark.parametrize(
    ("most", "unit", "words"),
    [
        (332 << 20, "bytes", ["0", "128 MB", "256 MB", "384 MB"]),
        (100, "bytes", ["0", "32 B", "64 B", "96 B", "128 B"]),
        (0.0119, "s", ["0", "5 ms", "10 ms", "15 ms"]),
        (219.8, "commits/s", ["0", "100", "200", "300"]),
        (0, "bytes", ["0", "1 B"]),
    ],
)
def test_ticks_are_round(most: float, unit: str, words: list[str]) -> None:
    assert [tick_in_words(tick, unit) for tick in ticks(most, unit)] == words


@pytest.mark.parametrize(("seconds", "last"), [(0.0, 0.0), (4.2, 4.0), (90, 90.0), (600, 600.0), (100_000, 90_000.0)])
def test_time_ticks_stay_within_the_run(seconds: float, last: float) -> None:
    found = time_ticks(seconds)
    assert found[-1] == pytest.approx(last)
    assert len(found) <= 10


def test_a_topology_is_a_tree_whatever_the_names_and_the_order() -> None:
    assert [(each.depth, each.name) for each in branches(sample().before)] == [(0, "pg1"), (1, "pg2"), (2, "pg3")]
    assert shape(sample().before) == shape(sample().after) == "((()))"
    assert shape(snapshot(("a", None), ("b", "a"), ("c", "a"))) == "(()())"
    assert shape(None) is None
    ring = snapshot(("a", "b"), ("b", "a"))
    assert {each.name for each in branches(ring)} == {"a", "b"}
    assert branches({"nodes": [3, None], "links": "x"}) == ()
    assert "async" in branches(sample().before)[1].words


def _earlier(count: int) -> list[Report]:
    """Older ones of the same, each with a downtime 100 ms longer than the next."""
    return [
        replace(
            sample(),
            started_at=BEGAN - 1000 * number,
            figures=(Figure("downtime_seconds", "Downtime", 0.412 + number / 10, "s", ""),),
        )
        for number in range(1, count + 1)
    ]


def test_a_comparison_has_the_previous_the_median_and_the_change() -> None:
    found = compare(sample(), [*_earlier(5), sample()], last=3)
    assert (found.runs, found.previous_at) == (3, BEGAN - 1000)
    rows = {row.figure.key: row for row in found.rows}
    assert cells(rows["downtime_seconds"]) == ("Downtime", "412 ms", "512 ms", "612 ms of 3", "-33 %")
    assert cells(rows["lost_ids"])[1:] == ("3", "?", "-", "-")
    assert "timeline" not in rows
    text = as_text(sample(), 80, found)
    assert "Compared with the last 3 runs like it" in text
    assert "612 ms of 3" in as_markdown(sample(), found)
    assert "612 ms of 3" in as_html(sample(), found)


@pytest.mark.parametrize(
    "other",
    [
        {"server_version": "17.6"},
        {"backend": "docker"},
        {"name": "failover"},
        {"before": snapshot(("pg1", None), ("pg2", "pg1"), ("pg3", "pg1"))},
        {"started_at": BEGAN + 1},
    ],
)
def test_runs_of_another_thing_do_not_compare(other: dict[str, Any]) -> None:
    assert compare(sample(), [replace(sample(), **{"started_at": BEGAN - 9, **other})]).runs == 0
    assert compare(sample(), [replace(sample(), started_at=BEGAN - 9)]).runs == 1


def test_moments_and_timelines_do_not_compare() -> None:
    figures = (Figure("began", "It began at", BEGAN, "epoch s", ""), Figure("timeline_after", "Timeline", 3, "", ""))
    now = replace(sample(), figures=figures)
    assert compare(now, [replace(now, started_at=1.0)]).rows == ()


def test_the_end_of_a_curve_may_be_unknown() -> None:
    ended = replace(sample(), curves=(Curve("lag_bytes:a", "lag", "bytes", ((BEGAN, 5.0), (BEGAN + 1, None)), "a"),))
    assert "peak 5 B at +0.00 s, last unknown; 1 samples, 1 unknown" in as_text(ended, None)
    assert "| 5 B | +0.00 s | unknown |" in as_markdown(ended)


def test_a_change_from_nothing_is_no_percentage() -> None:
    before = replace(sample(), started_at=1.0, figures=(Figure("lost_ids", "Lost", (), "", ""),))
    rows = {row.figure.key: row for row in compare(sample(), [before]).rows}
    assert cells(rows["lost_ids"]) == ("Lost", "3", "0", "0 of 1", "was 0")


def test_saved_files_are_whole_and_read_back(tmp_path: Path) -> None:
    for number in (3, 2, 1):
        place = new_run(tmp_path, "network", "s05", BEGAN - number)
        place.request.write_text("{}")
        paths = save(replace(sample(), started_at=BEGAN - number), place)
    assert [path.name for path in paths] == ["report.json", "report.md", "report.html"]
    other = new_run(tmp_path, "failover", "lab", BEGAN - 9)
    other.request.write_text("{}")
    save(replace(sample(), name="failover", started_at=BEGAN - 9), other)
    new_run(tmp_path, "unfinished", "lab", BEGAN - 5).request.write_text("{}")
    assert load(place.folder) == load(paths[0]) == replace(sample(), started_at=BEGAN - 1)
    assert compared(load(place.folder), tmp_path).runs == 2
    assert "Compared with the last 2 runs" in paths[2].read_text(encoding="utf-8")
    assert sorted(path.name for path in place.folder.iterdir()) == [
        "report.html",
        "report.json",
        "report.md",
        "request.json",
    ]


def test_what_cannot_be_written_or_read_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(
        PgReplTermError, match=r"expected to write the report here; .*Name another place with --report-dir\."
    ):
        save(sample(), Run(tmp_path / "file" / "run"))
    with pytest.raises(PgReplTermError, match="expected a report here; No such file"):
        load(tmp_path / "none")
    (tmp_path / "report.json").write_text('{"kind":')
    with pytest.raises(PgReplTermError, match="expected a report as JSON"):
        load(tmp_path)
