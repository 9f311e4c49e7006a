/*
 * The push walker: pages in, validated records out.
 *
 * Three things can stand at the position it wants next: a page header, the start of a record, or more of a record
 * that crossed a page end. A record inside one page, which 19 of 20 are, is checked where it lies. A crossing one
 * is never assembled: its CRC runs over the pieces as they come (the checksum covers bytes 24 on first and the
 * header last, so nothing has to be kept) and only its first HEAD_MAX bytes are copied, which hold every fragment
 * header. So a length in the WAL never sizes an allocation, and the walker's memory is its struct.
 *
 * Order of checks: XLogDecodeNextRecord and XLogReaderValidatePageHeader in xlogreader.c. In particular a page
 * header is judged before the record header that is split across it.
 */
#include "bytes.h"
#include "walscan.h"

typedef struct span {
    const uint8_t *bytes;
    uint64_t base;     /* LSN of bytes[0] */
    uint64_t end;
} span;

enum { XLOG_RMGR = 0, XLOG_SWITCH = 0x40, FIRST_CUSTOM_RMGR = 128, CRC_OFFSET = 20 };

/* A fuzzer defines this, so that what it changed in a record's body is read and not just refused. */
#ifdef WALSCAN_IGNORE_CRC
enum { IGNORE_CRC = 1 };
#else
enum { IGNORE_CRC = 0 };
#endif

static int stop(walscan *w, int code, uint64_t lsn, uint64_t record, uint64_t expected, uint64_t found)
{
    w->error = (walscan_error) {code, lsn, record, expected, found};
    return 0;
}

static int is_power_of_two(uint64_t n, uint64_t low, uint64_t high)
{
    return n >= low && n <= high && (n & (n - 1)) == 0;
}

int walscan_start(walscan *w, const walscan_format *format, uint32_t page_size, uint32_t segment_size,
                  uint64_t system_id, uint64_t lsn, int crc_kind)
{
    memset(w, 0, sizeof *w);
    if (format == NULL || !is_power_of_two(page_size, WALSCAN_PAGE_SIZE_MIN, WALSCAN_PAGE_SIZE_MAX)
        || !is_power_of_two(segment_size, 1 << 20, 1 << 30) || (lsn & 7) || lsn >> 62)
        return 0;
    w->format = format;
    w->crc = walscan_crc_kernel(crc_kind);
    w->page_size = page_size;
    w->segment_size = segment_size;
    w->block_size = 8192;
    w->system_id = system_id;
    w->position = lsn;
    w->seeking = (lsn & (page_size - 1)) == 0;
    return w->crc != NULL;
}

/* ---- pages ---- */

/* A long header's identity. The first one met tells the system identifier if the caller did not. */
static int check_identity(walscan *w, const walscan_page *page, uint64_t lsn, uint64_t record)
{
    if (!(page->info & WALSCAN_PAGE_LONG)) {
        if ((lsn & (w->segment_size - 1)) == 0)
            return stop(w, WALSCAN_PAGE_NOT_LONG, lsn, record, WALSCAN_PAGE_LONG, page->info);
        return 1;
    }
    if (w->system_id != 0 && page->system_id != w->system_id)
        return stop(w, WALSCAN_PAGE_SYSTEM_ID, lsn, record, w->system_id, page->system_id);
    if (page->segment_size != w->segment_size)
        return stop(w, WALSCAN_PAGE_SEGMENT_SIZE, lsn, record, w->segment_size, page->segment_size);
    if (page->page_size != w->page_size)
        return stop(w, WALSCAN_PAGE_SIZE, lsn, record, w->page_size, page->page_size);
    w->system_id = page->system_id;
    return 1;
}

static int check_page(walscan *w, const walscan_page *page, uint64_t lsn, uint64_t record)
{
    if (page->magic != w->format->magic)
        return stop(w, WALSCAN_PAGE_MAGIC, lsn, record, w->format->magic, page->magic);
    if (page->info & ~w->format->page_flags)
        return stop(w, WALSCAN_PAGE_FLAGS, lsn, record, w->format->page_flags, page->info);
    if (!check_identity(w, page, lsn, record))
        return 0;
    if (page->address != lsn)
        return stop(w, WALSCAN_PAGE_ADDRESS, lsn, record, lsn, page->address);
    if (page->timeline < w->timeline)
        return stop(w, WALSCAN_PAGE_TIMELINE, lsn, record, w->timeline, page->timeline);
    w->timeline = page->timeline;
    return 1;
}

/* The page must go on with the record in progress, or say that it was given up. */
static int check_continuation(walscan *w, const walscan_page *page, uint64_t lsn)
{
    uint32_t missing = w->partial_length - w->partial_have;

    if (page->info & w->format->overwrite_flag) {
        w->aborted = w->partial;
        w->partial = 0;
        return 1;
    }
    if (!(page->info & WALSCAN_PAGE_CONTRECORD))
        return stop(w, WALSCAN_CONTRECORD_MISSING, lsn, w->partial, WALSCAN_PAGE_CONTRECORD, page->info);
    if (page->remaining != missing)
        return stop(w, WALSCAN_CONTRECORD_LENGTH, lsn, w->partial, missing, page->remaining);
    return 1;
}

/* Before the first record boundary is known, continued bytes are skipped, over as many pages as they take. */
static void seek(walscan *w, const walscan_page *page)
{
    w->continuation = page->info & WALSCAN_PAGE_CONTRECORD ? page->remaining : 0;
    w->seeking = 0;
}

static int enter_page(walscan *w, const uint8_t *bytes)
{
    uint64_t lsn = w->position;
    uint64_t record = w->partial;
    walscan_page page;

    walscan_read_page(bytes, w->page_size, &page);
    if (!check_page(w, &page, lsn, record ? record : lsn + page.header_length))
        return 0;
    if (w->partial != 0) {
        if (!check_continuation(w, &page, lsn))
            return 0;
    } else if (w->seeking) {
        seek(w, &page);
    } else if (w->continuation == 0 && (page.info & WALSCAN_PAGE_CONTRECORD)) {
        return stop(w, WALSCAN_CONTRECORD_UNEXPECTED, lsn, lsn + page.header_length, 0, page.info);
    }
    w->position = lsn + page.header_length;
    return 1;
}

static uint64_t page_end(const walscan *w)
{
    return (w->position | (w->page_size - 1)) + 1;
}

/* ---- records ---- */

static int check_length(walscan *w, uint64_t lsn, uint32_t length)
{
    if (length < WALSCAN_RECORD_HEADER || length > w->format->max_length)
        return stop(w, WALSCAN_RECORD_LENGTH, lsn, lsn,
                    length < WALSCAN_RECORD_HEADER ? WALSCAN_RECORD_HEADER : w->format->max_length, length);
    return 1;
}

static int rmgr_is_valid(const walscan_format *format, uint8_t id)
{
    return id <= format->last_rmgr || (format->custom_rmgrs && id >= FIRST_CUSTOM_RMGR);
}

static int check_header(walscan *w, uint64_t lsn, const uint8_t *header)
{
    uint64_t prev = load64(header + 8);
    uint8_t rmgr = header[17];

    if (!rmgr_is_valid(w->format, rmgr))
        return stop(w, WALSCAN_RECORD_RMGR, lsn, lsn, w->format->last_rmgr, rmgr);
    if (w->previous != 0 ? prev != w->previous : prev >= lsn)
        return stop(w, WALSCAN_RECORD_PREV, lsn, lsn, w->previous, prev);
    return 1;
}

/* The record is whole: fragments, row, and what follows it. crc has run over bytes 24 on. */
static int accept(walscan *w, uint64_t lsn, const uint8_t *head, uint32_t crc, uint64_t end, walscan_rows *rows)
{
    walscan_block scratch[WALSCAN_BLOCKS_MAX];
    walscan_record row = {0};
    int store = rows->records != NULL;
    int code;

    crc = ~w->crc(crc, head, CRC_OFFSET);
    if (crc != load32(head + CRC_OFFSET) && !IGNORE_CRC)
        return stop(w, WALSCAN_RECORD_CRC, lsn, lsn, crc, load32(head + CRC_OFFSET));
    row.lsn = lsn;
    row.end = end;
    row.total_length = load32(head);
    row.xid = load32(head + 4);
    row.prev = load64(head + 8);
    row.info = head[16];
    row.rmgr = head[17];
    row.first_block = (uint32_t) rows->block_count;
    code = walscan_read_record(w->format, w->block_size, head, &row,
                               store ? rows->blocks + rows->block_count : scratch);
    if (code != WALSCAN_NO_ERROR)
        return stop(w, code, lsn, lsn, 0, 0);
    if (store) {
        rows->records[rows->record_count++] = row;
        rows->block_count += row.block_count;
    }
    if (w->first == 0)
        w->first = lsn;
    w->previous = lsn;
    w->records++;
    w->record_bytes += row.total_length;
    w->images += row.image_count;
    w->image_bytes += row.image_length;
    w->position = align8(end);
    if (row.rmgr == XLOG_RMGR && (row.info & 0xF0) == XLOG_SWITCH)
        w->skip_to = (w->position + w->segment_size - 1) & ~((uint64_t) w->segment_size - 1);
    return 1;
}

/* A record begins at the position and does not end in this page (its header may not either). */
static int begin_partial(walscan *w, const uint8_t *bytes, uint32_t length, size_t room)
{
    size_t kept = room < WALSCAN_HEAD_MAX ? room : WALSCAN_HEAD_MAX;

    if (room >= WALSCAN_RECORD_HEADER && !check_header(w, w->position, bytes))
        return 0;
    w->partial = w->position;
    w->partial_length = length;
    w->partial_have = (uint32_t) room;
    memcpy(w->head, bytes, kept);
    w->partial_crc = ~(uint32_t) 0;
    if (room > WALSCAN_RECORD_HEADER)
        w->partial_crc = w->crc(w->partial_crc, bytes + WALSCAN_RECORD_HEADER, room - WALSCAN_RECORD_HEADER);
    w->position += room;
    return 1;
}

/* More of the partial record stands at the position; a header split by the page end is judged once it is whole. */
static int continue_partial(walscan *w, const uint8_t *bytes, walscan_rows *rows)
{
    uint32_t missing = w->partial_length - w->partial_have;
    uint64_t room = page_end(w) - w->position;
    uint32_t take = missing < room ? missing : (uint32_t) room;
    uint32_t before = w->partial_have;

    if (before < WALSCAN_HEAD_MAX) {
        size_t kept = WALSCAN_HEAD_MAX - before;
        memcpy(w->head + before, bytes, take < kept ? take : kept);
    }
    if (before < WALSCAN_RECORD_HEADER) {
        uint32_t header_left = WALSCAN_RECORD_HEADER - before;
        if (!check_header(w, w->partial, w->head))
            return 0;
        w->partial_crc = w->crc(w->partial_crc, bytes + header_left, take - header_left);
    } else {
        w->partial_crc = w->crc(w->partial_crc, bytes, take);
    }
    w->partial_have += take;
    w->position += take;
    if (take < missing)
        return 1;
    if (!accept(w, w->partial, w->head, w->partial_crc, w->position, rows))
        return 0;
    w->partial = 0;
    return 1;
}

static int read_record(walscan *w, const uint8_t *bytes, walscan_rows *rows)
{
    uint64_t lsn = w->position;
    size_t room = (size_t) (page_end(w) - lsn);
    uint32_t length = load32(bytes);

    if (!check_length(w, lsn, length))
        return 0;
    if (length > room)
        return begin_partial(w, bytes, length, room);
    if (!check_header(w, lsn, bytes))
        return 0;
    return accept(w, lsn, bytes,
                  w->crc(~(uint32_t) 0, bytes + WALSCAN_RECORD_HEADER, length - WALSCAN_RECORD_HEADER),
                  lsn + length, rows);
}

/* Bytes of a record that began before the walk did. */
static void skip_continuation(walscan *w)
{
    uint64_t room = page_end(w) - w->position;
    uint32_t take = w->continuation < room ? w->continuation : (uint32_t) room;

    w->continuation -= take;
    w->position = w->continuation ? w->position + take : align8(w->position + take);
    if (w->continuation != 0)
        w->seeking = 1;
}

static int no_room(const walscan_rows *rows)
{
    return rows->records != NULL && (rows->record_count == rows->record_room
                                     || rows->block_room - rows->block_count < WALSCAN_BLOCKS_MAX);
}

int walscan_push(walscan *w, uint64_t lsn, const uint8_t *bytes, size_t length, walscan_rows *rows)
{
    uint64_t end = lsn + length;
    int going = 1;

    if (w->error.code != WALSCAN_NO_ERROR)
        return WALSCAN_STOPPED;
    while (going) {
        const uint8_t *at;
        if (w->position < w->skip_to)
            w->position = w->skip_to < end ? w->skip_to : end;
        if (w->position >= end)
            return WALSCAN_MORE;
        if (no_room(rows))
            return WALSCAN_FULL;
        at = bytes + (w->position - lsn);
        if ((w->position & (w->page_size - 1)) == 0)
            going = enter_page(w, at);
        else if (w->partial != 0)
            going = continue_partial(w, at, rows);
        else if (w->continuation != 0)
            skip_continuation(w);
        else
            going = read_record(w, at, rows);
    }
    return WALSCAN_STOPPED;
}

/* The record header at p, whose page ends room bytes on, joined over that page end; left counts what follows p.
 * Returns how many of its bytes there are: all, unless the next page lies behind the buffer. */
static uint32_t gather_header(uint8_t *header, const uint8_t *p, uint64_t room, uint64_t left)
{
    walscan_page next;
    uint32_t have = room < WALSCAN_RECORD_HEADER ? (uint32_t) room : WALSCAN_RECORD_HEADER;

    memcpy(header, p, have);
    if (have == WALSCAN_RECORD_HEADER || left <= room || !walscan_read_page(p + room, left - room, &next))
        return have;
    memcpy(header + have, p + room + next.header_length, WALSCAN_RECORD_HEADER - have);
    return WALSCAN_RECORD_HEADER;
}

/* Whether a header, or as much of it as there is, could be a record's that was written after floor. */
static int may_follow(const walscan_format *format, const uint8_t *header, uint32_t have, uint64_t at, uint64_t floor)
{
    uint32_t length = load32(header);

    if (length < WALSCAN_RECORD_HEADER || length > format->max_length)
        return 0;
    if (have >= 16 && (load64(header + 8) < floor || load64(header + 8) >= at))
        return 0;
    return have < WALSCAN_RECORD_HEADER || rmgr_is_valid(format, header[17]);
}

/* Whether the page at p is this stream's: written for this place, neither blank nor left from an earlier use. */
static int page_is_current(const walscan_format *format, const uint8_t *p, uint64_t lsn)
{
    return load16(p) == format->magic && load64(p + 8) == lsn;
}

/* The first header in [lsn, end of its page) that may follow floor; left counts the bytes from p to the buffer's end. */
static uint64_t find_in_page(const walscan_format *format, const uint8_t *p, uint64_t lsn, uint64_t end,
                             uint64_t left, uint64_t floor)
{
    uint8_t split[WALSCAN_RECORD_HEADER];

    for (; lsn + WALSCAN_RECORD_HEADER <= end; lsn += 8, p += 8, left -= 8)
        if (load64(p + 8) >= floor && may_follow(format, p, WALSCAN_RECORD_HEADER, lsn, floor))
            return lsn;
    for (; lsn < end; lsn += 8, p += 8, left -= 8)
        if (may_follow(format, split, gather_header(split, p, end - lsn, left), lsn, floor))
            return lsn;
    return 0;
}

uint64_t walscan_find_header(const walscan_format *format, uint32_t page_size, uint64_t lsn, const uint8_t *bytes,
                             size_t length, uint64_t from, uint64_t floor)
{
    uint64_t mask = page_size - 1;
    uint64_t at = from > lsn ? align8(from) : lsn;

    while (at < lsn + length) {
        uint64_t page = at & ~mask;
        if (page < from || page_is_current(format, bytes + (page - lsn), page)) {
            uint64_t found = find_in_page(format, bytes + (at - lsn), at, page + page_size, lsn + length - at, floor);
            if (found)
                return found;
        }
        at = page + page_size;
    }
    return 0;
}
