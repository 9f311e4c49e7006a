/*
 * CRC-32C (Castagnoli, reflected 0x82F63B78), the checksum of every WAL record (src/port/pg_crc32c*.c).
 *
 * Kernels take and return the running value without inversion. Two so far: slicing by eight over tables, which any
 * processor runs, and the crc32 instruction of SSE4.2, eight bytes each three cycles.
 */
#include "bytes.h"
#include "crc32c_tables.h"
#include "walscan.h"

static uint32_t crc_table(uint32_t crc, const uint8_t *p, size_t n)
{
    for (; n >= 8; p += 8, n -= 8) {
        uint64_t v = load64(p) ^ crc;
        crc = crc32c_tables[7][v & 0xFF] ^ crc32c_tables[6][v >> 8 & 0xFF]
            ^ crc32c_tables[5][v >> 16 & 0xFF] ^ crc32c_tables[4][v >> 24 & 0xFF]
            ^ crc32c_tables[3][v >> 32 & 0xFF] ^ crc32c_tables[2][v >> 40 & 0xFF]
            ^ crc32c_tables[1][v >> 48 & 0xFF] ^ crc32c_tables[0][v >> 56];
    }
    for (; n > 0; p++, n--)
        crc = crc >> 8 ^ crc32c_tables[0][(crc ^ *p) & 0xFF];
    return crc;
}

#if defined(__x86_64__) && defined(__GNUC__)
#include <nmmintrin.h>

__attribute__((target("sse4.2")))
static uint32_t crc_sse42(uint32_t crc, const uint8_t *p, size_t n)
{
    uint64_t c = crc;

    for (; n >= 8; p += 8, n -= 8)
        c = _mm_crc32_u64(c, load64(p));
    crc = (uint32_t) c;
    if (n & 4) {
        crc = _mm_crc32_u32(crc, load32(p));
        p += 4;
    }
    if (n & 2) {
        crc = _mm_crc32_u16(crc, load16(p));
        p += 2;
    }
    if (n & 1)
        crc = _mm_crc32_u8(crc, *p);
    return crc;
}

static walscan_crc_fn sse42_kernel(void)
{
    return __builtin_cpu_supports("sse4.2") ? crc_sse42 : NULL;
}
#else
static walscan_crc_fn sse42_kernel(void) { return NULL; }
#endif

walscan_crc_fn walscan_crc_kernel(int kind)
{
    if (kind == WALSCAN_CRC_TABLE)
        return crc_table;
    if (kind == WALSCAN_CRC_SSE42 || kind == WALSCAN_CRC_BEST) {
        walscan_crc_fn fast = sse42_kernel();
        if (fast != NULL || kind == WALSCAN_CRC_SSE42)
            return fast;
    }
    return kind == WALSCAN_CRC_BEST ? crc_table : NULL;
}

uint32_t walscan_crc32c(int kind, const uint8_t *data, size_t length)
{
    walscan_crc_fn kernel = walscan_crc_kernel(kind);
    return kernel == NULL ? 0 : ~kernel(~(uint32_t) 0, data, length);
}
