"""What the SDK and the engine complain of, as one sentence with the way out.

Owns: recognising a failure by its type, its errno or the engine's own words, and wording it.
Must not: ask the engine anything; it may just have failed to answer.
"""

from __future__ import annotations

import errno
import os
import pwd
import re
from collections.abc import Iterator
from contextlib import contextmanager

from pgreplterm.cluster.words import printable
from pgreplterm.lab.docker import errors
from pgreplterm.lab.docker.endpoint import Endpoint

LOCALLY = "or use --backend local"
_LONGEST = 300
_ADDRESS = re.compile(r"\S*?((?:\d{1,3}\.){3}\d{1,3}|\[[0-9a-f:]+\]):(\d+)")
_NO_IMAGE = (
    "no such image",
    "manifest unknown",
    "not found: manifest",
    "pull access denied",
    "repository does not exist",
)
_NO_REGISTRY = (
    "no such host",
    "network is unreachable",
    "no route to host",
    "i/o timeout",
    "dial tcp",
    "tls handshake",
)
_PORT = ("port is already allocated", "address already in use", "ports are not available")
_SUBNET = ("pool overlaps", "non-overlapping", "all predefined address pools")


@contextmanager
def translated(endpoint: Endpoint, purpose: str) -> Iterator[None]:
    """Turn whatever goes wrong with the engine inside into a DockerError; purpose completes "while ...ing"."""
    import http.client

    import docker.errors
    import requests
    import urllib3

    of_the_sdk = (
        docker.errors.DockerException,
        docker.errors.StreamParseError,
        requests.RequestException,
        urllib3.exceptions.HTTPError,
        http.client.HTTPException,
        ConnectionError,
        TimeoutError,
    )
    try:
        yield
    except of_the_sdk as error:
        raise explained(error, endpoint, purpose) from None


def explained(error: BaseException, endpoint: Endpoint, purpose: str) -> errors.DockerError:
    """The sentence and its class, for one failure of the SDK."""
    roots = list(_roots(error))
    import ssl

    answered = getattr(error, "status_code", None)
    for root in roots if answered is None else []:
        if isinstance(root, ssl.SSLError):  # an OSError whose errno is none
            return errors.EngineUnavailable(
                f"the Docker Engine at {endpoint} and this program do not trust each other: {_said(root)}; "
                "look at the certificates in DOCKER_CERT_PATH or the context's"
            )
        if isinstance(root, OSError) and (unreachable := _unreachable(root.errno, endpoint)):
            return unreachable
    if any(_is_timeout(root) for root in roots):
        return errors.EngineTimeout(
            f"the Docker Engine at {endpoint} did not answer in time while {purpose}: "
            "look at its log (journalctl -u docker), and try again"
        )
    said = _said(error)
    if said == "" or any(_is_cut_off(root) for root in roots):
        return errors.EngineUnavailable(
            f"the Docker Engine at {endpoint} broke off the conversation while {purpose}: "
            f"see whether it still runs (docker info), {LOCALLY}"
        )
    return _refused(said, answered, endpoint, purpose)


def _unreachable(number: int | None, endpoint: Endpoint) -> errors.EngineUnavailable | None:
    if number in (errno.ENOENT, errno.ECONNREFUSED, errno.ENOTSOCK, errno.ENOTDIR, errno.EHOSTUNREACH):
        return errors.EngineUnavailable(
            f"no Docker Engine listens at {endpoint}: start it (systemctl start docker), "
            f"name another with --docker-host, {LOCALLY}"
        )
    if number in (errno.EACCES, errno.EPERM):
        return errors.EngineForbidden(
            f"the account {_account()} may not speak to the Docker Engine at {endpoint}: "
            f"add it to the socket's group (usermod -aG docker {_account()}) and log in again, {LOCALLY}"
        )
    return None


def _refused(said: str, status: int | None, endpoint: Endpoint, purpose: str) -> errors.DockerError:
    """By the engine's own words, which are the same from 20.10 on."""
    lowered = said.lower()
    where = f"while {purpose}"

    def has(*fragments: str) -> bool:
        return any(fragment in lowered for fragment in fragments)

    if has("no space left on device", "disk quota exceeded"):
        return errors.NoSpace(
            f"the Docker Engine's disk is full {where}: 'docker system df' shows what takes it; "
            "'pgreplterm lab image rm --all' frees the images that no lab uses"
        )
    if has(*_PORT):
        found = _ADDRESS.search(said)
        port = f"the host port {found[1]}:{found[2]}" if found else "a host port"
        return errors.PortTaken(f"{port} is taken {where}: stop what listens there, or build the lab again")
    if has(*_SUBNET):
        return errors.AddressTaken(
            f"the Docker Engine has no free subnet {where}: {said}; 'docker network ls' shows what takes them"
        )
    if has("http request to an https server"):
        return errors.EngineUnavailable(
            f"the Docker Engine at {endpoint} wants TLS: set DOCKER_TLS_VERIFY=1 and DOCKER_CERT_PATH, {LOCALLY}"
        )
    if has(*_NO_IMAGE):
        return errors.ImageMissing(
            f"there is no such image {where}: {said}; 'docker images' lists those here, "
            "'pgreplterm lab image build' makes one"
        )
    if has(*_NO_REGISTRY):
        return errors.ImageMissing(f"no registry answers {where}: {said}; 'pgreplterm lab image build' needs none")
    kind = {404: errors.NothingThere, 409: errors.InTheWay}.get(status or 0, errors.DockerError)
    return kind(f"the Docker Engine refuses {where}: {said}")


def _said(error: BaseException) -> str:
    """The engine's own sentence, or the SDK's, on one line and not endless."""
    text = printable(str(getattr(error, "explanation", None) or error).strip().replace("\n", " ")).rstrip(".")
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


def _is_timeout(error: BaseException) -> bool:
    import requests
    import urllib3

    return isinstance(error, TimeoutError | requests.Timeout | urllib3.exceptions.TimeoutError)


def _is_cut_off(error: BaseException) -> bool:
    import http.client

    return isinstance(error, http.client.HTTPException | ConnectionResetError | BrokenPipeError)


def _roots(error: BaseException, depth: int = 8) -> Iterator[BaseException]:
    """The error and everything it was made of: requests wraps urllib3 wraps http.client wraps the errno."""
    yield error
    if depth == 0:
        return
    inner = [error.__cause__, error.__context__, getattr(error, "reason", None), *error.args]
    for each in inner:
        if isinstance(each, BaseException):
            yield from _roots(each, depth - 1)


def _account() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())
