/*
 * What pg_waldump calls a resource manager and a record.
 *
 * Sources: src/include/access/rmgrlist.h and the *_identify functions of src/backend/access/rmgrdesc/. The names of
 * most records have not changed since 13: those stand in one table, and what a major says otherwise in a second.
 */
#include "rows.h"

#define SAME16(s) s, s, s, s, s, s, s, s, s, s, s, s, s, s, s, s

enum { XACT = 1, FIRST_CHANGED = 13, LAST = 19 };

static const char *const rmgr_names[] = {
    "XLOG", "Transaction", "Storage", "CLOG", "Database", "Tablespace", "MultiXact", "RelMap", "Standby", "Heap2",
    "Heap", "Btree", "Hash", "Gin", "Gist", "Sequence", "SPGist", "BRIN", "CommitTs", "ReplicationOrigin", "Generic",
    "LogicalMessage",
};

/* By resource manager and high nibble of info, as 16 has them. */
static const char *const record_names[][16] = {
    {"CHECKPOINT_SHUTDOWN", "CHECKPOINT_ONLINE", "NOOP", "NEXTOID", "SWITCH", "BACKUP_END", "PARAMETER_CHANGE",
     "RESTORE_POINT", "FPW_CHANGE", "END_OF_RECOVERY", "FPI_FOR_HINT", "FPI", NULL, "OVERWRITE_CONTRECORD"},
    {"COMMIT", "PREPARE", "ABORT", "COMMIT_PREPARED", "ABORT_PREPARED", "ASSIGNMENT", "INVALIDATION"},
    {NULL, "CREATE", "TRUNCATE"},
    {"ZEROPAGE", "TRUNCATE"},
    {"CREATE_FILE_COPY", "CREATE_WAL_LOG", "DROP"},
    {"CREATE", "DROP"},
    {"ZERO_OFF_PAGE", "ZERO_MEM_PAGE", "CREATE_ID", "TRUNCATE_ID"},
    {"UPDATE"},
    {"LOCK", "RUNNING_XACTS", "INVALIDATIONS"},
    {"REWRITE", "PRUNE", "VACUUM", "FREEZE_PAGE", "VISIBLE", "MULTI_INSERT", "LOCK_UPDATED", "NEW_CID", NULL, NULL,
     NULL, NULL, NULL, "MULTI_INSERT+INIT"},
    {"INSERT", "DELETE", "UPDATE", "TRUNCATE", "HOT_UPDATE", "HEAP_CONFIRM", "LOCK", "INPLACE", "INSERT+INIT", NULL,
     "UPDATE+INIT", NULL, "HOT_UPDATE+INIT"},
    {"INSERT_LEAF", "INSERT_UPPER", "INSERT_META", "SPLIT_L", "SPLIT_R", "INSERT_POST", "DEDUP", "DELETE",
     "UNLINK_PAGE", "UNLINK_PAGE_META", "NEWROOT", "MARK_PAGE_HALFDEAD", "VACUUM", "REUSE_PAGE", "META_CLEANUP"},
    {"INIT_META_PAGE", "INIT_BITMAP_PAGE", "INSERT", "ADD_OVFL_PAGE", "SPLIT_ALLOCATE_PAGE", "SPLIT_PAGE",
     "SPLIT_COMPLETE", "MOVE_PAGE_CONTENTS", "SQUEEZE_PAGE", "DELETE", "SPLIT_CLEANUP", "UPDATE_META_PAGE",
     "VACUUM_ONE_PAGE"},
    {NULL, "CREATE_PTREE", "INSERT", "SPLIT", "VACUUM_PAGE", "DELETE_PAGE", "UPDATE_META_PAGE", "INSERT_LISTPAGE",
     "DELETE_LISTPAGE", "VACUUM_DATA_LEAF_PAGE"},
    {"PAGE_UPDATE", "DELETE", "PAGE_REUSE", "PAGE_SPLIT", NULL, NULL, "PAGE_DELETE", "ASSIGN_LSN"},
    {"LOG"},
    {NULL, "ADD_LEAF", "MOVE_LEAFS", "ADD_NODE", "SPLIT_TUPLE", "PICKSPLIT", "VACUUM_LEAF", "VACUUM_ROOT",
     "VACUUM_REDIRECT"},
    {"CREATE_INDEX", "INSERT", "UPDATE", "SAMEPAGE_UPDATE", "REVMAP_EXTEND", "DESUMMARIZE", NULL, NULL, NULL,
     "INSERT+INIT", "UPDATE+INIT"},
    {"ZEROPAGE", "TRUNCATE"},
    {"SET", "DROP"},
    {SAME16("Generic")},    /* generic_identify does not look at info */
    {"MESSAGE"},
};

/* From major first to last, this record has this name (NULL: none). */
static const struct change {
    uint8_t first, last, rmgr, info;
    const char *name;
} changes[] = {
    {13, 13, 1, 0x60, NULL},
    {13, 14, 4, 0x00, "CREATE"},
    {13, 14, 4, 0x10, "DROP"},
    {13, 14, 4, 0x20, NULL},
    {13, 13, 9, 0x10, "CLEAN"},
    {13, 13, 9, 0x20, "FREEZE_PAGE"},
    {13, 13, 9, 0x30, "CLEANUP_INFO"},
    {17, LAST, 0, 0xE0, "CHECKPOINT_REDO"},
    {17, LAST, 9, 0x10, "PRUNE_ON_ACCESS"},
    {17, LAST, 9, 0x20, "PRUNE_VACUUM_SCAN"},
    {17, LAST, 9, 0x30, "PRUNE_VACUUM_CLEANUP"},
    {19, LAST, 0, 0xC0, "ASSIGN_LSN"},
    {19, LAST, 0, 0xF0, "LOGICAL_DECODING_STATUS_CHANGE"},
    {19, LAST, 9, 0x40, NULL},
    {13, 13, 18, 0x20, "SETTS"},
    {19, LAST, 14, 0x70, NULL},
};

enum { RMGRS = sizeof rmgr_names / sizeof rmgr_names[0], CHANGES = sizeof changes / sizeof changes[0] };

const char *walscan_rmgr_name(uint8_t rmgr)
{
    return rmgr < RMGRS ? rmgr_names[rmgr] : NULL;
}

const char *walscan_record_name(uint8_t major, uint8_t rmgr, uint8_t info)
{
    info &= rmgr == XACT ? 0x70 : 0xF0;    /* Transaction keeps XLOG_XACT_HAS_INFO in the top bit */
    for (size_t i = 0; i < CHANGES; i++) {
        const struct change *c = &changes[i];
        if (c->rmgr == rmgr && c->info == info && major >= c->first && major <= c->last)
            return c->name;
    }
    return rmgr < RMGRS ? record_names[rmgr][info >> 4] : NULL;
}
