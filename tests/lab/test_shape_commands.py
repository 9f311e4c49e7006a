"""``lab up FILE``, ``--shape``, ``lab show`` and the commands for one node, as a user types them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from pgreplterm.errors import ExitCode
from pgreplterm.lab.shape.lab_file import read_text
from tests.lab.commands import one_sentence, run

DOCS = Path(__file__).parents[2] / "docs" / "lab.md"


def test_a_lab_from_a_file_shows_the_file_that_builds_it_again(lab_root: Path, tmp_path: Path) -> None:
    path = tmp_path / "small.toml"
    path.write_text('name = "small"\nfsync = false\n[settings]\nwork_mem = "8MB"\n[[node]]\nname = "alone"\n')
    up = run(lab_root, "lab", "up", str(path), "--json")
    assert up.returncode == 0, up.stderr
    assert "fsync off" in up.stderr
    assert json.loads(up.stdout)["fsync"] is False
    try:
        again = read_text(run(lab_root, "lab", "show", "small", "--toml").stdout, "again")
        assert replace(again, postgresql=None, backend=None) == read_text(path.read_text(), "small")
        shown = run(lab_root, "lab", "show", "small").stdout
        assert "shape         alone\n" in shown
        assert "fsync         off\n" in shown
    finally:
        assert run(lab_root, "lab", "down", "small").returncode == 0


def test_a_shape_and_one_node_more_and_less(lab_root: Path) -> None:
    words = ("--name", "walk2", "--shape", "*(*(*))", "--synchronous", "*", "--archive", "--segment-size", "1")
    up = run(lab_root, "lab", "up", *words, "--json")
    assert up.returncode == 0, up.stderr
    found = json.loads(up.stdout)
    try:
        assert {node["name"]: node["upstream"] for node in found["nodes"]} == {"pg1": None, "pg2": "pg1", "pg3": "pg2"}
        assert (found["archive"], found["synchronous"], found["fsync"]) == (True, "FIRST 1 (*)", True)
        assert (lab_root / "walk2" / "archive").is_dir()
        add = run(lab_root, "lab", "add", "pg4", "--follows", "pg1", "--set", "work_mem=2MB", "--name", "walk2")
        assert "pg4 streams from pg1" in one_sentence(add), add.stderr
        document = json.loads(run(lab_root, "lab", "show", "walk2", "--json").stdout)
        assert document["nodes"][3] == {"name": "pg4", "follows": "pg1", "delay": None, "settings": {"work_mem": "2MB"}}
        again = run(lab_root, "lab", "reclone", "pg4", "--from", "pg2", "--name", "walk2")
        assert "pg4 streams as a new copy" in one_sentence(again)
        assert run(lab_root, "lab", "remove", "pg4", "--name", "walk2").returncode == 0
        refused = run(lab_root, "lab", "remove", "pg2", "--name", "walk2")
        assert refused.returncode == ExitCode.USAGE
        assert "pg2 cannot be removed while others follow it: pg3" in one_sentence(refused)
    finally:
        assert run(lab_root, "lab", "down", "walk2").returncode == 0


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["FILE", "--standbys", "1"], "--standbys does not go with the lab file: say it there"),
        (["FILE", "--archive"], "--archive does not go with the lab file"),
        (["--shape", "pg1", "--cascade", "1"], "--cascade does not go with --shape"),
        (["FILE"], "FILE:2: unknown key 'nmae' in [[node]] pg1; did you mean 'name'?"),
        (["missing.toml"], "the lab file missing.toml cannot be read: No such file or directory"),
        (["--shape", "pg1(pg2"], "column 8: expected ',' or ')', found the end"),
        (["--shape", "pg1", "--synchronous", "pg1"], "waits for 1 standby and none of them streams from pg1"),
        (["--shape", "pg1", "--segment-size", "3"], "a WAL segment is 1, 2, 4, ... 1024 MiB: asked for 3"),
    ],
)
def test_what_cannot_be_built_is_said_at_once(
    lab_root: Path, tmp_path: Path, arguments: list[str], complaint: str
) -> None:
    path = tmp_path / "wrong.toml"
    path.write_text('[[node]]\nnmae = "pg1"\nname = "pg1"\n')
    refused = run(lab_root, "lab", "up", *(str(path) if word == "FILE" else word for word in arguments))
    assert (refused.returncode, refused.stdout) == (ExitCode.USAGE, "")
    assert "Traceback" not in refused.stderr
    assert complaint.replace("FILE", str(path)) in refused.stderr
    assert not list(lab_root.glob("lab*"))


def test_the_file_in_the_documentation_is_one() -> None:
    text = DOCS.read_text()
    begin = text.index('    name = "shop"')
    example = text[begin : text.index("\n| key", begin)]
    plan = read_text("\n".join(line.removeprefix("    ") for line in example.splitlines()), "docs")
    assert [node.name for node in plan.nodes] == ["pg1", "pg2", "pg3"]
