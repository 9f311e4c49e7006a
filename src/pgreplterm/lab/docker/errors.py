"""What can go wrong between us and a Docker Engine, each as one sentence and an exit code.

Owns: the error types a caller may want to tell apart. Must not: word them (that is ``trouble``).
"""

from pgreplterm.errors import ExitCode
from pgreplterm.lab.errors import LabError


class DockerError(LabError):
    """The engine did not do what it was asked."""


class EngineUnavailable(DockerError):
    """No engine answers there, or one that is too old: ``demo`` then takes local processes."""

    exit_code = ExitCode.CANNOT_CONNECT


class EngineForbidden(EngineUnavailable):
    """The engine is there, and this account may not speak to it."""

    exit_code = ExitCode.NO_PRIVILEGE


class EngineRemote(EngineUnavailable):
    """The endpoint is on another machine, and nobody asked for it in so many words."""

    exit_code = ExitCode.USAGE


class EngineTimeout(DockerError):
    """The engine took a request and did not answer in time; what was asked may still happen."""

    exit_code = ExitCode.CANNOT_CONNECT


class NoSpace(DockerError):
    """The engine's disk is full."""


class PortTaken(DockerError):
    """Another program listens at the host port a container was to publish."""


class AddressTaken(DockerError):
    """The subnet asked for overlaps with another network: another one may do."""


class ImageMissing(DockerError):
    """There is no image of that name, here or at its registry."""


class NothingThere(DockerError):
    """The container, network or volume is not (or no longer) there."""


class InTheWay(DockerError):
    """The engine refuses because of what is already there or in use (409)."""
