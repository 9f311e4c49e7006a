/*
 * Totals by a number of each record: its transaction, its database, the minute it was written in. An open-addressing
 * table in the caller's memory, one place a key.
 */
#include "bytes.h"
#include "rows.h"

enum { XACT = 1, XACT_OPCODE = 0x70, XACT_COMMIT = 0x00, XACT_ABORT = 0x20, XACT_COMMIT_PREPARED = 0x30,
       XACT_ABORT_PREPARED = 0x40, MINUTE = 60 * 1000000 };

static walscan_keyed *place_of(walscan_keyed *table, size_t places, uint64_t key)
{
    uint64_t h = key * UINT64_C(0x9E3779B97F4A7C15);
    size_t at = (size_t) (h ^ h >> 29) & (places - 1);

    while (table[at].used && table[at].key != key)
        at = (at + 1) & (places - 1);
    table[at].key = key;
    table[at].used = 1;
    return &table[at];
}

static size_t used_places(const walscan_keyed *table, size_t places)
{
    size_t used = 0;

    for (size_t i = 0; i < places; i++)
        used += table[i].used;
    return used;
}

/* Room for that many new keys; counting is put off while a guess from above says yes. */
static int has_room(const walscan_keyed *table, size_t places, size_t keys)
{
    return used_places(table, places) + keys <= places / 4 * 3;
}

uint64_t walscan_record_time(const walscan_record *r, const uint8_t *bytes)
{
    uint8_t kind = r->info & XACT_OPCODE;

    if (r->rmgr != XACT || r->main_length < 8)
        return 0;
    if (kind != XACT_COMMIT && kind != XACT_ABORT && kind != XACT_COMMIT_PREPARED && kind != XACT_ABORT_PREPARED)
        return 0;
    return load64(bytes + r->total_length - r->main_length);
}

/* A commit's minute is that of what follows it, too, until the next one. */
static uint64_t minute_of(const walscan_record *r, const walscan_pages *pages, uint64_t minute)
{
    uint8_t scratch[1024];
    const uint8_t *bytes;
    uint64_t time;

    if (r->rmgr != XACT || pages == NULL)
        return minute;
    bytes = walscan_record_bytes(pages, r, scratch, sizeof scratch);
    time = bytes == NULL ? 0 : walscan_record_time(r, bytes);
    return time == 0 || time >> 63 ? minute : time / MINUTE;
}

size_t walscan_add_keyed(int kind, const walscan_record *records, size_t count, const walscan_block *blocks,
                         const walscan_pages *pages, uint64_t *minute, walscan_keyed *table, size_t places)
{
    size_t batch = places / 8;

    for (size_t i = 0; i < count; i++) {
        const walscan_record *r = &records[i];
        walscan_keyed *t;
        uint64_t key = r->xid;
        if (i % batch == 0 && !has_room(table, places, batch))
            return i;
        if (kind == WALSCAN_BY_DATABASE)
            key = r->block_count ? blocks[r->first_block].database : WALSCAN_NO_KEY;
        else if (kind == WALSCAN_BY_MINUTE)
            key = *minute = minute_of(r, pages, *minute);
        t = place_of(table, places, key);
        t->count++;
        t->record_bytes += r->total_length - r->image_length;
        t->image_bytes += r->image_length;
    }
    return count;
}

int walscan_join_keyed(const walscan_keyed *from, size_t from_places, uint64_t instead, walscan_keyed *to,
                       size_t to_places)
{
    if (!has_room(to, to_places, used_places(from, from_places)))
        return 0;
    for (size_t i = 0; i < from_places; i++) {
        walscan_keyed *t;
        if (!from[i].used)
            continue;
        t = place_of(to, to_places, from[i].key == WALSCAN_NO_KEY ? instead : from[i].key);
        t->count += from[i].count;
        t->record_bytes += from[i].record_bytes;
        t->image_bytes += from[i].image_bytes;
    }
    return 1;
}
