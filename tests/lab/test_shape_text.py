"""The two texts a lab is read from: the file, with lines, and the one-liner, with columns."""

from __future__ import annotations

from pathlib import Path

import pytest

from pgreplterm.lab.shape.check import checked
from pgreplterm.lab.shape.errors import ShapeError
from pgreplterm.lab.shape.lab_file import LabFileError, read_lab_file, read_text
from pgreplterm.lab.shape.plan import LabPlan, NodePlan
from pgreplterm.lab.shape.toml import plan_to_toml
from pgreplterm.lab.shape.tree import read_shape, shape_of

SHOP = """\
name = "shop"
postgresql = 18
segment_size = "1GB"
fsync = false
archive = true
synchronous = "ANY 1 (pg2, pg3)"

[settings]
work_mem = "8MB"
pg_stat_statements.max = 200
jit = false

[[node]]
name = "pg1"

[[node]]
name = "pg2"
follows = "pg1"

[[node]]
name = "pg3"
follows = "pg1"
delay = "30s"

[node.settings]
"work_mem" = "1MB"
"""


def test_a_file_says_everything(tmp_path: Path) -> None:
    path = tmp_path / "shop.toml"
    path.write_text(SHOP)
    plan = read_lab_file(path)
    assert plan == LabPlan(
        (NodePlan("pg1"), NodePlan("pg2", "pg1"), NodePlan("pg3", "pg1", "30s", {"work_mem": "1MB"})),
        name="shop",
        postgresql=18,
        segment_size=1024,
        fsync=False,
        archive=True,
        synchronous="ANY 1 (pg2, pg3)",
        settings={"work_mem": "8MB", "pg_stat_statements.max": "200", "jit": "off"},
    )
    assert read_text(plan_to_toml(plan), "again") == plan


def test_the_smallest_file_is_one_server() -> None:
    plan = read_text('[[node]]\nname = "pg1"\n', "small.toml")
    assert plan == LabPlan((NodePlan("pg1"),))
    assert plan.fsync


def test_any_text_survives_the_file() -> None:
    hostile = "it's \"x\" \\ \u00e9 \u2028 [[node]] # '''"
    plan = checked(
        LabPlan(
            (NodePlan("pg1", settings={"a.b": hostile}),),
            postgresql=Path('/opt/it\'s "here"/bin'),
            backend="docker",
            settings={"x$y": hostile},
        )
    )
    assert read_text(plan_to_toml(plan), "again") == plan


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (("postgresql =", "postgres ="), "2: unknown key 'postgres'; did you mean 'postgresql'?"),
        (('follows = "pg1"\ndelay', 'folows = "pg1"\ndelay'), "22: unknown key 'folows' in [[node]] pg3; did you mean"),
        (("= 18", "= 18.6"), "2: postgresql is a major version, such as 18, or the whole path of a bin directory:"),
        (("= 18", '= "bin"'), "2: postgresql is a major version"),
        (("= 18", "= true"), "2: postgresql is a major version"),
        (('"1GB"', "16"), '3: segment_size is a text like "16MB" or "1GB": found 16'),
        (('"1GB"', '"3MB"'), "3: a WAL segment is 1, 2, 4, ... 1024 MiB: asked for 3"),
        (("= false", '= "no"'), "4: fsync is true or false: found 'no'"),
        (("archive = true", "archive = 1"), "5: archive is true or false: found 1"),
        (("pg2, pg3", "pg2, pg4"), "6: synchronous: unknown node 'pg4'; did you mean"),
        (('= "8MB"', "= [8]"), "9: work_mem is a text, a number, true or false: found [8]"),
        (("max = 200", "max.min = 200"), "10: max is a text, a number"),
        (("jit =", "port ="), "11: port cannot be set: every node of a lab has its own"),
        (('name = "pg2"\n', ""), "16: every [[node]] has a name"),
        (('name = "pg2"', 'name = "pg1"'), "17: two nodes are called pg1"),
        (('name = "pg2"', "name = 2"), "17: name is a text in quotes: found 2"),
        (('"30s"', '"soon"'), "23: a delay is a whole number with ms, s, min, h or d, such as 30s: found 'soon'"),
        (('"work_mem" = "1MB"', "max_connections = 7"), "26: max_connections = 7 of pg3 is less than the 100"),
        (('name = "shop"', 'name = "shop'), "1: expected TOML: "),
        (('name = "shop"', 'name = "Shop"'), "1: a lab's name is"),
        (('name = "shop"', 'backend = "vm"'), "1: backend is local or docker: found 'vm'"),
    ],
)
def test_a_wrong_line_is_named(change: tuple[str, str], complaint: str) -> None:
    assert change[0] in SHOP
    with pytest.raises(LabFileError) as caught:
        read_text(SHOP.replace(*change, 1), "shop.toml")
    assert str(caught.value).startswith(f"shop.toml:{complaint}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "x.toml: a lab has at least one node, the primary: found none"),
        ('node = "pg1"', "x.toml:1: expected tables [[node]], one a server: found something else"),
        ("settings = 1", "x.toml:1: settings is a table, name = value each: found 1"),
        ("[" * 5000, "x.toml:1: expected TOML: "),
    ],
)
def test_a_file_that_is_something_else(text: str, complaint: str) -> None:
    with pytest.raises(LabFileError) as caught:
        read_text(text, "x.toml")
    assert str(caught.value).startswith(complaint)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(LabFileError, match=r"no\.toml cannot be read: No such file"):
        read_lab_file(tmp_path / "no.toml")
    (tmp_path / "latin.toml").write_bytes(b'name = "\xe9"')
    with pytest.raises(LabFileError, match="expected UTF-8, found something else at byte 8"):
        read_lab_file(tmp_path / "latin.toml")
    (tmp_path / "big.toml").write_bytes(b"#" * ((1 << 20) + 1))
    with pytest.raises(LabFileError, match="at most 1048576 bytes"):
        read_lab_file(tmp_path / "big.toml")


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("pg1", "pg1"),
        ("pg1(pg2(pg4),pg3@30s)", "pg1(pg2(pg4), pg3@30s)"),
        (" shop ( left @ 5min ( deep ) , right ) ", "shop(left@5min(deep), right)"),
        ("*(*(*), *@30s)", "pg1(pg2(pg3), pg4@30s)"),
        ("pg2(*, pg1(*), *)", "pg2(pg3, pg1(pg4), pg5)"),
        ("a(b(c(d(e))), f)", "a(b(c(d(e))), f)"),
        ("*@0s", "pg1"),
    ],
)
def test_a_shape_is_read_and_written(text: str, written: str) -> None:
    nodes = read_shape(text)
    assert shape_of(nodes) == written
    assert read_shape(written) == nodes
    assert checked(LabPlan(nodes)).nodes == nodes


@pytest.mark.parametrize(
    ("text", "column", "complaint"),
    [
        ("", 1, "expected a node's name or *, found the end"),
        ("pg1(pg2(pg4); pg3)", 13, "expected ',' or ')', found ';'"),
        ("pg1(pg2", 8, "expected ',' or ')', found the end"),
        ("pg1(", 5, "expected a node's name or *, found the end"),
        ("pg1()", 5, "expected a node's name or *, found ')'"),
        ("pg1,pg2", 4, "expected the end, found ','"),
        ("pg1(pg2))", 9, "expected the end, found ')'"),
        ("pg1(pg2) pg3", 10, "expected the end, found 'p'"),
        ("pg1(Pg2)", 5, "a node's name is 1 to 31 characters"),
        ("pg1(pg2, pg2)", 10, "two nodes are called pg2"),
        ("pg1(pg2@)", 5, "a delay is a whole number with ms, s, min, h or d, such as 30s: found ''"),
        ("pg1(pg2@3weeks)", 5, "such as 30s: found '3weeks'"),
        ("*(" * 5000, 25, "a lab has at most 12 nodes"),
    ],
)
def test_a_wrong_shape_is_pointed_at(text: str, column: int, complaint: str) -> None:
    with pytest.raises(ShapeError) as caught:
        read_shape(text)
    sentence, shown, caret = str(caught.value).split("\n")
    assert sentence.startswith(f"--shape, column {column}: ")
    assert complaint in sentence
    assert shown == f"    {text}"
    assert caret.index("^") - 4 == column - 1


def test_a_file_cannot_move_the_cursor() -> None:
    with pytest.raises(LabFileError) as caught:
        read_text('[[node]]\nname = "\\u001b[2J"\n"\\u001b[3J" = 1\n', "x.toml")
    assert str(caught.value).startswith("x.toml:3: unknown key")
    assert "\x1b" not in str(caught.value)


def test_a_shape_cannot_move_the_cursor() -> None:
    with pytest.raises(ShapeError) as caught:
        read_shape("pg1(\x1b[2Jpg2)")
    assert "\x1b" not in str(caught.value)
