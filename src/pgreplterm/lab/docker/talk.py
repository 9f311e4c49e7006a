"""Requests that the SDK makes only with every credential of the user attached, or without a time limit.

Owns: one streamed request to the engine. Must not: know what is built or pulled.

The SDK runs the configured credential helpers before a build and a pull; a broken helper would fail an image that
needs none, and secrets would go where nobody asks for them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import IO, TYPE_CHECKING, Any

from pgreplterm.lab.docker.engine import Engine

if TYPE_CHECKING:
    import requests


def ask(engine: Engine, path: str, timeout: float) -> Any:
    """A GET; the JSON of the answer. Inside ``engine.translated``."""
    api = engine.client.api
    answer = api.get(f"{api.base_url}/v{engine.api}{path}", timeout=timeout)
    _check(answer)
    return answer.json()


def stream(
    engine: Engine, path: str, params: Mapping[str, str], body: IO[bytes] | None, timeout: float
) -> Iterator[dict[str, Any]]:
    """A POST; the engine's messages as they come, at most timeout seconds apart. Inside ``engine.translated``.

    Raises DockerException for a message that tells of a failure: by then the answer's status was 200.
    """
    import docker.errors

    api = engine.client.api
    headers = {"Content-Type": "application/x-tar"} if body is not None else {}
    url = f"{api.base_url}/v{engine.api}{path}"
    with api.post(url, params=dict(params), data=body, headers=headers, stream=True, timeout=timeout) as answer:
        _check(answer)
        for line in answer.iter_lines():
            if not line.strip():
                continue
            message = json.loads(line)
            if failure := message.get("error"):
                raise docker.errors.DockerException(str(failure))
            yield message


def _check(answer: requests.Response) -> None:
    import docker.errors
    import requests

    try:
        answer.raise_for_status()
    except requests.HTTPError as error:
        docker.errors.create_api_error_from_http_exception(error)
