"""Asking the servers that guesses name, beside the ticks, and handing back those that are of the cluster.

Owns: when a guess is asked, how many at a time, and which were asked lately. Must not: hold up a tick, ask a dead
guess twice within a minute, or show anybody what it asks with: the credentials of the DSN that led to the guess.

A password goes to a guessed address only in answer to a challenge (SCRAM, MD5), never in the clear, unless the DSN
itself says which methods are allowed (``require_auth``).
"""

from __future__ import annotations

import asyncio
import os
import time
from collections import defaultdict, deque
from collections.abc import Sequence
from dataclasses import replace

from psycopg import pq
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from pgreplterm.cluster.connecting.connect import Target
from pgreplterm.cluster.joining.match import names_shared
from pgreplterm.cluster.joining.observe import Identity, identity
from pgreplterm.cluster.model import ClusterSnapshot, NodeSample
from pgreplterm.cluster.sampling.guesses import Guess, confirms, guesses
from pgreplterm.cluster.sampling.session import Session, Unanswered

AT_ONCE = 4
# Seconds.
ANSWER_WITHIN = 2.0
AGAIN_AFTER = 60.0
LOOK_EVERY = 1.0
_FIRST_LIBPQ_WITH_REQUIRE_AUTH = 160000


class Discovery:
    """The search of one sampler."""

    def __init__(self, targets: Sequence[Target]) -> None:
        self._targets = {target.address: target for target in targets}
        self._asked: dict[str, float] = {}
        self._waiting: deque[list[Guess]] = deque()
        self._asking: set[asyncio.Task[None]] = set()
        self._found: dict[Identity, Target] = {}
        self._samples: tuple[NodeSample, ...] = ()
        self._defect: BaseException | None = None
        self._considered_at, self._size = 0.0, (0, 0)

    def consider(self, snapshot: ClusterSnapshot) -> None:
        """Take the newest snapshot as what is known, and ask what it suggests. Needs a running loop; never waits."""
        self._samples = tuple(node.sample for node in snapshot.nodes if node.sample is not None)
        now, size = time.monotonic(), (len(snapshot.nodes), len(snapshot.links))
        if size == self._size and now - self._considered_at < LOOK_EVERY:
            return
        self._considered_at, self._size = now, size
        self._asked = {address: at for address, at in self._asked.items() if now - at < AGAIN_AFTER}
        by_address: dict[str, list[Guess]] = defaultdict(list)
        for guess in guesses(snapshot):
            if guess.address not in self._asked and guess.finder.address in self._targets:
                by_address[guess.address].append(guess)
        self._waiting = deque(by_address.values())
        self._ask_more()

    def harvest(self) -> tuple[Target, ...]:
        """The targets confirmed since the last call, each server once."""
        if self._defect is not None:
            raise self._defect  # Unanswered is handled where it comes up; anything else must be seen
        found = tuple(self._found.values())
        self._targets.update({target.address: target for target in found})
        self._found.clear()
        return found

    async def settle(self, within: float) -> bool:
        """Wait, that many seconds at most, until all guesses are asked. True if there is something to harvest."""
        deadline = time.monotonic() + within
        while self._asking and (left := deadline - time.monotonic()) > 0:
            await asyncio.wait(self._asking, timeout=left, return_when=asyncio.FIRST_COMPLETED)
        return bool(self._found)

    def stop(self) -> tuple[asyncio.Task[None], ...]:
        """Ask no more; the attempts under way end by themselves at once."""
        self._waiting.clear()
        for task in self._asking:
            task.cancel()
        return tuple(self._asking)

    def _ask_more(self) -> None:
        while self._waiting and len(self._asking) < AT_ONCE:
            same = self._waiting.popleft()
            self._asked[same[0].address] = time.monotonic()
            task = asyncio.create_task(self._ask(same), name=f"discover {same[0].address}")
            self._asking.add(task)
            task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._asking.discard(task)
        if not task.cancelled():
            self._defect = self._defect or task.exception()
            self._ask_more()

    async def _ask(self, same: Sequence[Guess]) -> None:
        """Guesses at one address. Whatever refuses, or is not the one looked for, leaves no trace."""
        target = neighbour(self._targets[same[0].finder.address], same[0])
        session = Session(target)
        try:
            sample = await session.sample(ANSWER_WITHIN)
        except Unanswered:
            return
        finally:
            session.close()
        guess = next((guess for guess in same if confirms(guess, sample, self._samples)), None)
        if guess is not None and identity(sample) not in {identity(known) for known in self._samples}:
            self._found.setdefault(identity(sample), replace(target, name=self._name(guess, sample)))

    def _name(self, guess: Guess, sample: NodeSample) -> str:
        """What it is called where it has no cluster_name of its own: the application_name, if that is one's alone."""
        name = guess.sender.application_name if guess.sender is not None else ""
        return guess.address if not name or name in names_shared((*self._samples, sample)) else name


def neighbour(finder: Target, guess: Guess) -> Target:
    """The target of a guess: everything the finder's DSN says, at another address."""
    parts = conninfo_to_dict(finder.conninfo)
    if "hostaddr" in parts:
        parts["hostaddr"] = ""  # said, lest PGHOSTADDR take its place
    if pq.version() >= _FIRST_LIBPQ_WITH_REQUIRE_AUTH and "PGREQUIREAUTH" not in os.environ:
        parts.setdefault("require_auth", "!password")
    conninfo = make_conninfo("", **{**parts, "host": guess.host, "port": str(guess.port)})
    return Target(guess.address, guess.address, conninfo, discovered=True)
