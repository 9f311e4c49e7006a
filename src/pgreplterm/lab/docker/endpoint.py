"""Where the Docker Engine is, found as the docker command finds it.

Owns: the order of --docker-host, DOCKER_HOST, DOCKER_CONTEXT, the configuration's current context and the default
socket, and the refusal of an engine on another machine. Must not: connect.

A lab's folder is on this machine and is mounted into its containers, and a fault in the wrong engine is somebody
else's outage: so an endpoint elsewhere has to be named with --docker-host.
"""

from __future__ import annotations

import hashlib
import ipaddress
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pgreplterm.cluster.words import printable
from pgreplterm.lab.docker.errors import DockerError, EngineRemote

OPTION = "--docker-host"
DEFAULT_SOCKET = Path("/var/run/docker.sock")
DEFAULT_CONTEXT = "default"
_SCHEMES = ("unix", "tcp", "http", "https", "npipe", "ssh")
_FORM = "unix:///PATH, tcp://HOST:PORT or ssh://USER@HOST"


@dataclass(frozen=True, slots=True)
class Certificates:
    """The folder of ca.pem, cert.pem and key.pem, and whether the engine's own certificate is checked."""

    folder: Path
    verify: bool


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An engine's address, and in words what it was taken from."""

    url: str
    origin: str
    certificates: Certificates | None = None

    @property
    def is_local(self) -> bool:
        """Whether it is on this machine: a socket, a pipe, or TCP to a loopback address."""
        parts = urlsplit(self.url)
        return parts.scheme in ("unix", "npipe") or (parts.scheme != "ssh" and _is_loopback(parts.hostname or ""))

    @property
    def socket(self) -> Path | None:
        """The path of its socket, if it is one."""
        return Path(urlsplit(self.url).path) if self.url.startswith("unix://") else None

    @property
    def shown(self) -> str:
        """Its URL as it may be printed: on one line, without a password."""
        parts = urlsplit(self.url)
        secret = parts.password
        return printable(self.url.replace(f":{secret}@", ":***@") if secret else self.url)

    def __str__(self) -> str:
        return f"{self.shown} ({self.origin})"


def find(docker_host: str | None, environment: Mapping[str, str] | None = None) -> Endpoint:
    """The endpoint to use. Raises EngineRemote for one elsewhere that --docker-host does not name, DockerError."""
    variables = os.environ if environment is None else environment
    if docker_host:
        return _at(docker_host, OPTION, variables)
    found = _configured(variables)
    if not found.is_local:
        raise EngineRemote(
            f"the Docker Engine at {found} is not on this machine, where a lab's files are: "
            f"name it with {OPTION} if it is meant, or use --backend local"
        )
    return found


def _configured(variables: Mapping[str, str]) -> Endpoint:
    if host := variables.get("DOCKER_HOST"):
        return _at(host, "DOCKER_HOST", variables)
    folder = _configuration_folder(variables)
    if name := variables.get("DOCKER_CONTEXT"):
        return _of_context(folder, name, "DOCKER_CONTEXT", variables)
    if name := _document(folder / "config.json").get("currentContext"):
        return _of_context(folder, str(name), str(folder / "config.json"), variables)
    return _default(variables)


def _configuration_folder(variables: Mapping[str, str]) -> Path:
    if chosen := variables.get("DOCKER_CONFIG"):
        return Path(chosen)
    home = variables.get("HOME")
    return (Path(home) if home else Path.home()) / ".docker"


def _default(variables: Mapping[str, str]) -> Endpoint:
    """The system's socket; where there is none, that of an engine this user runs without root."""
    runtime = variables.get("XDG_RUNTIME_DIR")
    if runtime and not DEFAULT_SOCKET.exists() and (Path(runtime) / "docker.sock").exists():
        return Endpoint(f"unix://{runtime}/docker.sock", "the socket in XDG_RUNTIME_DIR")
    return Endpoint(f"unix://{DEFAULT_SOCKET}", f"context '{DEFAULT_CONTEXT}'")


def _of_context(folder: Path, name: str, source: str, variables: Mapping[str, str]) -> Endpoint:
    """The endpoint a context's meta file names; the file lies in a folder called by the name's SHA-256."""
    if name == DEFAULT_CONTEXT:
        return _default(variables)
    shown = printable(name)
    key = hashlib.sha256(name.encode()).hexdigest()
    meta = folder / "contexts" / "meta" / key / "meta.json"
    if not meta.exists():
        raise DockerError(
            f"the Docker context {shown!r} named by {source} is not there: expected {meta}; "
            "'docker context ls' lists those there are"
        )
    engine = _mapping(_mapping(_document(meta).get("Endpoints")).get("docker"))
    host = engine.get("Host")
    if not isinstance(host, str) or not host:
        raise DockerError(f"{meta} names no Docker host: repair the context {shown!r} with 'docker context update'")
    certificates = folder / "contexts" / "tls" / key / "docker"
    tls = Certificates(certificates, not engine.get("SkipTLSVerify")) if certificates.is_dir() else None
    return Endpoint(_checked(host, f"the context {shown!r}"), f"context '{shown}' of {source}", tls)


def _at(host: str, origin: str, variables: Mapping[str, str]) -> Endpoint:
    """An address given by itself; its certificates are where DOCKER_CERT_PATH says."""
    url = _checked(host, origin)
    tls = None
    if url.startswith(("tcp://", "https://")) and variables.get("DOCKER_TLS_VERIFY"):
        folder = variables.get("DOCKER_CERT_PATH")
        tls = Certificates(Path(folder) if folder else _configuration_folder(variables), verify=True)
    return Endpoint(url, origin, tls)


def _checked(host: str, origin: str) -> str:
    """The address in full: the docker command takes HOST:PORT for tcp, and unix:// for its default socket."""
    scheme, separator, rest = host.strip().partition("://")
    if not separator:
        scheme, rest = "tcp", host.strip()
    if scheme == "unix" and not rest:
        rest = str(DEFAULT_SOCKET)
    url = f"{scheme}://{rest}"
    try:
        parts = urlsplit(url)
        complete = parts.path.startswith("/") if scheme == "unix" else bool(parts.hostname or scheme == "npipe")
        _ = parts.port  # raises when it is none
    except ValueError:
        complete = False
    if scheme not in _SCHEMES or not complete:
        raise DockerError(f"{origin} is no Docker endpoint: expected {_FORM}, found {printable(host)!r}")
    return url


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False  # a name: where it leads can change between this look and the connection


def _document(path: Path) -> dict[str, Any]:
    """A JSON object; empty when there is no such file. Raises DockerError for anything else."""
    try:
        return _mapping(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not JSON"
        raise DockerError(f"{path} cannot be read ({reason}): repair it, or name the engine with {OPTION}") from None


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
