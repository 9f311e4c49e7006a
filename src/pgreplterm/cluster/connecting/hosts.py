"""The lists inside one connection string: which host goes with which address and which port.

Owns: pairing ``host``, ``hostaddr`` and ``port`` as libpq does. Must not: read the environment, resolve or connect.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

DEFAULT_PORT = "5432"
SOCKET_FOLDERS = ("/var/run/postgresql", "/tmp")
"""Where a local server's socket is by default: Debian's libpq looks in the first, PostgreSQL's own in the second."""


@dataclass(frozen=True, slots=True)
class Place:
    """One server: host is a name, an address or a socket's folder; hostaddr, if any, saves looking the name up."""

    host: str
    hostaddr: str
    port: str

    @property
    def address(self) -> str:
        """host:port."""
        return f"{self.host}:{self.port}"

    @property
    def reached_at(self) -> str:
        """What tells two servers apart, also where one name stands for both."""
        return f"{self.hostaddr or self.host}:{self.port}"


def places(parts: Mapping[str, str]) -> list[Place]:
    """The servers that a connection string names, with what it leaves to the defaults filled in. Raises ValueError."""
    hosts, addresses = _listed(parts.get("host")), _listed(parts.get("hostaddr"))
    count = len(addresses) or len(hosts) or 1
    if hosts and len(hosts) != count:
        raise ValueError(f"a connection string needs one hostaddr a host; found {count} for {len(hosts)}")
    ports = _listed(parts.get("port")) or [""]
    if len(ports) not in (1, count):
        raise ValueError(
            f"a connection string needs one port for all hosts or one each; found {len(ports)} for {count}"
        )
    ports = [_port(port) for port in ports] * (count if len(ports) == 1 else 1)
    found = zip(hosts or [""] * count, addresses or [""] * count, ports, strict=True)
    return [Place(host or address or _socket_folder(port), address, port) for host, address, port in found]


def _listed(text: str | None) -> list[str]:
    return text.split(",") if text else []


def _port(text: str) -> str:
    """An empty one is libpq's own default, whatever PGPORT says."""
    port = text.strip() or DEFAULT_PORT
    if not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        raise ValueError(f"a connection string needs ports from 1 to 65535; found {text!r}")
    return port


def _socket_folder(port: str) -> str:
    """Where psql would look for a local server: the folder that holds its socket, Debian's before upstream's."""
    holding = [folder for folder in SOCKET_FOLDERS if Path(folder, f".s.PGSQL.{port}").exists()]
    return (holding or list(SOCKET_FOLDERS))[0]
