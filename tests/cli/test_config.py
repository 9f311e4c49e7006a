"""config show, validate, init and path: what wins, where it comes from, and what is wrong on which line."""

from __future__ import annotations

import json
import re
import tomllib
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from pgreplterm.cluster.thresholds import PROFILES, Thresholds
from pgreplterm.config.schema import KEYS
from pgreplterm.config.template import reference, template
from pgreplterm.errors import ExitCode
from pgreplterm.toml_text import lines_of

from .conftest import Command

DOCS = Path(__file__).parents[2] / "docs" / "config.md"


def shown(pgreplterm: Command, *words: str) -> dict[str, tuple[Any, str]]:
    done = pgreplterm("config", "show", "--json", *words)
    assert done.status == ExitCode.OK, done.err
    document = json.loads(done.out)
    found = {name: (one["value"], one["from"]) for name, one in document["settings"].items()}
    return {"profile": (document["profile"]["value"], document["profile"]["from"]), **found}


def test_without_anything_all_is_default(pgreplterm: Command) -> None:
    found = shown(pgreplterm)
    assert {origin for _, origin in found.values()} == {"default"}
    assert found["interval"] == (1.0, "default")
    limits = {name.partition(".")[2]: value for name, (value, _) in found.items() if name.startswith("thresholds.")}
    assert Thresholds(**limits) == Thresholds()


def test_every_threshold_has_a_key() -> None:
    keys = {key.name.partition(".")[2] for key in KEYS if key.name.startswith("thresholds.")}
    assert keys == {field.name for field in fields(Thresholds)}


def test_command_line_before_variable_before_file(
    pgreplterm: Command, config_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config_file.write_text('[profile.default]\ninterval = 3\ndsns = [\n  "host=f",\n]\nascii = true\n')
    assert shown(pgreplterm)["interval"] == (3.0, f"{config_file}:2")
    assert shown(pgreplterm)["dsns"] == (["host=f"], f"{config_file}:3")
    assert shown(pgreplterm)["ascii"] == (True, f"{config_file}:6")

    monkeypatch.setenv("PGREPLTERM_INTERVAL", "2s")
    monkeypatch.setenv("PGREPLTERM_DSNS", "host=v1 port=1\nhost=v2")
    monkeypatch.setenv("PGREPLTERM_ASCII", "off")
    found = shown(pgreplterm)
    assert found["interval"] == (2.0, "PGREPLTERM_INTERVAL")
    assert found["dsns"] == (["host=v1 port=1", "host=v2"], "PGREPLTERM_DSNS")
    assert found["ascii"] == (False, "PGREPLTERM_ASCII")

    found = shown(pgreplterm, "host=o", "--interval", "5", "--ascii", "--no-discover")
    assert found["interval"] == (5.0, "--interval")
    assert found["dsns"] == (["host=o"], "DSN")
    assert found["ascii"] == (True, "--ascii")
    assert found["discover"] == (False, "--discover")


def test_servers_come_from_one_place(pgreplterm: Command, config_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config_file.write_text('[profile.default.nodes]\npg1 = "host=a"\n')
    assert shown(pgreplterm)["nodes"] == ({"pg1": "host=a"}, f"{config_file}:1")
    monkeypatch.setenv("PGREPLTERM_DSNS", "host=v")
    assert shown(pgreplterm)["nodes"] == ({}, "default")
    monkeypatch.setenv("PGREPLTERM_NODES", "pg2=host=b port=7\npg3 = service=c")
    assert shown(pgreplterm)["nodes"] == ({"pg2": "host=b port=7", "pg3": "service=c"}, "PGREPLTERM_NODES")
    found = shown(pgreplterm, "host=o")
    assert (found["nodes"], found["dsns"]) == (({}, "default"), (["host=o"], "DSN"))


def test_which_profile(pgreplterm: Command, config_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config_file.write_text(
        'default_profile = "prod"\n[profile.prod]\ninterval = 2\n[profile.test]\ninterval = 3\nlimits = "relaxed"\n'
    )
    assert shown(pgreplterm)["profile"] == ("prod", f"{config_file}:1")
    assert shown(pgreplterm)["interval"] == (2.0, f"{config_file}:3")
    monkeypatch.setenv("PGREPLTERM_PROFILE", "test")
    found = shown(pgreplterm)
    assert found["profile"] == ("test", "PGREPLTERM_PROFILE")
    assert found["interval"] == (3.0, f"{config_file}:5")
    assert found["thresholds.time_lag"] == (300.0, "limits relaxed")
    assert shown(pgreplterm, "--profile", "prod")["profile"] == ("prod", "--profile")


@pytest.mark.parametrize("name", PROFILES)
def test_the_sets_of_limits_are_profiles_without_a_file(name: str, pgreplterm: Command) -> None:
    found = shown(pgreplterm, "--profile", name)
    limits = {key.partition(".")[2]: value for key, (value, _) in found.items() if key.startswith("thresholds.")}
    assert Thresholds(**limits) == PROFILES[name]


def test_a_profile_that_does_not_exist(pgreplterm: Command, config_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config_file.write_text("[profile.prod]\n")
    done = pgreplterm("config", "show", "--profile", "prdo")
    assert (done.status, done.err) == (2, "pgreplterm: there is no profile 'prdo'; did you mean 'prod'?\n")
    monkeypatch.setenv("PGREPLTERM_PROFILE", "x")
    done = pgreplterm("status", "host=/nonexistent")
    told = "PGREPLTERM_PROFILE: there is no profile 'x'; there are default, strict, relaxed, prod"
    assert (done.status, done.err) == (2, f"pgreplterm: {told}\n")


WRONG = {
    "intervall = 3": "unknown key 'intervall' in [profile.p]; did you mean 'interval'?",
    "zzz = 3": "unknown key 'zzz' in [profile.p]; there are dsns, nodes, discover, interval, ascii, limits",
    "replay_gap = 3": "unknown key 'replay_gap' in [profile.p]; it is 'thresholds.replay_gap' in [profile.p]",
    "thresholds.replay_gab = 3": "unknown key 'replay_gab' in [profile.p.thresholds]; did you mean 'replay_gap'?",
    "thresholds.interval = 3": "unknown key 'interval' in [profile.p.thresholds]; it is 'interval' in [profile.p]",
    'interval = "soon"': """interval: expected seconds, at least 0.1, or a time such as "30s", found text: 'soon'""",
    "interval = 0": 'interval: expected seconds, at least 0.1, or a time such as "30s", found a whole number: 0',
    "interval = nan": 'interval: expected seconds, at least 0.1, or a time such as "30s", found a number: nan',
    "interval = true": 'interval: expected seconds, at least 0.1, or a time such as "30s", found a boolean: true',
    "ascii = 1": "ascii: expected true or false, found a whole number: 1",
    'limits = "tight"': "limits: expected one of default, strict, relaxed, found text: 'tight'",
    'dsns = "host=a password=hunter2"': "dsns: expected a list of connection strings, found text",
    "dsns = [1]": "dsns: expected a list of connection strings, found a list",
    'nodes = ["host=a"]': "nodes: expected a table of NAME = connection string, found a list",
    "interval = 2001-01-01": 'interval: expected seconds, at least 0.1, or a time such as "30s", found a date',
    "thresholds = 3": "expected a table [profile.p.thresholds], found a value",
    "thresholds.ready_files = -1": "ready_files: expected a whole number of at least 0, found a whole number: -1",
    "thresholds.safe_wal_percent = 101": (
        "safe_wal_percent: expected a whole number from 0 to 100, found a whole number: 101"
    ),
    "thresholds.replay_gap = 1.5": ('replay_gap: expected bytes, or a size such as "10MB", found a number: 1.5'),
    'thresholds.replay_gap = "10 parsec"': (
        """replay_gap: expected bytes, or a size such as "10MB", found text: '10 parsec'"""
    ),
}


@pytest.mark.parametrize("line", WRONG)
def test_validate_tells_line_and_sentence(line: str, pgreplterm: Command, config_file: Path) -> None:
    config_file.write_text(f"# a comment\n\n[profile.p]\n\n{line}\ndiscover = false\n")
    done = pgreplterm("config", "validate")
    assert (done.status, done.out, done.err) == (ExitCode.USAGE, "", f"{config_file}:5: {WRONG[line]}\n")
    done = pgreplterm("status", "host=/nonexistent")
    assert (done.status, done.err) == (ExitCode.USAGE, f"pgreplterm: {config_file}:5: {WRONG[line]}\n")


def test_validate_tells_every_problem_in_order(pgreplterm: Command, config_file: Path) -> None:
    config_file.write_text(
        'interval = 1\n[profile.a]\nascii = 0\n[profile.a.nodes]\none = "host=x"\ntwo = "host=x,y"\n'
        '[profile.b]\ndsns = ["hots=hunter2 password=hunter2"]\n[profile.c.thresholds]\nreplay_gap = "2GB"\n'
    )
    config_file.chmod(0o600)
    done = pgreplterm("config", "validate")
    assert done.status == ExitCode.USAGE
    lines = [int(re.match(rf"{config_file}:(\d+): ", line)[1]) for line in done.err.splitlines()]  # type: ignore[index]
    assert lines == [1, 3, 6, 8, 9]
    assert "it belongs into a [profile.NAME] table" in done.err
    assert "the connection string of two names 2 hosts" in done.err
    assert "a warning must not come after its critical" in done.err
    assert "hunter2" not in done.err


def test_validate_reads_variables_too(pgreplterm: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGREPLTERM_INTERVALL", "3")
    monkeypatch.setenv("PGREPLTERM_TIME_LAG", "3s")
    monkeypatch.setenv("PGREPLTERM_ASCII", "perhaps")
    monkeypatch.setenv("PGREPLTERM_LAB_ROOT", "/nonexistent")
    done = pgreplterm("config", "validate")
    assert done.status == ExitCode.USAGE
    assert done.err.splitlines() == [
        "PGREPLTERM_ASCII: expected true or false, found 'perhaps'",
        "PGREPLTERM_INTERVALL: unknown variable; did you mean PGREPLTERM_INTERVAL?",
        "PGREPLTERM_TIME_LAG: unknown variable; did you mean PGREPLTERM_THRESHOLDS_TIME_LAG?",
    ]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("[profile.p\n", 1),
        ("[profile.p]\ninterval = \n", 2),
        ("[profile.p]\ninterval = 1\ninterval = 2\n", 3),
        ("[profile.p]\ninterval = " + 5000 * "9", 2),
        ("x = " + 5000 * "[", 1),
    ],
)
def test_what_is_no_toml(text: str, line: int, pgreplterm: Command, config_file: Path) -> None:
    config_file.write_text(text)
    done = pgreplterm("config", "validate")
    assert done.status == ExitCode.USAGE
    assert done.err.startswith(f"pgreplterm: {config_file}:{line}: expected TOML: ")
    assert done.err.count("\n") == 1


def test_what_cannot_be_read(pgreplterm: Command, config_file: Path) -> None:
    config_file.write_bytes(b"\xff")
    assert (
        pgreplterm("config", "show").err
        == f"pgreplterm: {config_file}: expected UTF-8, found something else at byte 0\n"
    )
    config_file.unlink()
    config_file.mkdir()
    done = pgreplterm("config", "show")
    assert (done.status, done.err) == (
        2,
        f"pgreplterm: the configuration {config_file} cannot be read: Is a directory\n",
    )


def test_passwords_are_not_shown(pgreplterm: Command, config_file: Path) -> None:
    config_file.touch(0o600)
    config_file.write_text(
        '[profile.default]\ndsns = ["postgresql://u:hunter2@h/db", "host=h password=hunter2", '
        '"host=h password=odd hunter2"]\n'
        "nodes.n = \"host=n password='a hunter2'\"\n"
    )
    for words in ([], ["--json"]):
        done = pgreplterm("config", "show", *words)
        assert (done.status, done.err) == (0, "")
        assert "hunter2" not in done.out
        assert "password=***" in done.out
        assert "cannot be read" in done.out


def test_a_password_that_others_may_read_is_told(pgreplterm: Command, config_file: Path) -> None:
    config_file.write_text('[profile.default]\ndsns = ["postgresql://u:hunter2@/x?host=/nonexistent"]\n')
    for mode, told in ((0o644, True), (0o640, True), (0o600, False)):
        config_file.chmod(mode)
        for words in (["config", "validate"], ["config", "show"], ["status"]):
            done = pgreplterm(*words)
            assert ("holds a password and others may read it: chmod 600" in done.err) is told
            assert "hunter2" not in done.err + done.out
    config_file.write_text('[profile.default]\ndsns = ["host=/nonexistent user=u"]\n')
    config_file.chmod(0o644)
    assert pgreplterm("config", "validate").err == ""


def test_init_writes_for_its_user_alone_and_once(pgreplterm: Command, home: Path) -> None:
    place = home / ".config" / "pgreplterm" / "config.toml"
    assert pgreplterm("config", "path").out == f"{place}\n"
    done = pgreplterm("config", "init")
    assert (done.status, done.out) == (ExitCode.OK, f"{place}\n")
    assert place.stat().st_mode & 0o777 == 0o600
    assert pgreplterm("config", "validate").status == ExitCode.OK
    place.write_text("# mine\n")
    done = pgreplterm("config", "init")
    assert done.status == ExitCode.USAGE
    assert "is already there and stays as it is" in done.err
    assert place.read_text() == "# mine\n"


def test_the_place_follows_xdg(pgreplterm: Command, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / "xdg"))
    assert pgreplterm("config", "path").out == f"{home}/xdg/pgreplterm/config.toml\n"
    monkeypatch.setenv("XDG_CONFIG_HOME", "relative")
    assert pgreplterm("config", "path").out == f"{home}/.config/pgreplterm/config.toml\n"


def test_the_file_of_init_is_right_when_every_key_is_taken(pgreplterm: Command, config_file: Path) -> None:
    text = template()
    assert max(map(len, text.splitlines())) <= 80
    taken = re.sub(r"(?m)^# (?=[a-z_]+ = )", "", text)
    assert taken.count(" = ") > len(KEYS)
    config_file.write_text(taken)
    done = pgreplterm("config", "validate")
    assert (done.status, done.err) == (ExitCode.OK, "")
    values = tomllib.loads(taken)["profile"]["default"]
    assert {*values, *values["thresholds"]} == {key.last for key in KEYS} | {"thresholds"}
    found = shown(pgreplterm)
    for key in KEYS:
        assert found[key.name][1].startswith(f"{config_file}:"), key.name


def test_every_variable_is_read(pgreplterm: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    for key in KEYS:
        monkeypatch.setenv(key.variable, key.kind.spell(key.default) if key.default not in ((), {}) else "n=host=a")
    found = shown(pgreplterm)
    assert {found[key.name][1] for key in KEYS} == {key.variable for key in KEYS}
    assert all(found[key.name][0] == key.default for key in KEYS if key.default not in ((), {}))


def test_the_page_says_what_the_schema_says() -> None:
    assert reference() in DOCS.read_text()


def test_lines_are_found_whatever_the_layout() -> None:
    text = (
        "# top\n\na.b = 1\n[profile.x] # tail\nlist = [\n  # inside\n  'a = 1',\n  'b',\n]\n"
        'text = """\nlist2 = 3\n[profile.y]\n"""\n\n"odd key" = { inline = 1 }\n[profile.z.nodes]\nn1 = "x"\n'
    )
    found = lines_of(text)
    assert found["a", "b"] == 3
    assert found["profile", "x"] == 4
    assert found["profile", "x", "list"] == 5
    assert found["profile", "x", "text"] == 10
    assert found["profile", "x", "odd key", "inline"] == 15
    assert found["profile", "z", "nodes", "n1"] == 17
    assert ("profile", "y") not in found
