"""info: what a bug report needs, and nothing that must not be in one."""

from __future__ import annotations

import json
import platform
from importlib.metadata import version
from pathlib import Path

import pytest

from pgreplterm import __version__
from pgreplterm.errors import ExitCode

from .conftest import Command


def test_info_names_the_versions(pgreplterm: Command) -> None:
    done = pgreplterm("info", "--json")
    assert (done.status, done.err) == (ExitCode.OK, "")
    facts = json.loads(done.out)
    assert facts["program"]["pgreplterm"] == __version__
    assert facts["program"]["python"].startswith(platform.python_version())
    assert facts["program"]["crc-32c"] in ("table", "sse42", "clmul", "vpclmul", "armv8", "pmull")
    assert facts["program"]["libpq"][:2].isdigit()
    for name in ("psycopg", "textual", "cffi"):
        assert facts["packages"][name] == version(name)
    assert facts["terminal"]["terminals"] == "none"
    assert facts["configuration"]["file"] == "~/.config/pgreplterm/config.toml (not there)"


def test_the_text_has_the_same_facts(pgreplterm: Command) -> None:
    facts = json.loads(pgreplterm("info", "--json").out)
    text = pgreplterm("info").out
    for group in facts.values():
        for name, value in group.items():
            assert any(line.split(maxsplit=1) == [name, value] for line in text.splitlines()), name


def test_no_secret_and_no_escape_sequence(
    pgreplterm: Command, config_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGPASSWORD", "hunter2")
    monkeypatch.setenv("PGREPLTERM_DSNS", "host=h password=hunter2")
    monkeypatch.setenv("SSH_TTY", "/dev/hunter2")
    monkeypatch.setenv("TERM", "xterm\x1b[31m")
    config_file.write_text('[profile.default]\ndsns = ["host=h password=hunter2"]\nwrong = 1\n')
    for words in (["info"], ["info", "--json"]):
        done = pgreplterm(*words)
        assert done.status == ExitCode.OK
        assert "hunter2" not in done.out + done.err
        assert "\x1b" not in done.out
        assert "profiles: 1, problems: 1" in done.out


def test_a_broken_configuration_does_not_stop_it(pgreplterm: Command, config_file: Path) -> None:
    config_file.write_text("[")
    done = pgreplterm("info")
    assert done.status == ExitCode.OK
    assert "cannot be read: see config validate" in done.out
