/*
 * Which relation makes the WAL: an open-addressing table in the caller's memory, one place a relation.
 *
 * Every byte of a record is counted once: images and block data for the relation of their block, the rest (headers,
 * main data) for the relation of the first block, and all of it for relation 0/0/0 where there is no block.
 */
#include "rows.h"

static size_t home_of(uint32_t tablespace, uint32_t database, uint32_t relation, size_t places)
{
    uint64_t h = relation * UINT64_C(0x9E3779B97F4A7C15) ^ database * UINT64_C(0xC2B2AE3D27D4EB4F) ^ tablespace;

    return (size_t) (h ^ h >> 29) & (places - 1);
}

static walscan_relation *place_of(walscan_relation *table, size_t places, uint32_t tablespace, uint32_t database,
                                  uint32_t relation)
{
    size_t at = home_of(tablespace, database, relation, places);

    while (table[at].used && (table[at].relation != relation || table[at].database != database
                              || table[at].tablespace != tablespace))
        at = (at + 1) & (places - 1);
    if (!table[at].used) {
        table[at].tablespace = tablespace;
        table[at].database = database;
        table[at].relation = relation;
        table[at].used = 1;
    }
    return &table[at];
}

static int same_relation(const walscan_block *a, const walscan_block *b)
{
    return a->relation == b->relation && a->database == b->database && a->tablespace == b->tablespace;
}

static int named_before(const walscan_block *blocks, size_t at)
{
    for (size_t i = 0; i < at; i++)
        if (same_relation(&blocks[i], &blocks[at]))
            return 1;
    return 0;
}

static void add_record(const walscan_record *r, const walscan_block *blocks, walscan_relation *table, size_t places)
{
    uint64_t unowned = r->total_length - r->image_length;
    walscan_relation *first = NULL;

    for (size_t i = 0; i < r->block_count; i++) {
        const walscan_block *b = &blocks[i];
        walscan_relation *t = place_of(table, places, b->tablespace, b->database, b->relation);
        if (first == NULL)
            first = t;
        t->records += !named_before(blocks, i);
        t->record_bytes += b->data_length;
        t->images += b->image_length != 0;
        t->image_bytes += b->image_length;
        unowned -= b->data_length;
    }
    if (first == NULL) {
        first = place_of(table, places, 0, 0, 0);
        first->records++;
    }
    first->record_bytes += unowned;
}

static size_t used_places(const walscan_relation *table, size_t places)
{
    size_t used = 0;

    for (size_t i = 0; i < places; i++)
        used += table[i].used;
    return used;
}

size_t walscan_add_relations(const walscan_record *records, size_t count, const walscan_block *blocks,
                             walscan_relation *table, size_t places)
{
    size_t spare = places / 4 * 3;
    size_t used = used_places(table, places);

    for (size_t i = 0; i < count; i++) {
        if (used + WALSCAN_BLOCKS_MAX > spare) {    /* a guess from above; count before giving up */
            used = used_places(table, places);
            if (used + WALSCAN_BLOCKS_MAX > spare)
                return i;
        }
        add_record(&records[i], &blocks[records[i].first_block], table, places);
        used += records[i].block_count + 1u;
    }
    return count;
}

int walscan_join_relations(const walscan_relation *from, size_t from_places, walscan_relation *to, size_t to_places)
{
    if (used_places(from, from_places) + used_places(to, to_places) > to_places / 4 * 3)
        return 0;
    for (size_t i = 0; i < from_places; i++) {
        const walscan_relation *f = &from[i];
        walscan_relation *t;
        if (!f->used)
            continue;
        t = place_of(to, to_places, f->tablespace, f->database, f->relation);
        t->records += f->records;
        t->record_bytes += f->record_bytes;
        t->images += f->images;
        t->image_bytes += f->image_bytes;
    }
    return 1;
}
