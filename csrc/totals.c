/* What is done to finished rows in bulk: joining batches, and totals per resource manager and record type. */
#include "walscan.h"

void walscan_shift_blocks(walscan_record *records, size_t count, uint32_t before)
{
    for (size_t i = 0; i < count; i++)
        records[i].first_block += before;
}

enum { XACT = 1, XACT_OPCODE = 0x07 };

/* Transaction keeps a flag in the top bit of what is the record type elsewhere. */
static size_t kind_of(const walscan_record *r)
{
    return r->rmgr == XACT ? (r->info >> 4) & XACT_OPCODE : r->info >> 4;
}

void walscan_add_totals(const walscan_record *records, size_t count, walscan_total *totals)
{
    for (size_t i = 0; i < count; i++) {
        const walscan_record *r = &records[i];
        walscan_total *t = &totals[r->rmgr * 16 + kind_of(r)];
        t->count++;
        t->record_bytes += r->total_length - r->image_length;
        t->image_bytes += r->image_length;
    }
}
