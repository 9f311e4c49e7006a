"""The labels on the images built here, besides the owner's.

Owns: their names, and the filter that finds our images. Must not: ask the engine.
"""

from __future__ import annotations

from pgreplterm.lab.docker import labels

KIND = "org.pgreplterm.kind"
"""A server, or the network tools; nothing but an image of ours bears it."""

SERVER = "server"
SIDECAR = "sidecar"

KEY = "org.pgreplterm.key"
"""A digest of what it was made of: the same key, the same image."""

ORIGIN = "org.pgreplterm.origin"
"""What it was made of, in words: a bin directory, or a Debian suite."""

VERSION = "org.pgreplterm.version"
MAJOR = "org.pgreplterm.major"
BINDIR = "org.pgreplterm.bindir"


def ours() -> str:
    """The engine's filter for what this account made."""
    return f"{labels.OWNER}={labels.owner()}"
