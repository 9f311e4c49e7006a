/* Which resource managers a major has, and what they write. */
#ifndef WALSCAN_RMGR_ID_H
#define WALSCAN_RMGR_ID_H

#include "walscan.h"

enum { FIRST_CUSTOM_RMGR = 128 };

static inline int rmgr_is_valid(const walscan_format *format, uint8_t id)
{
    return id <= format->last_rmgr || (format->custom_rmgrs && id >= FIRST_CUSTOM_RMGR);
}

/* Where a kind of record stands among WALSCAN_TOTALS. Transaction keeps a flag in the top bit of what is the record's
 * type elsewhere. */
static inline size_t totals_place(uint8_t rmgr, uint8_t info)
{
    enum { XACT = 1, XACT_OPCODE = 0x07 };

    return rmgr * 16u + (rmgr == XACT ? info >> 4 & XACT_OPCODE : info >> 4);
}

static inline void add_total(walscan_total *totals, const walscan_record *r)
{
    walscan_total *t = &totals[totals_place(r->rmgr, r->info)];

    t->count++;
    t->record_bytes += r->total_length - r->image_length;
    t->image_bytes += r->image_length;
}

#endif
