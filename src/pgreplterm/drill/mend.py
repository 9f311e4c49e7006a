"""Taking a run back that failed, was aborted, or died: the undos that are due, and then one primary with all following.

Owns: which undos are due, which node is the rightful primary, and bringing everyone under it. Must not: promote a
second node: a promotion that was journaled is brought to its end, and no other is begun.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pgreplterm.drill import undo as undos
from pgreplterm.drill.align import bring_under, by_distance
from pgreplterm.drill.journal import Journal
from pgreplterm.drill.procedure import Undo
from pgreplterm.drill.procedures.common import PROMOTE
from pgreplterm.drill.runs import Run
from pgreplterm.errors import DrillFailed, PgReplTermError
from pgreplterm.lab.errors import LabError
from pgreplterm.lab.faults.engine import heal, heal_lab
from pgreplterm.lab.faults.lock import held_back

if TYPE_CHECKING:
    from pgreplterm.lab.lab import Lab

Event = Mapping[str, Any]
Narrate = Callable[[str], None]


def events_of(path: Path) -> tuple[dict[str, Any], ...]:
    """The events of a journal; a line that was being written when its writer died is left out."""
    found = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            event = json.loads(line)
        except ValueError:
            continue
        if isinstance(event, dict) and "event" in event:
            found.append(event)
    return tuple(found)


def take_back(lab: Lab, journal: Journal, narrate: Narrate, kept: Sequence[Path] = ()) -> None:
    """Undo what is due and make the lab whole. Raises DrillFailed saying what is still not right.

    kept is where the list may go of what only one node has, before it is overwritten.
    """
    with held_back():
        events = events_of(journal.path)
        _clear_the_way(lab, narrate)
        primary, settled = settle_promotions(lab, events, narrate)
        complaints = [*_undo_due(lab, journal, events, settled, narrate)]
        complaints += make_whole(lab, primary or sole_primary(lab), narrate, kept)
    if complaints:
        raise DrillFailed("; ".join(complaints))


def heal_interrupted(lab: Lab, run: Run, narrate: Narrate) -> None:
    """Take back what a run whose process died has left half done; its journal then says so.

    The caller holds the lab's drill lock. Raises DrillFailed saying what is still not right.
    """
    journal = Journal(run.journal)
    try:
        journal.write("healing", reason="its process died")
        try:
            take_back(lab, journal, narrate, (run.diverged, lab.directory / f"{run.name}.diverged.json"))
        except PgReplTermError as error:
            journal.write("not_whole", detail=str(error))
            journal.write("failed", detail="its process died", healed=False)
            raise
        journal.write("failed", detail="its process died; what it left was taken back", healed=True)
    finally:
        journal.close()


def settle_promotions(lab: Lab, events: Sequence[Event], narrate: Narrate) -> tuple[str | None, int]:
    """Bring the last promotion to its end if it was begun: the primary it made, and where in the journal; (None, -1).

    pg_promote cannot be taken back, and whether it was sent before its sender died nobody can tell. Sending it again
    to the same node makes no second promotion.
    """
    names = {node.name for node in lab.nodes}
    begun = [(place, str(each["node"])) for place, each in enumerate(events) if each["event"] == "promoting"]
    for place, node in reversed(begun):
        if node not in names:
            continue
        try:
            if not lab.is_running(node):
                lab.start(node)
            lab.complete_promotion(node)
        except PgReplTermError as error:
            narrate(f"{node} was not promoted: {error}")
            continue
        return node, place
    return None, -1


def due(events: Sequence[Event], settled: int) -> Iterator[Undo]:
    """The undos of steps that were begun, newest first, without those made void by a promotion there or by a step."""
    done = {json.dumps(each["undo"], sort_keys=True) for each in events if each["event"] == "undo_done"}
    for place, event in reversed(list(enumerate(events))):
        document = event.get("undo")
        if event["event"] != "step_started" or not document or json.dumps(document, sort_keys=True) in done:
            continue
        undo = Undo(**document)
        if undo.until is None or (place > settled and not _began(events[place:], undo.until)):
            yield undo


def _began(events: Sequence[Event], step: str) -> bool:
    """Whether that step was begun there. Of a promotion an event of its own says so: the step may not come to it."""
    return step != PROMOTE and any(each["event"] == "step_started" and each.get("step") == step for each in events)


def make_whole(lab: Lab, primary: str, narrate: Narrate, kept: Sequence[Path] = ()) -> list[str]:
    """One primary, everything else following it, no fault left; what could not be made right, a sentence each."""
    complaints: list[str] = []
    if not lab.is_running(primary):
        lab.start(primary)
    for node in by_distance(lab, primary):
        try:
            bring_under(lab, node, primary, narrate, kept)
        except (PgReplTermError, OSError) as error:
            complaints.append(f"{node}: {error}")
    healing = heal_lab(lab, narrate)
    return [*complaints, *healing.errors, *_tidy(lab, narrate)]


def _clear_the_way(lab: Lab, narrate: Narrate) -> None:
    """A node that is frozen or cut off cannot be brought under anybody. What fails here is tried again at the end."""
    try:
        for node in lab.nodes:
            if lab.is_running(node.name) and lab.is_frozen(node.name):
                lab.thaw(node.name)
                narrate(f"{node.name} continues")
        heal(lab, None, narrate, settle=False)
    except (PgReplTermError, OSError) as error:
        narrate(str(error))


def _tidy(lab: Lab, narrate: Narrate) -> Iterator[str]:
    """What a step that was cut off may have left of an earlier upstream: its slot would hold WAL for ever."""
    for node in lab.nodes:
        try:
            lab.close_unused_links(node.name)
            if lab.is_running(node.name) and (dropped := lab.drop_unused_slots(node.name)):
                narrate(f"dropped slots of {node.name} that nobody uses: {', '.join(dropped)}")
        except PgReplTermError as error:
            yield f"{node.name}: {error}"


def sole_primary(lab: Lab) -> str:
    """The node that follows nobody. Raises LabError when it is not one."""
    found = [node.name for node in lab.nodes if node.upstream is None]
    running = [name for name in found if lab.is_running(name)]
    for names in (found, running):
        if len(names) == 1:
            return names[0]
    raise LabError(
        f"expected one primary in lab {lab.name!r}, found {', '.join(found) or 'none'}: stop all but one with "
        f"'pgreplterm lab stop NODE --name {lab.name}'"
    )


def _undo_due(lab: Lab, journal: Journal, events: Sequence[Event], settled: int, narrate: Narrate) -> Iterator[str]:
    from pgreplterm.drill.conduct import undo_document

    for undo in due(events, settled):
        document = undo_document(undo)
        narrate(f"undo: {undo.sentence}")
        journal.write("undo_started", undo=document)
        try:
            undos.run(lab, undo)
        except (PgReplTermError, OSError) as error:
            journal.write("undo_failed", undo=document, detail=str(error))
            yield f"{undo.sentence}: {error}"
        else:
            journal.write("undo_done", undo=document, detail=undo.sentence)
