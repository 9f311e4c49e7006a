"""One Docker Engine, connected to: its client, its version, and its failures as sentences.

Owns: connecting within bounds, agreeing on an API version, and the oldest engine a lab runs on.
Must not: make anything in the engine.
"""

from __future__ import annotations

import re
import socket
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any

from pgreplterm.cluster.words import printable
from pgreplterm.lab.docker import trouble
from pgreplterm.lab.docker.endpoint import Certificates, Endpoint, find
from pgreplterm.lab.docker.errors import DockerError, EngineTimeout, EngineUnavailable

if TYPE_CHECKING:
    from docker import DockerClient

__all__ = ["Endpoint", "Engine", "connect", "find"]

OLDEST = "20.10"
OLDEST_API = (1, 41)
NEWEST_API = (1, 45)
"""The newest version of the API that the SDK was written for; a newer engine speaks it, too."""
CONNECT_TIMEOUT = 5
TIMEOUT = 60
"""Seconds for one answer; a request that takes longer by nature (a stop, a build) gives its own."""

_API = re.compile(r"(\d+)\.(\d+)\Z")


@dataclass(frozen=True, slots=True)
class Engine:
    """A connected engine: version such as "20.10.24", api such as "1.41". Its client may be used by several threads."""

    endpoint: Endpoint
    client: DockerClient
    version: str
    api: str

    def translated(self, purpose: str) -> AbstractContextManager[None]:
        """Wrap every use of the client in it: failures become a DockerError that says "while {purpose}"."""
        return trouble.translated(self.endpoint, purpose)

    def info(self) -> dict[str, Any]:
        """What the engine says of itself (``docker info``). Raises DockerError."""
        with self.translated("asking it about itself"):
            found: dict[str, Any] = self.client.info()
            return found

    def close(self) -> None:
        """Let go of its connections."""
        self.client.close()

    def __enter__(self) -> Engine:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __str__(self) -> str:
        return f"Docker Engine {self.version} at {self.endpoint}"


def connect(endpoint: Endpoint, timeout: int = TIMEOUT) -> Engine:
    """Reach the engine there and agree on an API version. Raises EngineUnavailable, EngineForbidden, DockerError."""
    if endpoint.url.startswith(("ssh://", "npipe://")):
        raise EngineUnavailable(
            f"the Docker Engine at {endpoint} can be spoken to only through a socket or TCP: forward its socket "
            f"('ssh -N -L /tmp/docker.sock:/var/run/docker.sock HOST') and name that, {trouble.LOCALLY}"
        )
    answer = _introduced(endpoint)
    version = printable(str(answer.get("Version") or "of unknown version"))
    newest = _api(answer.get("ApiVersion"))
    if newest is None:
        raise EngineUnavailable(f"what answers at {endpoint} is no Docker Engine: it names no API version")
    if newest < OLDEST_API:
        raise EngineUnavailable(
            f"the Docker Engine at {endpoint} is {version} (API {_text(newest)}): a lab needs {OLDEST} "
            f"(API {_text(OLDEST_API)}) or later; update it, {trouble.LOCALLY}"
        )
    agreed = max(min(newest, NEWEST_API), _api(answer.get("MinAPIVersion")) or OLDEST_API)
    with trouble.translated(endpoint, "connecting to it"):
        return Engine(endpoint, _client(endpoint, _text(agreed), timeout), version, _text(agreed))


def _introduced(endpoint: Endpoint) -> dict[str, Any]:
    """The engine's answer to /version, the one request that has no version itself."""
    import requests

    _knock(endpoint)
    try:
        with trouble.translated(endpoint, "connecting to it"):
            client = _client(endpoint, _text(OLDEST_API), CONNECT_TIMEOUT)
            try:
                answer = client.api.version(api_version=False)
            except requests.exceptions.JSONDecodeError:
                answer = None
            finally:
                client.close()
    except EngineTimeout:
        raise EngineUnavailable(
            f"the Docker Engine at {endpoint} takes connections and answers nothing within {CONNECT_TIMEOUT} s: "
            f"look at its log (journalctl -u docker), {trouble.LOCALLY}"
        ) from None
    except EngineUnavailable:
        raise
    except DockerError as error:
        raise EngineUnavailable(f"what answers at {endpoint} is no Docker Engine of use: {error}") from None
    return answer if isinstance(answer, dict) else {}


def _knock(endpoint: Endpoint) -> None:
    """Connect to a socket and hang up: the SDK would leave one that nobody serves open until it is collected."""
    if endpoint.socket is None:
        return
    with socket.socket(socket.AF_UNIX) as door:
        door.settimeout(CONNECT_TIMEOUT)
        try:
            door.connect(str(endpoint.socket))
        except OSError as error:
            raise trouble.explained(error, endpoint, "connecting to it") from None


def _client(endpoint: Endpoint, version: str, timeout: int) -> DockerClient:
    """A client for exactly this endpoint. Giving the version keeps the constructor from connecting."""
    import docker

    client = docker.DockerClient(
        base_url=endpoint.url,
        version=version,
        timeout=timeout,
        tls=_tls(endpoint.certificates) if endpoint.certificates else False,
    )
    with suppress(AttributeError):  # requests would send a loopback address to HTTP_PROXY; the docker command does not
        client.api.trust_env = False
    return client


def _tls(certificates: Certificates) -> Any:
    from docker.tls import TLSConfig

    authority, mine, key = (certificates.folder / name for name in ("ca.pem", "cert.pem", "key.pem"))
    return TLSConfig(
        client_cert=(str(mine), str(key)) if mine.exists() else None,
        ca_cert=str(authority) if authority.exists() else None,
        verify=certificates.verify,
    )


def _api(text: object) -> tuple[int, int] | None:
    found = _API.match(text) if isinstance(text, str) else None
    return (int(found[1]), int(found[2])) if found else None


def _text(api: tuple[int, int]) -> str:
    return f"{api[0]}.{api[1]}"
