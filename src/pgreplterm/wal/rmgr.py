"""Names of resource managers and record types, by major.

Owns: what each ``*_identify`` of src/backend/access/rmgrdesc/ answers, as data.
Must not: describe payloads.
"""

from __future__ import annotations

from functools import lru_cache

RMGR_NAMES = (
    "XLOG", "Transaction", "Storage", "CLOG", "Database", "Tablespace", "MultiXact", "RelMap", "Standby",
    "Heap2", "Heap", "Btree", "Hash", "Gin", "Gist", "Sequence", "SPGist", "BRIN", "CommitTs",
    "ReplicationOrigin", "Generic", "LogicalMessage", "XLOG2",
)  # fmt: skip

_INIT = 0x80
_HEAP_INIT = {0x00: "INSERT+INIT", 0x20: "UPDATE+INIT", 0x40: "HOT_UPDATE+INIT"}

# rmgr -> {high nibble: name}, as in 16; _CHANGES holds what other majors say instead.
_NAMES: dict[int, dict[int, str]] = {
    0: {0x00: "CHECKPOINT_SHUTDOWN", 0x10: "CHECKPOINT_ONLINE", 0x20: "NOOP", 0x30: "NEXTOID", 0x40: "SWITCH",
        0x50: "BACKUP_END", 0x60: "PARAMETER_CHANGE", 0x70: "RESTORE_POINT", 0x80: "FPW_CHANGE",
        0x90: "END_OF_RECOVERY", 0xA0: "FPI_FOR_HINT", 0xB0: "FPI", 0xD0: "OVERWRITE_CONTRECORD"},
    1: {0x00: "COMMIT", 0x10: "PREPARE", 0x20: "ABORT", 0x30: "COMMIT_PREPARED", 0x40: "ABORT_PREPARED",
        0x50: "ASSIGNMENT", 0x60: "INVALIDATION"},
    2: {0x10: "CREATE", 0x20: "TRUNCATE"},
    3: {0x00: "ZEROPAGE", 0x10: "TRUNCATE"},
    4: {0x00: "CREATE_FILE_COPY", 0x10: "CREATE_WAL_LOG", 0x20: "DROP"},
    5: {0x00: "CREATE", 0x10: "DROP"},
    6: {0x00: "ZERO_OFF_PAGE", 0x10: "ZERO_MEM_PAGE", 0x20: "CREATE_ID", 0x30: "TRUNCATE_ID"},
    7: {0x00: "UPDATE"},
    8: {0x00: "LOCK", 0x10: "RUNNING_XACTS", 0x20: "INVALIDATIONS"},
    9: {0x00: "REWRITE", 0x10: "PRUNE", 0x20: "VACUUM", 0x30: "FREEZE_PAGE", 0x40: "VISIBLE",
        0x50: "MULTI_INSERT", 0x60: "LOCK_UPDATED", 0x70: "NEW_CID", 0xD0: "MULTI_INSERT+INIT"},
    10: {0x00: "INSERT", 0x10: "DELETE", 0x20: "UPDATE", 0x30: "TRUNCATE", 0x40: "HOT_UPDATE",
         0x50: "HEAP_CONFIRM", 0x60: "LOCK", 0x70: "INPLACE",
         **{kind | _INIT: name for kind, name in _HEAP_INIT.items()}},
    11: {0x00: "INSERT_LEAF", 0x10: "INSERT_UPPER", 0x20: "INSERT_META", 0x30: "SPLIT_L", 0x40: "SPLIT_R",
         0x50: "INSERT_POST", 0x60: "DEDUP", 0x70: "DELETE", 0x80: "UNLINK_PAGE", 0x90: "UNLINK_PAGE_META",
         0xA0: "NEWROOT", 0xB0: "MARK_PAGE_HALFDEAD", 0xC0: "VACUUM", 0xD0: "REUSE_PAGE",
         0xE0: "META_CLEANUP"},
    12: {0x00: "INIT_META_PAGE", 0x10: "INIT_BITMAP_PAGE", 0x20: "INSERT", 0x30: "ADD_OVFL_PAGE",
         0x40: "SPLIT_ALLOCATE_PAGE", 0x50: "SPLIT_PAGE", 0x60: "SPLIT_COMPLETE", 0x70: "MOVE_PAGE_CONTENTS",
         0x80: "SQUEEZE_PAGE", 0x90: "DELETE", 0xA0: "SPLIT_CLEANUP", 0xB0: "UPDATE_META_PAGE",
         0xC0: "VACUUM_ONE_PAGE"},
    13: {0x10: "CREATE_PTREE", 0x20: "INSERT", 0x30: "SPLIT", 0x40: "VACUUM_PAGE", 0x50: "DELETE_PAGE",
         0x60: "UPDATE_META_PAGE", 0x70: "INSERT_LISTPAGE", 0x80: "DELETE_LISTPAGE",
         0x90: "VACUUM_DATA_LEAF_PAGE"},
    14: {0x00: "PAGE_UPDATE", 0x10: "DELETE", 0x20: "PAGE_REUSE", 0x30: "PAGE_SPLIT", 0x60: "PAGE_DELETE",
         0x70: "ASSIGN_LSN"},
    15: {0x00: "LOG"},
    16: {0x10: "ADD_LEAF", 0x20: "MOVE_LEAFS", 0x30: "ADD_NODE", 0x40: "SPLIT_TUPLE", 0x50: "PICKSPLIT",
         0x60: "VACUUM_LEAF", 0x70: "VACUUM_ROOT", 0x80: "VACUUM_REDIRECT"},
    17: {0x00: "CREATE_INDEX", 0x10: "INSERT", 0x20: "UPDATE", 0x30: "SAMEPAGE_UPDATE", 0x40: "REVMAP_EXTEND",
         0x50: "DESUMMARIZE", 0x90: "INSERT+INIT", 0xA0: "UPDATE+INIT"},
    18: {0x00: "ZEROPAGE", 0x10: "TRUNCATE"},
    19: {0x00: "SET", 0x10: "DROP"},
    20: dict.fromkeys(range(0, 256, 16), "Generic"),  # generic_identify does not look at info
    21: {0x00: "MESSAGE"},
}  # fmt: skip

# (first major, last major, rmgr) -> names that differ there; None takes a name away.
_CHANGES: list[tuple[int, int, int, dict[int, str | None]]] = [
    (13, 13, 1, {0x60: None}),
    (13, 14, 4, {0x00: "CREATE", 0x10: "DROP", 0x20: None}),
    (13, 13, 9, {0x10: "CLEAN", 0x20: "FREEZE_PAGE", 0x30: "CLEANUP_INFO"}),
    (17, 19, 0, {0xE0: "CHECKPOINT_REDO"}),
    (17, 19, 9, {0x10: "PRUNE_ON_ACCESS", 0x20: "PRUNE_VACUUM_SCAN", 0x30: "PRUNE_VACUUM_CLEANUP"}),
    (19, 19, 0, {0xC0: "ASSIGN_LSN", 0xF0: "LOGICAL_DECODING_STATUS_CHANGE"}),
    (19, 19, 9, {0x40: None}),
    (19, 19, 14, {0x70: None}),
    (19, 19, 22, {0x00: "CHECKSUMS"}),
]

_MASKS = {1: 0x70}  # Transaction keeps XLOG_XACT_HAS_INFO in the top bit


@lru_cache(maxsize=8)
def names_of(major: int) -> dict[tuple[int, int], str]:
    """(rmgr, high nibble) -> record name, for one major."""
    names = {(rmgr, kind): name for rmgr, kinds in _NAMES.items() for kind, name in kinds.items()}
    for first, last, rmgr, changes in _CHANGES:
        if first <= major <= last:
            for kind, name in changes.items():
                names.pop((rmgr, kind), None)
                if name is not None:
                    names[rmgr, kind] = name
    return names


def rmgr_name(rmgr: int) -> str:
    """The resource manager's name; custom ones as pg_waldump names them."""
    return RMGR_NAMES[rmgr] if rmgr < len(RMGR_NAMES) else f"custom{rmgr:03d}"


def record_name(major: int, rmgr: int, info: int) -> str:
    """What pg_waldump of that major calls the record: a name, or ``UNKNOWN (hex)``."""
    known = names_of(major).get((rmgr, info & 0xF0 & _MASKS.get(rmgr, 0xF0)))
    return known or f"UNKNOWN ({info & 0xF0:x})"


FORK_NAMES = ("main", "fsm", "vm", "init")
