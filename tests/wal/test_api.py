"""``from pgreplterm import wal`` in a program: its page in docs/ is run, and what it hands out is held to the bytes."""

from __future__ import annotations

import contextlib
import importlib
import inspect
import io
import json
import pkgutil
import re
import subprocess
import sys
from itertools import islice
from pathlib import Path

import pytest

from pgreplterm import wal
from pgreplterm.wal import Choice, record_json

from .builder import crc32c
from .corpus import Corpus
from .servers import require_bin
from .truth import assert_same_output, run_waldump

PAGE = Path(__file__).parents[2] / "docs" / "wal-api.md"
EXAMPLES = re.findall(r"```python\n(.*?)```\n\n```text\n(.*?)```", PAGE.read_text(), re.DOTALL)

pytestmark = pytest.mark.parametrize("corpus", [(18, 1)], ids=["18-1MB"], indirect=True, scope="session")


def _shape(line: str) -> str:
    """A line of output without what differs from server to server."""
    line = re.sub(r"[0-9A-F]+/[0-9A-F]{8}", "LSN", line)
    line = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+", "TIME", line)
    return re.sub(r"\d+", "N", line)


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_the_pages_examples(number: int, corpus: Corpus) -> None:
    code, expected = EXAMPLES[number]
    assert "/var/lib/postgresql/18/main" in code
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(code.replace("/var/lib/postgresql/18/main", str(corpus.folder)), PAGE, "exec"), {})
    assert [_shape(line) for line in printed.getvalue().splitlines()] == [
        _shape(each) for each in expected.splitlines()
    ]


def test_there_are_examples(corpus: Corpus) -> None:
    assert len(EXAMPLES) == PAGE.read_text().count("```python") >= 3


def test_records_outlive_the_walk_and_print_as_pg_waldump_does(corpus: Corpus) -> None:
    records = list(wal.read(wal.open_source(corpus.only(1))))
    ours = "".join(f"{record}\n" for record in records).encode()
    names = corpus.segments(1)
    theirs = run_waldump(require_bin(corpus.major), "-p", corpus.folder, names[0].name, names[-1].name)
    assert_same_output(ours, theirs.decode(errors="backslashreplace").encode(), require_bin(corpus.major))
    for record in records[:: len(records) // 300]:
        assert record.description in str(record)
        assert len(record.data) == record.length
        assert record.data[20:24] == crc32c(record.data[24:], record.data[:20]).to_bytes(4, "little")


def test_images_are_those_at_the_records_lsn(corpus: Corpus) -> None:
    source = wal.open_source(corpus.only(1))
    for _, record in zip(range(20), wal.read(source, Choice(images_only=True)), strict=False):
        found = wal.images_at(source, record.lsn)
        assert [(image.block, image.page) for image in record.images] == [(each.block, each.page) for each in found]
        assert len(record.images) == record.row.image_count > 0


def test_tail_begins_as_read_does(corpus: Corpus) -> None:
    source = wal.open_source(corpus.only(1))
    expected = [str(record) for record in islice(wal.read(source), 20_000)]
    waiting = wal.tail(source)
    assert [str(next(waiting)) for _ in expected] == expected


def test_the_json_of_a_record(corpus: Corpus) -> None:
    """One object a line, the same keys in each, and times only where a transaction ended."""
    source = wal.open_source(corpus.only(1))
    records = [*islice(wal.read(source), 20_000), *wal.read(source, Choice(rmgrs=frozenset({1})))]
    objects = [record_json(record) for record in records]
    assert len({tuple(each) for each in objects}) == 1
    assert all("\n" not in json.dumps(each) for each in objects)
    for record, plain in zip(records, objects, strict=True):
        ended = record.rmgr == "Transaction" and record.name.startswith(("COMMIT", "ABORT"))
        assert (plain["time"] is not None) == ended
        if plain["time"] is not None:
            assert plain["time"].endswith("Z")
            assert f"{record.time:%Y-%m-%d %H:%M:%S.%f} " in f"{plain['description']} ", "UTC here and there"


# ---- what a program gets to see ----


def test_importing_it_costs_nothing(corpus: Corpus) -> None:
    code = (
        "import sys; from pgreplterm import wal; wal.LSN.parse('0/3000060'); "
        "print([name for name in ('pgreplterm._walscan', '_cffi_backend', 'asyncio', 'psycopg', 'click', 'json') "
        "if name in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_every_name_is_there_documented_and_no_module(corpus: Corpus) -> None:
    modules = {each.name for each in pkgutil.iter_modules(wal.__path__)}
    assert not modules & set(wal.__all__), "a module, once imported, would hide the name"
    for module in sorted(modules):
        importlib.import_module(f"pgreplterm.wal.{module}")
    for name in wal.__all__:
        assert inspect.getdoc(getattr(wal, name)), name
    assert set(wal.__all__) == set(wal._HOMES) <= set(dir(wal))
    with pytest.raises(AttributeError, match="'no_such_thing'"):
        wal.no_such_thing  # noqa: B018


def test_the_page_names_what_there_is(corpus: Corpus) -> None:
    named = set(re.findall(r"wal\.([A-Za-z_]+)[(.]", PAGE.read_text())) - {"md"}
    assert named <= set(wal.__all__)
