/* The index of many records: what a list shows and a search looks for, 32 bytes each. */
#include "rows.h"

void walscan_index_rows(const walscan_record *records, size_t count, walscan_index_row *rows)
{
    for (size_t i = 0; i < count; i++) {
        const walscan_record *r = &records[i];
        rows[i] = (walscan_index_row) {
            .lsn = r->lsn, .end = r->end, .total_length = r->total_length, .xid = r->xid,
            .image_length = r->image_length, .rmgr = r->rmgr, .info = r->info, .block_count = r->block_count,
            .image_count = r->image_count,
        };
    }
}

size_t walscan_find_lsn(const walscan_index_row *rows, size_t count, uint64_t lsn)
{
    size_t low = 0;
    size_t high = count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (rows[middle].lsn <= lsn)
            low = middle + 1;
        else
            high = middle;
    }
    return low == 0 ? 0 : low - 1;
}

size_t walscan_find_xid(const walscan_index_row *rows, size_t count, size_t from, uint32_t xid)
{
    for (; from < count; from++)
        if (rows[from].xid == xid)
            return from;
    return count;
}
