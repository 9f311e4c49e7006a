"""Finding the engine as docker does, refusing one elsewhere, and every way it can fail: one sentence, no traceback."""

from __future__ import annotations

import hashlib
import json
import os
import pwd
import shutil
import ssl
import subprocess
from pathlib import Path

import pytest

from pgreplterm.errors import ExitCode
from pgreplterm.lab.docker import endpoint, errors, registry
from pgreplterm.lab.docker.endpoint import Endpoint, find
from pgreplterm.lab.docker.engine import connect
from pgreplterm.lab.docker.image_store import built
from pgreplterm.lab.docker.machine import require_this, unfit
from tests.docker import answers
from tests.docker.engines import require_engine
from tests.lab.commands import command, environment, interpreter_for, one_sentence, packages_path

CONTEXT = "tcp://127.0.0.1:4003"
CURRENT = "unix:///run/current.sock"
REMOTE = ["ssh://root@db7", "tcp://192.0.2.7:2375", "tcp://db7.example:2376", "https://192.0.2.7", "db7:2375"]
LOCAL = ["unix:///x.sock", "tcp://127.0.0.1:2375", "tcp://localhost:2375", "tcp://[::1]:2375", "127.9.9.9:1"]


@pytest.fixture
def configuration(tmp_path: Path) -> Path:
    """A folder as docker's own: the contexts 'named', 'now' and 'far', of which 'now' is the current one."""
    for name, host in {"named": CONTEXT, "now": CURRENT, "far": "ssh://root@db7"}.items():
        meta = tmp_path / "contexts" / "meta" / hashlib.sha256(name.encode()).hexdigest()
        meta.mkdir(parents=True)
        document = {"Name": name, "Metadata": {}, "Endpoints": {"docker": {"Host": host, "SkipTLSVerify": False}}}
        (meta / "meta.json").write_text(json.dumps(document))
    (tmp_path / "config.json").write_text(json.dumps({"currentContext": "now"}))
    return tmp_path


CHOICES = [
    ({}, CURRENT),
    ({"DOCKER_CONTEXT": "named"}, CONTEXT),
    ({"DOCKER_CONTEXT": "default"}, "unix:///var/run/docker.sock"),
    ({"DOCKER_CONTEXT": "named", "DOCKER_HOST": "tcp://127.0.0.1:1"}, "tcp://127.0.0.1:1"),
    ({"DOCKER_HOST": "unix://"}, "unix:///var/run/docker.sock"),
    ({"DOCKER_HOST": ""}, CURRENT),
]


@pytest.mark.parametrize(("variables", "expected"), CHOICES)
def test_the_order_is_option_host_context_current_default(
    configuration: Path, variables: dict[str, str], expected: str
) -> None:
    surroundings = {"DOCKER_CONFIG": str(configuration), **variables}
    assert find(None, surroundings).url == expected
    assert find("tcp://127.0.0.1:9", surroundings).url == "tcp://127.0.0.1:9"


@pytest.mark.skipif(shutil.which("docker") is None, reason="no docker command to compare with")
@pytest.mark.parametrize(("variables", "expected"), CHOICES)
def test_the_docker_command_finds_the_same(configuration: Path, variables: dict[str, str], expected: str) -> None:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DOCKER_")}
    told = subprocess.run(
        ["docker", "context", "inspect", "--format", "{{.Endpoints.docker.Host}}"],
        env={**kept, "DOCKER_CONFIG": str(configuration), **variables}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert told.stdout.strip() == expected


def test_an_endpoint_says_where_it_comes_from(configuration: Path) -> None:
    surroundings = {"DOCKER_CONFIG": str(configuration)}
    assert str(find(None, surroundings)) == f"{CURRENT} (context 'now' of {configuration / 'config.json'})"
    surroundings["DOCKER_CONTEXT"] = "named"
    assert str(find(None, surroundings)) == f"{CONTEXT} (context 'named' of DOCKER_CONTEXT)"
    assert str(find("ssh://me:hunter2@db7", surroundings)) == "ssh://me:***@db7 (--docker-host)"


def test_without_configuration_it_is_the_default_socket_or_the_one_of_this_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    surroundings = {"HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path)}
    monkeypatch.setattr(endpoint, "DEFAULT_SOCKET", tmp_path / "none")
    assert find(None, surroundings) == Endpoint(f"unix://{tmp_path}/none", "context 'default'")
    (tmp_path / "docker.sock").touch()
    assert find(None, surroundings) == Endpoint(f"unix://{tmp_path}/docker.sock", "the socket in XDG_RUNTIME_DIR")


@pytest.mark.parametrize("host", REMOTE)
def test_an_engine_elsewhere_is_refused_unless_the_option_names_it(tmp_path: Path, host: str) -> None:
    with pytest.raises(errors.EngineRemote, match="not on this machine") as refused:
        find(None, {"DOCKER_HOST": host})
    assert refused.value.exit_code == ExitCode.USAGE
    assert not find(host, {}).is_local


@pytest.mark.parametrize("host", LOCAL)
def test_an_engine_here_is_taken(host: str) -> None:
    assert find(None, {"DOCKER_HOST": host}).is_local


def test_a_remote_context_ends_the_command_with_2(configuration: Path, lab_root: Path) -> None:
    ended = subprocess.run(
        command("lab", "image", "ls"), capture_output=True, text=True, check=False, cwd="/",
        env={**environment(lab_root), "DOCKER_CONFIG": str(configuration), "DOCKER_CONTEXT": "far", "DOCKER_HOST": ""},
    )  # fmt: skip
    assert ended.returncode == ExitCode.USAGE
    assert "ssh://root@db7 (context 'far' of DOCKER_CONTEXT) is not on this machine" in one_sentence(ended)


@pytest.mark.parametrize(
    ("host", "found"),
    [("gopher://x", "gopher"), ("unix://relative", "unix"), ("tcp://", "tcp"), ("tcp://h:x", "h:x"), ("\x1b[2J", "�")],
)
def test_what_is_no_endpoint_is_said_with_the_forms_there_are(host: str, found: str) -> None:
    with pytest.raises(errors.DockerError, match=r"expected unix:///PATH, tcp://HOST:PORT") as refused:
        find(host, {})
    assert found in str(refused.value)
    assert "\x1b" not in str(refused.value)


def test_a_broken_configuration_is_named(configuration: Path) -> None:
    surroundings = {"DOCKER_CONFIG": str(configuration)}
    with pytest.raises(errors.DockerError, match=r"context 'gone' named by DOCKER_CONTEXT is not there"):
        find(None, {**surroundings, "DOCKER_CONTEXT": "gone"})
    for meta in configuration.glob("contexts/meta/*/meta.json"):
        meta.write_text("{}")
    with pytest.raises(errors.DockerError, match=r"meta\.json names no Docker host"):
        find(None, surroundings)
    (configuration / "config.json").write_text("{")
    with pytest.raises(errors.DockerError, match=r"config\.json cannot be read \(it is not JSON\)"):
        find(None, surroundings)


def test_a_real_engine_answers(tmp_path: Path) -> None:
    require_engine()
    with connect(find(None)) as engine:
        assert engine.info()["ServerVersion"] == engine.version
        require_this(engine)
        assert str(engine).startswith(f"Docker Engine {engine.version} at ")
        with pytest.raises(errors.ImageMissing, match="while looking"), engine.translated("looking"):
            engine.client.images.get("pgreplterm-there-is-none")
        with pytest.raises(errors.NothingThere, match="No such container"), engine.translated("looking"):
            engine.client.containers.get("pgreplterm-there-is-none")


@pytest.mark.parametrize(
    ("newest", "oldest", "agreed"),
    [("1.41", "1.12", "1.41"), ("1.44", "1.24", "1.44"), ("1.52", "1.44", "1.45"), ("1.60", "1.50", "1.50")],
)
def test_the_version_agreed_on_is_one_both_speak(newest: str, oldest: str, agreed: str) -> None:
    said = {"Version": "x", "ApiVersion": newest, "MinAPIVersion": oldest}
    with answers.engine({"/version": (200, said)}) as host, connect(find(host)) as engine:
        assert engine.api == agreed


def test_an_engine_before_20_10_is_refused() -> None:
    said = {"Version": "19.03.15", "ApiVersion": "1.40", "MinAPIVersion": "1.12"}
    with (
        answers.engine({"/version": (200, said)}) as host,
        pytest.raises(errors.EngineUnavailable, match=r"is 19\.03\.15 \(API 1\.40\): a lab needs 20\.10") as refused,
    ):
        connect(find(host))
    assert refused.value.exit_code == ExitCode.CANNOT_CONNECT


def test_tcp_to_this_machine_passes_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    with answers.engine({"/version": (200, answers.VERSION)}, tcp=True) as host, connect(find(host)) as engine:
        assert engine.version == "28.0.1"


@pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl to make a certificate with")
def test_tls_takes_the_certificates_that_the_variables_name(tmp_path: Path) -> None:
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
         "-subj", "/CN=engine", "-addext", "subjectAltName=IP:127.0.0.1",
         "-keyout", tmp_path / "key.pem", "-out", tmp_path / "cert.pem"], check=True, capture_output=True,
    )  # fmt: skip
    shutil.copy(tmp_path / "cert.pem", tmp_path / "ca.pem")
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    serving.load_verify_locations(tmp_path / "ca.pem")
    serving.verify_mode = ssl.CERT_REQUIRED
    with answers.engine({"/version": (200, answers.VERSION)}, tls=serving) as host:
        variables = {"DOCKER_HOST": host, "DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": str(tmp_path)}
        with connect(find(None, variables)) as engine:
            assert engine.version == "28.0.1"
        (tmp_path / "ca.pem").unlink()
        with pytest.raises(errors.EngineUnavailable, match="do not trust each other"):
            connect(find(None, variables))


def test_ssh_is_refused_with_another_way() -> None:
    with pytest.raises(errors.EngineUnavailable, match=r"forward its socket \('ssh -N -L"):
        connect(find("ssh://db7"))


GOOD = {"Name": "here", "KernelVersion": "6.1", "SecurityOptions": ["name=seccomp,profile=default"]}


@pytest.mark.parametrize(
    ("difference", "reason"),
    [
        ({}, None),
        ({"SecurityOptions": None}, None),
        ({"SecurityOptions": ["name=rootless"]}, "runs without root"),
        ({"SecurityOptions": ["name=userns"]}, "runs with its users mapped to others"),
        ({"OperatingSystem": "Docker Desktop"}, "runs in Docker Desktop's virtual machine"),
        ({"Name": "db7\x1b"}, "runs on db7� (kernel 6.1), not on here (6.1)"),
        ({"KernelVersion": "5.10"}, "runs on here (kernel 5.10), not on here (6.1)"),
        ({"Name": None, "KernelVersion": None}, "runs on None (kernel None), not on here (6.1)"),
    ],
)
def test_an_engine_with_other_files_or_accounts_is_told(difference: dict[str, object], reason: str | None) -> None:
    assert unfit({**GOOD, **difference}, "here", "6.1") == reason


@pytest.mark.parametrize("host", ["unix:///nowhere/docker.sock", "tcp://127.0.0.1:1"])
def test_no_engine_is_said_with_the_way_out(host: str, lab_root: Path) -> None:
    ended = subprocess.run(
        command("lab", "image", "ls", "--docker-host", host), capture_output=True, text=True, check=False,
        env=environment(lab_root), cwd="/",
    )  # fmt: skip
    assert ended.returncode == ExitCode.CANNOT_CONNECT
    assert one_sentence(ended) == (
        f"pgreplterm: no Docker Engine listens at {host} (--docker-host): start it (systemctl start docker), "
        "name another with --docker-host, or use --backend local"
    )


def test_a_socket_that_nobody_serves_is_no_engine() -> None:
    with answers.deserted() as host, pytest.raises(errors.EngineUnavailable, match="no Docker Engine listens"):
        connect(find(host))


@pytest.mark.parametrize(
    ("says", "sentence"),
    [
        (b"", "broke off the conversation"),
        (b"220 mail.example ESMTP\r\n", "broke off the conversation"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "names no API version"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]", "names no API version"),
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "no Docker Engine of use"),
        (b"HTTP/1.0 400 Bad\r\n\r\nClient sent an HTTP request to an HTTPS server.\n", "wants TLS"),
    ],
)
def test_what_is_no_engine_is_said_so(says: bytes, sentence: str) -> None:
    with answers.stranger(says) as host, pytest.raises(errors.EngineUnavailable, match=sentence):
        connect(find(host))


def test_a_silent_engine_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pgreplterm.lab.docker.engine.CONNECT_TIMEOUT", 0.2)
    with answers.engine({}) as host, pytest.raises(errors.EngineUnavailable, match="answers nothing within"):
        connect(find(host))


def test_an_engine_that_falls_silent_later_is_a_timeout() -> None:
    with (
        answers.engine({"/version": (200, answers.VERSION)}) as host,
        connect(find(host), timeout=0.2) as engine,  # type: ignore[arg-type]
        pytest.raises(errors.EngineTimeout, match="did not answer in time while asking it about itself"),
    ):
        engine.info()


def test_a_registry_that_never_answers_costs_its_patience_and_no_more() -> None:
    with answers.engine({"/version": (200, answers.VERSION)}) as host, connect(find(host)) as engine:
        assert registry.has(engine, "postgres:18", patience=0.2) is False


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become somebody else")
def test_without_the_right_to_the_socket_it_is_4(lab_root: Path) -> None:
    account = pwd.getpwnam("nobody")
    python = interpreter_for(account)
    with answers.engine({"/version": (200, answers.VERSION)}) as host:
        Path(host.removeprefix("unix://")).chmod(0o600)
        ended = subprocess.run(
            [python, "-m", "pgreplterm", "lab", "image", "ls", "--docker-host", host],
            user=account.pw_uid, group=account.pw_gid, extra_groups=[], capture_output=True, text=True, check=False,
            env={"PYTHONPATH": packages_path(), "PYTHONDONTWRITEBYTECODE": "1", "HOME": "/nonexistent"}, cwd="/",
        )  # fmt: skip
    assert ended.returncode == ExitCode.NO_PRIVILEGE
    assert f"the account nobody may not speak to the Docker Engine at {host} (--docker-host)" in one_sentence(ended)
    assert "usermod -aG docker nobody" in one_sentence(ended)


PORT = "driver failed programming external connectivity on x: listen tcp4 127.0.0.1:36519: bind: address already in use"
NEWER_PORT = "failed to bind host port for 127.0.0.1:36519:172.17.0.2:5432/tcp: address already in use"
REFUSALS = [
    (500, "write /var/lib/docker/tmp/x: no space left on device", errors.NoSpace, "docker system df"),
    (500, PORT, errors.PortTaken, "the host port 127.0.0.1:36519 is taken"),
    (500, NEWER_PORT, errors.PortTaken, "the host port 127.0.0.1:36519 is taken"),
    (403, "Pool overlaps with other one on this address space", errors.AddressTaken, "no free subnet"),
    (404, "No such image: postgres:18", errors.ImageMissing, "docker images"),
    (500, 'Get "https://r/v2/": dial tcp: lookup r: no such host', errors.ImageMissing, "no registry answers"),
    (404, "No such container: x", errors.NothingThere, "No such container: x"),
    (409, "Conflict. The name is in use\n\x1b[2J", errors.InTheWay, "Conflict. The name is in use �"),
    (500, "", errors.DockerError, "500"),
]


@pytest.mark.parametrize(("status", "message", "kind", "sentence"), REFUSALS)
def test_what_an_engine_refuses_is_one_sentence(status: int, message: str, kind: type, sentence: str) -> None:
    said: dict[str, answers.Answer] = {"/version": (200, answers.VERSION), "/json": (status, {"message": message})}
    with answers.engine(said) as host, connect(find(host)) as engine, pytest.raises(errors.DockerError) as refused:
        built(engine)
    assert type(refused.value) is kind
    assert sentence in str(refused.value)
    assert "while listing the images built here" in str(refused.value)
    assert "\n" not in str(refused.value)
    assert "\x1b" not in str(refused.value)
