/*
 * The whole library on any bytes: libFuzzer's entry, also called by mutate.c where there is no libFuzzer.
 *
 * The first 16 bytes choose how the rest is read (major, where the buffers are cut, how much room rows have, whether
 * page headers are mended first so that records are reached); the rest is pages.
 */
#include <stdlib.h>
#include <string.h>

#include "rows.h"

enum { CHOICES = 16, PAGE = 8192, SEGMENT = 1 << 20 };

static const uint16_t magics[] = {0xD106, 0xD10D, 0xD110, 0xD113, 0xD116, 0xD118, 0xD122};

static void mend(uint8_t *pages, size_t length, uint16_t magic, uint64_t base)
{
    for (size_t at = 0; at < length; at += PAGE) {
        uint64_t address = base + at;
        memcpy(pages + at, &magic, sizeof magic);
        memcpy(pages + at + 8, &address, sizeof address);
    }
}

/* Where the pages say that they are: only there does one record follow another, for each names the one before it. */
static uint64_t own_base(const uint8_t *pages)
{
    uint64_t base;

    memcpy(&base, pages + 8, sizeof base);
    return base % (UINT64_C(1) << 61) / PAGE * PAGE;
}

enum { TEXT = 1 << 16, SCRATCH = 1 << 16 };

/* Every row as text. The buffers are exactly as long as they say, so that one byte too many is seen; a line that does
 * not fit into them is left out. */
static void print(const walscan_format *format, const walscan_rows *rows, const walscan_pages *pages, uint8_t choice)
{
    walscan_printer printer = {.pages = *pages, .major = format->major, .block_size = 8192,
                               .block_details = choice & 1, .room = 40 + 8u * choice, .scratch_room = 64u * choice};

    printer.out = malloc(printer.room);
    printer.scratch = malloc(printer.scratch_room + 1);
    for (size_t done = 0; done < rows->record_count; done++)
        done += walscan_lines(&printer, rows->records + done, rows->record_count - done, rows->blocks);
    free(printer.out);
    free(printer.scratch);
    printer.room = TEXT;
    printer.scratch_room = SCRATCH;
    printer.out = malloc(TEXT);
    printer.scratch = malloc(SCRATCH);
    for (size_t done = 0; done < rows->record_count; done++)
        done += walscan_lines(&printer, rows->records + done, rows->record_count - done, rows->blocks);
    for (size_t i = 0; i < rows->record_count; i++)
        walscan_description(&printer, &rows->records[i], rows->blocks);
    free(printer.out);
    free(printer.scratch);
}

/* Every image put back into its page; stored bytes and page exactly as long as they are. */
static void restore(const walscan_rows *rows, const walscan_pages *pages)
{
    static uint8_t scratch[SCRATCH];

    for (size_t i = 0; i < rows->record_count; i++) {
        const walscan_record *r = &rows->records[i];
        const uint8_t *at = walscan_record_bytes(pages, r, scratch, sizeof scratch);
        if (at == NULL)
            continue;
        at += r->total_length - r->main_length - r->image_length;
        for (size_t b = 0; b < r->block_count; b++)
            at -= rows->blocks[r->first_block + b].data_length;
        for (size_t b = 0; b < r->block_count; b++) {
            const walscan_block *block = &rows->blocks[r->first_block + b];
            uint8_t *stored = malloc(block->image_length ? block->image_length : 1), *page = malloc(PAGE);
            memcpy(stored, at, block->image_length);
            walscan_restore_image(stored, block->image_length, block->image_info & WALSCAN_IMAGE_PGLZ,
                                  block->hole_offset, block->hole_length, page, PAGE);
            at += block->image_length + block->data_length;
            free(stored);
            free(page);
        }
    }
}

/* Times, and totals by each kind of key, in a table that is soon full. */
static void sum_by_key(const walscan_rows *rows, const walscan_pages *pages)
{
    enum { PLACES = 64 };
    uint64_t minute = WALSCAN_NO_KEY;
    int64_t time;

    walscan_find_time(rows->records, rows->record_count, 0, pages, INT64_MIN, INT64_MAX, &time);
    for (int kind = WALSCAN_BY_XID; kind <= WALSCAN_BY_MINUTE; kind++) {
        walscan_keyed *table = calloc(PLACES, sizeof *table), *other = calloc(PLACES, sizeof *other);
        walscan_add_keyed(kind, rows->records, rows->record_count, rows->blocks, pages, &minute, table, PLACES);
        walscan_join_keyed(table, PLACES, minute, other, PLACES);
        free(table);
        free(other);
    }
}

/* Tables that grow as they are asked to, and no further than a test can afford: then rows are passed over. */
static int enlarge(walscan_changes *c)
{
    enum { MOST = 1 << 20 };
    uint32_t places = c->wants == WALSCAN_WANTS_CHANGES ? c->change_places : c->transaction_places;

    if (c->wants_room > MOST)
        return 0;
    if (c->wants == WALSCAN_WANTS_SCRATCH) {
        free(c->scratch);
        c->scratch = malloc(c->wants_room);
        c->scratch_room = c->wants_room;
        return 1;
    }
    while (places < c->wants_room)
        places *= 2;
    if (c->wants == WALSCAN_WANTS_CHANGES) {
        walscan_change *old = c->changes;
        walscan_move_changes(c, calloc(places, sizeof *old), places);
        free(old);
    } else {
        walscan_transaction *old = c->transactions;
        walscan_move_transactions(c, calloc(places, sizeof *old), places);
        free(old);
    }
    return 1;
}

/* Every entry that can be reached from what a caller reads, which has to be there, and no list without an end. */
static void read_changes(walscan_changes *c)
{
    uint32_t *open = malloc(c->transaction_places * sizeof *open), listed = 0, summed = 0;
    size_t n = walscan_unfinished(c, open, c->transaction_places);

    for (uint32_t at = c->first_ended; at != 0; at = c->transactions[at].following)
        for (uint32_t e = c->transactions[at].changes; e != 0; e = c->changes[e].sibling)
            if (!c->changes[e].used || c->changes[e].xid != c->transactions[at].xid || listed++ > c->change_count)
                abort();
    for (size_t i = 0; i < n; i++)
        for (uint32_t e = c->transactions[open[i]].changes; e != 0; e = c->changes[e].sibling)
            if (!c->changes[e].used || c->changes[e].xid != c->transactions[open[i]].xid || listed++ > c->change_count)
                abort();
    for (uint32_t e = walscan_committed(c, 1); e != 0; e = walscan_committed(c, e + 1))
        summed++;
    if (listed + summed > c->change_count || n + c->kept > c->transaction_count)
        abort();
    free(open);
}

/* What transactions did, in tables that are soon full, with few ended transactions kept. */
static void count_changes(walscan_changes *c, const walscan_rows *rows, const walscan_pages *pages)
{
    for (size_t done = 0; done < rows->record_count; done++) {
        done += walscan_add_changes(c, rows->records + done, rows->record_count - done, rows->blocks, pages);
        if (done < rows->record_count && enlarge(c))
            done--;
    }
}

/* What a caller does with finished rows: every function that reads them. */
static void use(const walscan_format *format, walscan_rows *rows, walscan_relation *table, size_t places,
                walscan_changes *changes, const walscan_pages *pages, uint8_t choice)
{
    walscan_total totals[WALSCAN_TOTALS];
    walscan_filter filter = {.by_block = 1, .by_fork = 1, .block = 3};

    memset(totals, 0, sizeof totals);
    walscan_add_totals(rows->records, rows->record_count, totals);
    walscan_add_relations(rows->records, rows->record_count, rows->blocks, table, places);
    print(format, rows, pages, choice);
    restore(rows, pages);
    sum_by_key(rows, pages);
    count_changes(changes, rows, pages);
    walscan_keep(&filter, rows->records, rows->record_count, rows->blocks);
    walscan_shift_blocks(rows->records, rows->record_count, 7);
    rows->record_count = rows->block_count = 0;
}

static void walk(const uint8_t *choices, const uint8_t *pages, size_t length, uint64_t base)
{
    const walscan_format *format = walscan_format_for(magics[choices[0] % 7]);
    size_t record_room = 1 + choices[1], block_room = WALSCAN_BLOCKS_MAX + choices[2];
    size_t step = PAGE * (1 + choices[3] % 8);
    walscan_rows rows = {calloc(record_room, sizeof(walscan_record)), calloc(block_room, sizeof(walscan_block)),
                         0, record_room, 0, block_room};
    walscan_relation *table = calloc(256, sizeof *table);
    walscan_changes changes = {.start = base + 8u * choices[8], .end = choices[9] & 1 ? base + length : 0,
                               .limit = choices[9], .major = format->major, .transaction_places = 2,
                               .change_places = 2, .transactions = calloc(2, sizeof(walscan_transaction)),
                               .changes = calloc(2, sizeof(walscan_change))};
    walscan *walker = malloc(sizeof *walker);
    uint64_t start = base + (choices[4] & 1 ? 8u * choices[5] : 0);

    if (walscan_start(walker, format, PAGE, SEGMENT, 0, start, choices[6] % 4)) {
        for (size_t at = 0; at < length; at += step) {
            size_t piece = length - at < step ? length - at : step;
            walscan_pages window = {base + at, pages + at, piece, pages, at, PAGE};
            int status;
            if (walker->position >= base + at + piece)
                continue;
            while ((status = walscan_push(walker, base + at, pages + at, piece, &rows)) == WALSCAN_FULL)
                use(format, &rows, table, 256, &changes, &window, choices[7]);
            use(format, &rows, table, 256, &changes, &window, choices[7]);
            if (status == WALSCAN_STOPPED)
                break;
        }
        walscan_find_header(format, PAGE, base, pages, length, walker->error.record, base);
    }
    read_changes(&changes);
    free(changes.transactions);
    free(changes.changes);
    free(changes.scratch);
    free(walker);
    free(table);
    free(rows.records);
    free(rows.blocks);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t length = size < CHOICES ? 0 : (size - CHOICES) / PAGE * PAGE;
    uint64_t base = UINT64_C(1) << 32;
    walscan_page page;
    uint8_t *pages;

    walscan_read_page(data, size, &page);
    if (length == 0)
        return 0;
    pages = malloc(length);
    memcpy(pages, data + CHOICES, length);
    if (data[10] & 3)
        base = own_base(pages);
    if (data[7] & 1)
        mend(pages, length, magics[data[0] % 7], base);
    walk(data, pages, length, base);
    free(pages);
    return 0;
}
