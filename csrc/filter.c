/* Choosing rows: the conditions of pg_waldump's options, and times, on rows that are already validated. */
#include "rows.h"

enum { XACT_RMGR = 1, TIME_SIZE = 8 };

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

/* When the record ended a transaction; 0 if it did not. The time is the first thing in its main data, so only the
 * record's first bytes are asked for, however many subtransactions and relations it names. */
static int end_time(const walscan_record *r, const walscan_pages *pages, int64_t *time)
{
    uint8_t scratch[64];
    uint32_t before = r->total_length - r->main_length;
    walscan_record head = *r;
    const uint8_t *bytes;

    if (r->main_length < TIME_SIZE || before > sizeof scratch - TIME_SIZE)
        return 0;
    head.total_length = before + TIME_SIZE;
    head.main_length = TIME_SIZE;
    bytes = walscan_record_bytes(pages, &head, scratch, sizeof scratch);
    *time = bytes == NULL ? 0 : (int64_t) walscan_record_time(&head, bytes);
    return *time != 0;
}

size_t walscan_find_time(const walscan_record *records, size_t count, size_t from, const walscan_pages *pages,
                         int64_t since, int64_t until, int64_t *time)
{
    for (size_t i = from; i < count; i++)
        if (records[i].rmgr == XACT_RMGR && end_time(&records[i], pages, time) && *time >= since && *time <= until)
            return i;
    return count;
}
