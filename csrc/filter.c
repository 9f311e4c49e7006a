/* Choosing rows: the conditions of pg_waldump's options, on rows that are already validated. */
#include "walscan.h"

static int block_matches(const walscan_filter *f, const walscan_block *b)
{
    if (f->by_relation
        && (b->tablespace != f->tablespace || b->database != f->database || b->relation != f->relation))
        return 0;
    return (!f->by_block || b->block == f->block) && (!f->by_fork || b->fork == f->fork);
}

static int any_block_matches(const walscan_filter *f, const walscan_record *r, const walscan_block *blocks)
{
    for (size_t i = 0; i < r->block_count; i++)
        if (block_matches(f, &blocks[r->first_block + i]))
            return 1;
    return 0;
}

static int is_kept(const walscan_filter *f, const walscan_record *r, const walscan_block *blocks)
{
    if (r->lsn < f->start || (f->end != 0 && r->end > f->end))
        return 0;
    if ((f->by_rmgr && !f->rmgrs[r->rmgr]) || (f->by_xid && r->xid != f->xid))
        return 0;
    if (f->by_image && r->image_count == 0)
        return 0;
    return !(f->by_relation || f->by_block || f->by_fork) || any_block_matches(f, r, blocks);
}

size_t walscan_keep(const walscan_filter *filter, walscan_record *records, size_t count, const walscan_block *blocks)
{
    size_t kept = 0;

    for (size_t i = 0; i < count; i++)
        if (is_kept(filter, &records[i], blocks))
            records[kept++] = records[i];
    return kept;
}
