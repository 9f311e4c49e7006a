/*
 * The kernels x86 and ARM have alike, written once over the instructions each has under names of its own. Before it
 * is included, a processor's file defines
 *
 *   SERIAL, LANES                                  the target attributes of what needs crc32, and multiplication too;
 *   crc_byte, crc_16, crc_32, crc_64(crc, value)   crc32 of that many bits;
 *   append(crc, factor)                            crc times a factor of crc32c_append.
 *
 * A remainder is the CRC of a message without inversions, which begins with zero. It is linear, zeros in front of a
 * message do not change it, and with crc32c_zeros added it is the CRC.
 */
#include "crc32c.h"

/* The first n bytes of at least eight, n below eight, without a branch: as one word with zeros in front. */
SERIAL static inline uint64_t odd_bytes(uint32_t crc, const uint8_t *p, size_t n)
{
    uint64_t word = load64(p) ^ crc;
    return crc_64(0, word << 8 << (56 - 8 * n)) ^ (uint64_t) crc >> 8 * n;
}

SERIAL static inline uint64_t whole_words(uint64_t crc, const uint8_t *p, const uint8_t *end)
{
    for (; p < end; p += 8)
        crc = crc_64(crc, load64(p));
    return crc;
}

SERIAL static uint32_t crc_serial(uint32_t crc, const uint8_t *p, size_t n)
{
    if (n >= 8)
        return (uint32_t) whole_words(odd_bytes(crc, p, n & 7), p + (n & 7), p + n);
    if (n & 4) {
        crc = crc_32(crc, load32(p));
        p += 4;
    }
    if (n & 2) {
        crc = crc_16(crc, load16(p));
        p += 2;
    }
    return n & 1 ? crc_byte(crc, *p) : crc;
}

/* Three stretches of lane bytes each, one after the other in memory, side by side in the processor. */
LANES static inline uint64_t three_lanes(uint64_t crc, const uint8_t *p, size_t lane)
{
    uint64_t a = crc, b = 0, c = 0;

    for (size_t i = 0; i < lane; i += 8) {
        a = crc_64(a, load64(p + i));
        b = crc_64(b, load64(p + lane + i));
        c = crc_64(c, load64(p + 2 * lane + i));
    }
    return append(a, crc32c_append[2 * lane / 8]) ^ append(b, crc32c_append[lane / 8]) ^ c;
}

/* Three lanes of LANE bytes are the least that pays for putting them together. Long ones are put together less. */
enum { LANE = 64, LONG_LANE = 256 };

LANES static uint32_t crc_lanes(uint32_t crc, const uint8_t *p, size_t n)
{
    const uint8_t *end = p + n;
    uint64_t c;

    if (n < 3 * LANE)
        return crc_serial(crc, p, n);
    c = odd_bytes(crc, p, n & 7);
    p += n & 7;
    for (; end - p >= 3 * LONG_LANE; p += 3 * LONG_LANE)
        c = three_lanes(c, p, LONG_LANE);
    for (; end - p >= 3 * LANE; p += 3 * LANE)
        c = three_lanes(c, p, LANE);
    return (uint32_t) whole_words(c, p, end);
}

SERIAL static inline uint32_t header_after(uint64_t crc, const uint8_t *record)
{
    return crc_32((uint32_t) crc_64(crc_64(crc, load64(record)), load64(record + 8)), load32(record + 16));
}

/*
 * Nine of ten records are shorter than HEADER + WINDOW bytes, of ever changing length, and a loop over them is left
 * at the wrong place more often than not. So the WINDOW bytes that end the record are taken whole, with zeros for
 * those that come before the covered part. Nothing of this is a branch.
 */
enum { WINDOW = 64 };

#define SIXTEEN(b) b, b, b, b, b, b, b, b, b, b, b, b, b, b, b, b
#define SIXTY_FOUR(b) SIXTEEN(b), SIXTEEN(b), SIXTEEN(b), SIXTEEN(b)

/* Read at n, WINDOW bytes: the last n of them are ones. */
static const uint8_t covering[2 * WINDOW] = {SIXTY_FOUR(0), SIXTY_FOUR(0xFF)};

static inline int in_window(uint32_t length, size_t before)
{
    return length <= HEADER + WINDOW && before + length >= WINDOW;
}

SERIAL static inline uint32_t record_in_window(const uint8_t *record, uint32_t length)
{
    const uint8_t *p = record + length - WINDOW, *cover = covering + (length - HEADER);
    uint64_t crc = 0;

#pragma GCC unroll 8
    for (int i = 0; i < WINDOW; i += 8)
        crc = crc_64(crc, load64(p + i) & load64(cover + i));
    return header_after(crc, record) ^ crc32c_zeros[length - HEADER + COVERED];
}

SERIAL static uint32_t record_serial(const uint8_t *record, uint32_t length, size_t before)
{
    if (in_window(length, before))
        return record_in_window(record, length);
    return ~header_after(crc_serial(~(uint32_t) 0, record + HEADER, length - HEADER), record);
}

LANES static uint32_t record_lanes(const uint8_t *record, uint32_t length, size_t before)
{
    if (in_window(length, before))
        return record_in_window(record, length);
    return ~header_after(crc_lanes(~(uint32_t) 0, record + HEADER, length - HEADER), record);
}
