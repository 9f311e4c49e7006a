/*
 * Rows as pg_waldump's lines: XLogDumpDisplayRecord in src/bin/pg_waldump/pg_waldump.c, XLogRecGetBlockRefInfo in
 * src/backend/access/rmgrdesc/xlogdesc.c.
 */
#include "describe.h"

static const char *const forks[] = {"main", "fsm", "vm", "init"};

enum { RMGR_WIDTH = 11, HEAD_ROOM = 192 };

/* "%-11s" */
static char *write_rmgr(char *at, uint8_t rmgr)
{
    const char *name = walscan_rmgr_name(rmgr);
    char *end;

    memset(at, ' ', RMGR_WIDTH);
    end = name != NULL ? write_text(at, name) : write_padded(write_text(at, "custom"), rmgr, 3);
    return end < at + RMGR_WIDTH ? at + RMGR_WIDTH : end;
}

/* What every line begins with; its length is bounded, so the room is asked for once. */
static void put_head(text *out, const walscan_record *r)
{
    char *at;

    if (!text_has(out, HEAD_ROOM))
        return;
    at = write_rmgr(write_text(out->at, "rmgr: "), r->rmgr);
    at = write_padded(write_text(at, " len (rec/tot): "), r->total_length - r->image_length, 6);
    at = write_padded(write_text(at, "/"), r->total_length, 6);
    at = write_padded(write_text(at, ", tx: "), r->xid, 10);
    at = write_lsn08(write_text(at, ", lsn: "), r->lsn);
    out->at = write_lsn08(write_text(at, ", prev "), r->prev);
}

static void put_name(text *out, uint8_t major, const walscan_record *r)
{
    const char *name = walscan_record_name(major, r->rmgr, r->info);

    put(out, ", desc: ");
    if (name != NULL) {
        put(out, name);
        return;
    }
    put(out, "UNKNOWN (");
    put_hex(out, r->info & 0xF0, 1);
    put_char(out, ')');
}

enum { RELATION_ROOM = 96 };

/* With room for RELATION_ROOM bytes, or nothing. */
static char *write_relation(char *at, const walscan_block *b)
{
    at = write_padded(write_text(at, "blkref #"), b->id, 0);
    at = write_padded(write_text(at, ": rel "), b->tablespace, 0);
    *at++ = '/';
    at = write_padded(at, b->database, 0);
    *at++ = '/';
    return write_padded(at, b->relation, 0);
}

static void put_block(text *out, const walscan_block *b)
{
    char *at;

    if (!text_has(out, RELATION_ROOM))
        return;
    at = write_relation(write_text(out->at, ", "), b);
    if (b->fork != 0)
        at = write_text(write_text(at, " fork "), forks[b->fork & 3]);
    out->at = write_padded(write_text(at, " blk "), b->block, 0);
    if (b->flags & WALSCAN_BLOCK_HAS_IMAGE)
        put(out, b->image_info & WALSCAN_IMAGE_APPLY ? " FPW" : " FPW for WAL verification");
}

static const char *method(uint8_t image_info)
{
    if (image_info & WALSCAN_IMAGE_PGLZ)
        return "pglz";
    if (image_info & WALSCAN_IMAGE_LZ4)
        return "lz4";
    return image_info & WALSCAN_IMAGE_ZSTD ? "zstd" : NULL;
}

static void put_image(text *out, uint8_t major, uint32_t block_size, const walscan_block *b)
{
    const char *compressed_by = method(b->image_info);

    put(out, b->image_info & WALSCAN_IMAGE_APPLY ? " (FPW)" : " (FPW for WAL verification)");
    put(out, "; hole: offset: ");
    put_u(out, b->hole_offset);
    put_field(out, ", length: ", b->hole_length);
    if (compressed_by == NULL)
        return;
    put_field(out, ", compression saved: ", block_size - b->hole_length - b->image_length);
    if (major >= 15) {
        put(out, ", method: ");
        put(out, compressed_by);
    }
}

static void put_block_details(text *out, const walscan_printer *p, const walscan_block *b)
{
    char *at;

    if (!text_has(out, RELATION_ROOM))
        return;
    at = write_relation(write_text(out->at, "\t"), b);
    at = write_text(write_text(at, " fork "), forks[b->fork & 3]);
    out->at = write_padded(write_text(at, " blk "), b->block, 0);
    if (b->flags & WALSCAN_BLOCK_HAS_IMAGE)
        put_image(out, p->major, p->block_size, b);
    put_char(out, '\n');
}

/* The record's bytes are asked for before anything is written: 0 if scratch has to grow for them first. */
static int put_record(text *out, const walscan_printer *p, const walscan_record *r, const walscan_block *blocks)
{
    const uint8_t *bytes = walscan_record_bytes(&p->pages, r, p->scratch, p->scratch_room);
    view v;

    if (bytes == NULL && r->total_length > p->scratch_room)
        return 0;
    put_head(out, r);
    put_name(out, p->major, r);
    if (bytes != NULL) {
        put_char(out, ' ');
        look_at(&v, p->major, bytes, r, blocks);
        describe(out, &v);
    }
    if (!p->block_details)
        for (size_t i = 0; i < r->block_count; i++)
            put_block(out, &blocks[i]);
    put_char(out, '\n');
    if (p->block_details)
        for (size_t i = 0; i < r->block_count; i++)
            put_block_details(out, p, &blocks[i]);
    return 1;
}

size_t walscan_lines(walscan_printer *p, const walscan_record *records, size_t count, const walscan_block *blocks)
{
    text out = {.at = p->out, .end = p->out + p->room};
    size_t done = 0;

    for (; done < count; done++) {
        char *line = out.at;
        if (!put_record(&out, p, &records[done], blocks + records[done].first_block) || out.full) {
            out.at = line;
            break;
        }
    }
    p->used = (size_t) (out.at - p->out);
    return done;
}
