/*
 * From a record's bytes to its description: finds the bytes in the caller's pages, finds the payloads in them, and
 * hands both to the resource manager's own file in rmgr/.
 */
#include "describe.h"

static const describe_fn describers[] = {
    describe_xlog, describe_xact, describe_smgr, describe_clog, describe_dbase, describe_tblspc, describe_mxact,
    describe_relmap, describe_standby, describe_heap2, describe_heap, describe_nbt, describe_hash, describe_gin,
    describe_gist, describe_seq, describe_spg, describe_brin, describe_committs, describe_replorigin,
    describe_generic, describe_logicalmsg,
};

enum { DESCRIBERS = sizeof describers / sizeof describers[0] };

payload block_data(const view *v, uint8_t id)
{
    for (size_t i = 0; i < v->record->block_count; i++)
        if (v->blocks[i].id == id)
            return v->data[i];
    return (payload) {NULL, 0};
}

const walscan_block *block_of(const view *v, uint8_t id)
{
    for (size_t i = 0; i < v->record->block_count; i++)
        if (v->blocks[i].id == id)
            return &v->blocks[i];
    return NULL;
}

/* Up to n bytes at lsn, from whichever piece holds them; their number is set in got. */
static const uint8_t *bytes_at(const walscan_pages *pages, uint64_t lsn, uint64_t n, uint64_t *got)
{
    uint64_t end = pages->lsn + pages->length;
    uint64_t before = pages->lsn - pages->before_length;

    if (lsn >= pages->lsn && lsn < end) {
        *got = n < end - lsn ? n : end - lsn;
        return pages->bytes + (lsn - pages->lsn);
    }
    if (lsn >= before && lsn < pages->lsn) {
        *got = n < pages->lsn - lsn ? n : pages->lsn - lsn;
        return pages->before + (lsn - before);
    }
    *got = 0;
    return NULL;
}

/* Join a record that crosses page ends, leaving the page headers out. 0 if pages do not hold all of it. */
static int join(const walscan_pages *pages, const walscan_record *r, uint8_t *out)
{
    uint64_t at = r->lsn;
    uint64_t left = r->total_length;

    while (left > 0) {
        uint64_t room = pages->page_size - (at & (pages->page_size - 1));
        uint64_t got;
        const uint8_t *p = bytes_at(pages, at, room, &got);
        uint64_t skip = 0;

        if (got != room)
            return 0;
        if (room == pages->page_size)
            skip = load16(p + 2) & WALSCAN_PAGE_LONG ? 40 : 24;
        room = room - skip < left ? room - skip : left;
        memcpy(out, p + skip, room);
        out += room;
        left -= room;
        at = (at | (pages->page_size - 1)) + 1;
    }
    return 1;
}

const uint8_t *walscan_record_bytes(const walscan_pages *pages, const walscan_record *r, uint8_t *scratch, size_t room)
{
    uint64_t in_page = pages->page_size ? pages->page_size - (r->lsn & (pages->page_size - 1)) : UINT64_MAX;
    uint64_t got;
    const uint8_t *p;

    if (r->total_length <= in_page) {
        p = bytes_at(pages, r->lsn, r->total_length, &got);
        return got == r->total_length ? p : NULL;
    }
    if (r->total_length > room || !join(pages, r, scratch))
        return NULL;
    return scratch;
}

/* The walker has checked that headers and payloads add up to the record's length: payloads end where it ends. */
void look_at(view *v, uint8_t major, const uint8_t *bytes, const walscan_record *r, const walscan_block *blocks)
{
    const uint8_t *at = bytes + r->total_length - r->main_length - r->image_length;

    v->record = r;
    v->blocks = blocks;
    v->major = major;
    v->info = r->info & 0xF0;
    v->cut = 0;
    for (size_t i = 0; i < r->block_count; i++)
        at -= blocks[i].data_length;
    for (size_t i = 0; i < r->block_count; i++) {
        at += blocks[i].image_length;
        v->data[i] = (payload) {at, blocks[i].data_length};
        at += blocks[i].data_length;
    }
    v->main = (payload) {at, r->main_length};
}

void describe(text *out, view *v)
{
    if (v->record->rmgr < DESCRIBERS)
        describers[v->record->rmgr](out, v);
    else
        put_field(out, "rmid: ", v->record->rmgr);
    if (v->cut)
        put(out, " (the record is shorter than its kind)");
}
