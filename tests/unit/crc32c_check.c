/*
 * Every CRC-32C kernel this processor has, against the definition, in memory that ends at pages nobody may touch: a
 * byte read before or behind what a kernel was given is a crash. Prints a line a kernel; 1 is returned on the first
 * wrong value. With any argument the cuts, three calls of four, are left out.
 *
 * A program and no Python test because of the crash, of the millions of calls, and so that it can be built for other
 * processors (test_crc32c.py does both).
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "walscan.h"

enum { LONGEST = 1024, LONGEST_PIECE = 9000, ALIGNMENTS = 64 };
enum { LONGEST_RECORD = 1100, BEFORE = 64, HEADER = 24, COVERED = 20 };

static const struct { int kind; const char *name; } kernels[] = {
    {WALSCAN_CRC_TABLE, "table"}, {WALSCAN_CRC_SSE42, "sse42"}, {WALSCAN_CRC_CLMUL, "clmul"},
    {WALSCAN_CRC_VPCLMUL, "vpclmul"}, {WALSCAN_CRC_ARMV8, "armv8"}, {WALSCAN_CRC_PMULL, "pmull"},
};

static uint8_t *memory, *memory_end;
static long calls;

/* The definition: reflected polynomial 0x82F63B78, bit by bit, no inversion. */
static uint32_t bitwise(uint32_t crc, const uint8_t *p, size_t n)
{
    for (; n > 0; p++, n--) {
        crc ^= *p;
        for (int i = 0; i < 8; i++)
            crc = crc >> 1 ^ (crc & 1 ? 0x82F63B78 : 0);
    }
    return crc;
}

static void fill(uint8_t *p, size_t n, uint32_t seed)
{
    for (size_t i = 0; i < n; i++) {
        seed = seed * 1664525 + 1013904223;
        p[i] = (uint8_t) (seed >> 24);
    }
}

static int is_wrong(const char *what, uint32_t found, uint32_t expected, size_t a, size_t b, size_t c)
{
    calls++;
    if (found != expected)
        printf("%s: %08X, not %08X, of %zu, %zu, %zu\n", what, found, expected, a, b, c);
    return found != expected;
}

/* At every alignment every length, from the value that begins a message and from one amid it. */
static int update_is_wrong(walscan_crc_fn update)
{
    for (size_t alignment = 0; alignment < ALIGNMENTS; alignment++) {
        uint8_t *p = memory + alignment;
        uint32_t fresh = ~(uint32_t) 0, amid = 0x12345678;
        fill(memory, LONGEST + ALIGNMENTS, (uint32_t) alignment);
        for (size_t n = 0; n <= LONGEST; n++) {
            if (is_wrong("alignment, length", update(~(uint32_t) 0, p, n), fresh, alignment, n, 0)
                || is_wrong("alignment, length, amid", update(0x12345678, p, n), amid, alignment, n, 1))
                return 1;
            fresh = bitwise(fresh, p + n, 1);
            amid = bitwise(amid, p + n, 1);
        }
    }
    return 0;
}

/* Every length, cut at every place, both parts ending where reading on would crash. */
static int cut_is_wrong(walscan_crc_fn update)
{
    static uint32_t running[LONGEST + 1];

    for (size_t n = 0; n <= LONGEST; n++) {
        uint8_t *p = memory_end - n;
        fill(p, n, (uint32_t) n);
        running[0] = ~(uint32_t) 0;
        for (size_t i = 0; i < n; i++)
            running[i + 1] = bitwise(running[i], p + i, 1);
        for (size_t cut = 0; cut <= n; cut++) {
            if (is_wrong("length, cut", update(running[0], p, cut), running[cut], n, cut, 0)
                || is_wrong("length, cut, rest", update(running[cut], p + cut, n - cut), running[n], n, cut, 1))
                return 1;
        }
    }
    return 0;
}

/* Every length a page has room for, and beyond: from the start of memory, then up to its end. */
static int long_is_wrong(walscan_crc_fn update)
{
    static uint8_t message[LONGEST_PIECE];
    uint32_t expected = 1;

    fill(message, LONGEST_PIECE, 7);
    memcpy(memory, message, LONGEST_PIECE);
    for (size_t n = 0; n < LONGEST_PIECE; n++) {
        memcpy(memory_end - n, message, n);
        if (is_wrong("long, from the start", update(1, memory, n), expected, n, 0, 0)
            || is_wrong("long, to the end", update(1, memory_end - n, n), expected, n, 0, 1))
            return 1;
        expected = bitwise(expected, message + n, 1);
    }
    return 0;
}

/* Every record length behind every number of bytes that may be read: at the end of memory, then at its start. */
static int record_is_wrong(walscan_record_crc_fn record)
{
    static uint8_t body[LONGEST_RECORD];

    for (uint32_t length = HEADER; length <= LONGEST_RECORD; length++) {
        uint8_t *last = memory_end - length;
        uint32_t expected;
        fill(body, length, length);
        expected = ~bitwise(bitwise(~(uint32_t) 0, body + HEADER, length - HEADER), body, COVERED);
        for (size_t before = 0; before <= BEFORE; before++) {
            uint8_t *first = memory + before;
            fill(last - BEFORE, BEFORE, (uint32_t) before);
            memcpy(last, body, length);
            if (is_wrong("record, at the end", record(last, length, before), expected, length, before, 0))
                return 1;
            fill(memory, before, ~length);
            memcpy(first, body, length);
            fill(first + length, 2 * BEFORE, ~(uint32_t) before);
            if (is_wrong("record, at the start", record(first, length, before), expected, length, before, 1))
                return 1;
        }
    }
    return 0;
}

/* memory to memory_end can be written, and a page on either side cannot even be read. */
static int map_memory(void)
{
    size_t page = (size_t) sysconf(_SC_PAGESIZE), room = (2 * LONGEST_PIECE / page + 1) * page;
    uint8_t *map = mmap(NULL, room + 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (map == MAP_FAILED || mprotect(map, page, PROT_NONE) || mprotect(map + page + room, page, PROT_NONE))
        return 0;
    memory = map + page;
    memory_end = memory + room;
    return 1;
}

int main(int count, char **arguments)
{
    int with_cuts = count == 1;

    (void) arguments;
    if (!map_memory()) {
        perror("mapping guarded memory");
        return 2;
    }
    for (size_t i = 0; i < sizeof kernels / sizeof kernels[0]; i++) {
        const walscan_crc_kernel *kernel = walscan_crc_kernel_of(kernels[i].kind);
        if (kernel == NULL)
            continue;
        calls = 0;
        if (update_is_wrong(kernel->update) || long_is_wrong(kernel->update)
            || (with_cuts && cut_is_wrong(kernel->update)) || record_is_wrong(kernel->record)) {
            printf("%s is wrong\n", kernels[i].name);
            return 1;
        }
        printf("%s %ld\n", kernels[i].name, calls);
    }
    return 0;
}
