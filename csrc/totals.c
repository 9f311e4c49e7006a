/* What is done to finished rows in bulk: joining batches, and totals per resource manager and record type. */
#include "rmgr_id.h"

void walscan_shift_blocks(walscan_record *records, size_t count, uint32_t before)
{
    for (size_t i = 0; i < count; i++)
        records[i].first_block += before;
}

void walscan_add_totals(const walscan_record *records, size_t count, walscan_total *totals)
{
    for (size_t i = 0; i < count; i++)
        add_total(totals, &records[i]);
}

void walscan_join_totals(const walscan_total *from, walscan_total *to)
{
    for (size_t i = 0; i < WALSCAN_TOTALS; i++) {
        to[i].count += from[i].count;
        to[i].record_bytes += from[i].record_bytes;
        to[i].image_bytes += from[i].image_bytes;
    }
}
