/*
 * Rows as pg_waldump's lines (XLogDumpDisplayRecord in src/bin/pg_waldump/pg_waldump.c), up to the record name, then
 * the block references. Numbers are written by hand: printf is what makes pg_waldump's text path slow.
 */
#include "bytes.h"
#include "walscan.h"

/* No line is longer: 130 bytes for the record, and at most 96 for each of 33 block references. */
enum { LONGEST_LINE = 4096 };

static char *put(char *at, const char *text)
{
    size_t length = strlen(text);

    memcpy(at, text, length);
    return at + length;
}

static char *put_padded(char *at, const char *text, size_t width)
{
    char *end = put(at, text);

    while (end < at + width)
        *end++ = ' ';
    return end;
}

/* Decimal, right-aligned in width. */
static char *put_number(char *at, uint32_t n, size_t width)
{
    char digits[10];
    size_t count = 0;

    do {
        digits[count++] = (char) ('0' + n % 10);
        n /= 10;
    } while (n > 0);
    while (width-- > count)
        *at++ = ' ';
    while (count > 0)
        *at++ = digits[--count];
    return at;
}

/* Upper-case hex with at least width digits. */
static char *put_hex(char *at, uint32_t n, int width)
{
    static const char digits[] = "0123456789ABCDEF";
    int shift = 28;

    while (shift > 0 && shift >= 4 * width && n >> shift == 0)
        shift -= 4;
    for (; shift >= 0; shift -= 4)
        *at++ = digits[n >> shift & 15];
    return at;
}

static char *put_lsn(char *at, uint64_t lsn)
{
    at = put_hex(at, (uint32_t) (lsn >> 32), 1);
    *at++ = '/';
    return put_hex(at, (uint32_t) lsn, 8);
}

static char *put_rmgr(char *at, uint8_t rmgr)
{
    const char *name = walscan_rmgr_name(rmgr);
    char custom[] = "custom000";

    if (name == NULL) {
        custom[6] = (char) ('0' + rmgr / 100);
        custom[7] = (char) ('0' + rmgr / 10 % 10);
        custom[8] = (char) ('0' + rmgr % 10);
        name = custom;
    }
    return put_padded(at, name, 11);
}

static char *put_name(char *at, uint8_t major, const walscan_record *r)
{
    static const char digits[] = "0123456789abcdef";
    const char *name = walscan_record_name(major, r->rmgr, r->info);

    if (name != NULL)
        return put(at, name);
    at = put(at, "UNKNOWN (");
    if (r->info >> 4)
        *at++ = digits[r->info >> 4];
    *at++ = '0';
    *at++ = ')';
    return at;
}

static char *put_block(char *at, const walscan_block *b)
{
    static const char *const forks[] = {"main", "fsm", "vm", "init"};

    at = put_number(put(at, ", blkref #"), b->id, 0);
    at = put_number(put(at, ": rel "), b->tablespace, 0);
    *at++ = '/';
    at = put_number(at, b->database, 0);
    *at++ = '/';
    at = put_number(at, b->relation, 0);
    if (b->fork != 0)
        at = put(put(at, " fork "), forks[b->fork & 3]);
    at = put_number(put(at, " blk "), b->block, 0);
    if (b->flags & WALSCAN_BLOCK_HAS_IMAGE)
        at = put(at, b->image_info & WALSCAN_IMAGE_APPLY ? " FPW" : " FPW for WAL verification");
    return at;
}

static char *put_record(char *at, uint8_t major, const walscan_record *r, const walscan_block *blocks)
{
    at = put_rmgr(put(at, "rmgr: "), r->rmgr);
    at = put_number(put(at, " len (rec/tot): "), r->total_length - r->image_length, 6);
    at = put_number(put(at, "/"), r->total_length, 6);
    at = put_number(put(at, ", tx: "), r->xid, 10);
    at = put_lsn(put(at, ", lsn: "), r->lsn);
    at = put_lsn(put(at, ", prev "), r->prev);
    at = put_name(put(at, ", desc: "), major, r);
    for (size_t i = 0; i < r->block_count; i++)
        at = put_block(at, &blocks[r->first_block + i]);
    *at++ = '\n';
    return at;
}

size_t walscan_lines(uint8_t major, const walscan_record *records, size_t count, const walscan_block *blocks,
                     char *out, size_t room, size_t *used)
{
    char *at = out;
    size_t done = 0;

    while (done < count && (size_t) (out + room - at) >= LONGEST_LINE)
        at = put_record(at, major, &records[done++], blocks);
    *used = (size_t) (at - out);
    return done;
}
