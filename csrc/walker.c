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
#include "fragments.h"
#include "rmgr_id.h"

enum { XLOG_RMGR = 0, XLOG_SWITCH = 0x40, CRC_OFFSET = 20 };

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
    w->crc = walscan_crc_kernel_of(crc_kind);
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
    if (w->first_timeline == 0)
        w->first_timeline = page->timeline;
    return 1;
}

/* The page must go on with the record in progress, or say that it was given up. A length that no writer makes is
 * refused only here, where the page bears it out: before, PostgreSQL's reader finds something else. */
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
    if (w->partial_length > w->format->max_length)
        return stop(w, WALSCAN_RECORD_LENGTH, w->partial, w->partial, w->format->max_length, w->partial_length);
    return 1;
}

/* Before the first record boundary is known, continued bytes are skipped, over as many pages as they take. */
static int seek(walscan *w, const walscan_page *page, uint64_t lsn)
{
    int continued = (page->info & WALSCAN_PAGE_CONTRECORD) != 0;

    if (continued && page->remaining == 0)
        return stop(w, WALSCAN_CONTRECORD_UNEXPECTED, lsn, lsn + page->header_length, 0, page->info);
    w->continuation = continued ? page->remaining : 0;
    w->seeking = 0;
    return 1;
}

/* Where the first record of the page at lsn begins, whatever a header that may be refused says of its own length. */
static uint64_t first_place(const walscan *w, uint64_t lsn)
{
    return lsn + (lsn & (w->segment_size - 1) ? WALSCAN_PAGE_HEADER_MIN : WALSCAN_PAGE_HEADER_MAX);
}

static int enter_page(walscan *w, const uint8_t *bytes)
{
    uint64_t lsn = w->position;
    uint64_t record = w->partial;
    walscan_page page;

    walscan_read_page(bytes, w->page_size, &page);
    if (!check_page(w, &page, lsn, record ? record : first_place(w, lsn)))
        return 0;
    if (w->partial != 0) {
        if (!check_continuation(w, &page, lsn))
            return 0;
    } else if (w->seeking) {
        if (!seek(w, &page, lsn))
            return 0;
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
    if (length < WALSCAN_RECORD_HEADER)
        return stop(w, WALSCAN_RECORD_LENGTH, lsn, lsn, WALSCAN_RECORD_HEADER, length);
    return 1;
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

static int check_crc(walscan *w, uint64_t lsn, const uint8_t *head, uint32_t crc)
{
    if (crc != load32(head + CRC_OFFSET) && !IGNORE_CRC)
        return stop(w, WALSCAN_RECORD_CRC, lsn, lsn, crc, load32(head + CRC_OFFSET));
    return 1;
}

int walscan_read_record(const walscan_format *format, uint32_t block_size, const uint8_t *head,
                        walscan_record *record, walscan_block *blocks)
{
    return read_fragments(format, block_size, head, record, blocks, 1);
}

/* What the loop over a page's records keeps in registers, and puts back when it leaves the page. */
typedef struct tally {
    uint64_t records;
    uint64_t record_bytes;
    uint64_t images;
    uint64_t image_bytes;
} tally;

static void add_tally(walscan *w, const tally *t)
{
    w->records += t->records;
    w->record_bytes += t->record_bytes;
    w->images += t->images;
    w->image_bytes += t->image_bytes;
}

/* The record is whole and its CRC right: read its fragments, keep its row, count it. */
ALWAYS_INLINE int accept(walscan *w, uint64_t lsn, const uint8_t *head, uint32_t length, uint64_t end,
                         walscan_rows *rows, tally *t, int store)
{
    walscan_record local;
    walscan_block local_block;
    walscan_record *row = store ? &rows->records[rows->record_count] : &local;
    walscan_block *blocks = store ? &rows->blocks[rows->block_count] : &local_block;
    int code;

    *row = (walscan_record) {
        .lsn = lsn, .end = end, .total_length = length, .xid = load32(head + 4), .prev = load64(head + 8),
        .info = head[16], .rmgr = head[17], .first_block = store ? (uint32_t) rows->block_count : 0,
    };
    code = read_fragments(w->format, w->block_size, head, row, blocks, store);
    if (code != WALSCAN_NO_ERROR)
        return stop(w, code, lsn, lsn, 0, 0);
    if (store) {
        rows->record_count++;
        rows->block_count += row->block_count;
    }
    if (!store && w->totals != NULL)
        add_total(w->totals, row);
    t->records++;
    t->record_bytes += length;
    t->images += row->image_count;
    t->image_bytes += row->image_length;
    return 1;
}

static int is_switch(const uint8_t *head)
{
    return head[17] == XLOG_RMGR && (head[16] & 0xF0) == XLOG_SWITCH;
}

/* The walk has come behind this record. */
static void pass(walscan *w, uint64_t lsn, const uint8_t *head, uint64_t end)
{
    if (w->first == 0) {
        w->first = lsn;
        w->first_prev = load64(head + 8);
    }
    w->previous = lsn;
    w->position = align8(end);
    if (is_switch(head))
        w->skip_to = (w->position + w->segment_size - 1) & ~((uint64_t) w->segment_size - 1);
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
        w->partial_crc = w->crc->update(w->partial_crc, bytes + WALSCAN_RECORD_HEADER, room - WALSCAN_RECORD_HEADER);
    w->position += room;
    return 1;
}

static int accept_partial(walscan *w, walscan_rows *rows)
{
    tally t = {0};
    uint64_t lsn = w->partial;
    int accepted = rows->records != NULL ? accept(w, lsn, w->head, w->partial_length, w->position, rows, &t, 1)
                                         : accept(w, lsn, w->head, w->partial_length, w->position, rows, &t, 0);

    add_tally(w, &t);
    return accepted;
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
        w->partial_crc = w->crc->update(w->partial_crc, bytes + header_left, take - header_left);
    } else {
        w->partial_crc = w->crc->update(w->partial_crc, bytes, take);
    }
    w->partial_have += take;
    w->position += take;
    if (take < missing)
        return 1;
    w->partial_crc = ~w->crc->update(w->partial_crc, w->head, CRC_OFFSET);
    if (!check_crc(w, w->partial, w->head, w->partial_crc) || !accept_partial(w, rows))
        return 0;
    pass(w, w->partial, w->head, w->position);
    w->partial = 0;
    return 1;
}

static int no_room(const walscan_rows *rows)
{
    return rows->records != NULL && (rows->record_count == rows->record_room
                                     || rows->block_room - rows->block_count < WALSCAN_BLOCKS_MAX);
}

/* The records of a page from the position on, up to one that goes on behind it, a segment switch, or a full array. */
ALWAYS_INLINE int read_page(walscan *w, const uint8_t *bytes, walscan_rows *rows, tally *t, int store)
{
    uint64_t end = page_end(w);
    uint32_t page_mask = w->page_size - 1;
    walscan_record_crc_fn crc = w->crc->record;

    for (;;) {
        uint64_t lsn = w->position;
        uint32_t length = load32(bytes);

        if (!check_length(w, lsn, length))
            return 0;
        if (length > end - lsn)
            return begin_partial(w, bytes, length, (size_t) (end - lsn));
        if (!check_header(w, lsn, bytes) || !check_crc(w, lsn, bytes, crc(bytes, length, lsn & page_mask))
            || !accept(w, lsn, bytes, length, lsn + length, rows, t, store))
            return 0;
        pass(w, lsn, bytes, lsn + length);
        if (w->position >= end || w->position < w->skip_to || (store && no_room(rows)))
            return 1;
        bytes += w->position - lsn;
    }
}

static int read_records(walscan *w, const uint8_t *bytes, walscan_rows *rows)
{
    tally t = {0};
    int going = rows->records != NULL ? read_page(w, bytes, rows, &t, 1) : read_page(w, bytes, rows, &t, 0);

    add_tally(w, &t);
    return going;
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
        if (w->limit != 0 && w->position >= w->limit && w->partial == 0)
            return WALSCAN_REACHED;
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
            going = read_records(w, at, rows);
    }
    return WALSCAN_STOPPED;
}
