/*
 * The whole library on any bytes: libFuzzer's entry, also called by mutate.c where there is no libFuzzer.
 *
 * The first 16 bytes choose how the rest is read (major, where the buffers are cut, how much room rows have, whether
 * page headers are mended first so that records are reached); the rest is pages.
 */
#include <stdlib.h>
#include <string.h>

#include "walscan.h"

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

/* What a caller does with finished rows: every function that reads them. */
static void use(const walscan_format *format, walscan_rows *rows, walscan_relation *table, size_t places)
{
    static char text[8192];
    walscan_total totals[256 * 16];
    walscan_filter filter = {.by_block = 1, .by_fork = 1, .block = 3};
    size_t used;

    memset(totals, 0, sizeof totals);
    walscan_add_totals(rows->records, rows->record_count, totals);
    walscan_add_relations(rows->records, rows->record_count, rows->blocks, table, places);
    for (size_t done = 0; done < rows->record_count;)
        done += walscan_lines(format->major, rows->records + done, rows->record_count - done, rows->blocks, text,
                              sizeof text, &used);
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
    walscan *walker = malloc(sizeof *walker);
    uint64_t start = base + (choices[4] & 1 ? 8u * choices[5] : 0);

    if (walscan_start(walker, format, PAGE, SEGMENT, 0, start, choices[6] % 4)) {
        for (size_t at = 0; at < length; at += step) {
            size_t piece = length - at < step ? length - at : step;
            int status;
            if (walker->position >= base + at + piece)
                continue;
            while ((status = walscan_push(walker, base + at, pages + at, piece, &rows)) == WALSCAN_FULL)
                use(format, &rows, table, 256);
            use(format, &rows, table, 256);
            if (status == WALSCAN_STOPPED)
                break;
        }
        walscan_find_header(format, PAGE, base, pages, length, walker->error.record, base);
    }
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
    if (data[7] & 1)
        mend(pages, length, magics[data[0] % 7], base);
    walk(data, pages, length, base);
    free(pages);
    return 0;
}
