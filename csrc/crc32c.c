/*
 * CRC-32C (Castagnoli, reflected 0x82F63B78), the checksum of every WAL record (src/port/pg_crc32c*.c).
 *
 * Kernels take and return the running value without inversion:
 *   table   slicing by eight, which any processor runs;
 *   sse42   the crc32 instruction, eight bytes each three cycles, because each waits for the one before;
 *   clmul   the same instruction on three stretches at once, which hides that wait, and a carry-less multiplication
 *           to put the three results together. Pays from 192 bytes on; below it is sse42.
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
#include <wmmintrin.h>

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

/*
 * Appending n bytes to a message multiplies its CRC by x^8n. In reflected arithmetic the product of two 32-bit values
 * carries one factor x too many and crc32 of the 64-bit product adds x^32, so the factors are x^(8n-33) mod P.
 */
enum {
    APPEND_64 = 0x9E4ADDF8, APPEND_128 = 0x0D3B6092, APPEND_256 = 0xB9E02B86, APPEND_512 = 0xDD7E3B0C
};

__attribute__((target("sse4.2,pclmul")))
static inline uint64_t append(uint64_t crc, uint32_t factor)
{
    __m128i product = _mm_clmulepi64_si128(_mm_cvtsi64_si128((int64_t) crc), _mm_cvtsi64_si128(factor), 0);
    return _mm_crc32_u64(0, (uint64_t) _mm_cvtsi128_si64(product));
}

/* Three stretches of lane bytes each, one after the other in memory, side by side in the processor. */
__attribute__((target("sse4.2,pclmul")))
static inline uint64_t three_lanes(uint64_t crc, const uint8_t *p, size_t lane, uint32_t one, uint32_t two)
{
    uint64_t a = crc, b = 0, c = 0;

    for (size_t i = 0; i < lane; i += 8) {
        a = _mm_crc32_u64(a, load64(p + i));
        b = _mm_crc32_u64(b, load64(p + lane + i));
        c = _mm_crc32_u64(c, load64(p + 2 * lane + i));
    }
    return append(a, two) ^ append(b, one) ^ c;
}

__attribute__((target("sse4.2,pclmul")))
static uint32_t crc_clmul(uint32_t crc, const uint8_t *p, size_t n)
{
    uint64_t c = crc;

    for (; n >= 3 * 256; p += 3 * 256, n -= 3 * 256)
        c = three_lanes(c, p, 256, APPEND_256, APPEND_512);
    for (; n >= 3 * 64; p += 3 * 64, n -= 3 * 64)
        c = three_lanes(c, p, 64, APPEND_64, APPEND_128);
    return crc_sse42((uint32_t) c, p, n);
}

static walscan_crc_fn x86_kernel(int kind)
{
    if (!__builtin_cpu_supports("sse4.2"))
        return NULL;
    if (kind == WALSCAN_CRC_SSE42)
        return crc_sse42;
    return __builtin_cpu_supports("pclmul") ? crc_clmul : NULL;
}
#else
static walscan_crc_fn x86_kernel(int kind)
{
    (void) kind;
    return NULL;
}
#endif

walscan_crc_fn walscan_crc_kernel(int kind)
{
    static const int best_first[] = {WALSCAN_CRC_CLMUL, WALSCAN_CRC_SSE42, WALSCAN_CRC_TABLE};

    if (kind == WALSCAN_CRC_TABLE)
        return crc_table;
    if (kind != WALSCAN_CRC_BEST)
        return kind == WALSCAN_CRC_SSE42 || kind == WALSCAN_CRC_CLMUL ? x86_kernel(kind) : NULL;
    for (size_t i = 0; i < sizeof best_first / sizeof best_first[0]; i++) {
        walscan_crc_fn kernel = walscan_crc_kernel(best_first[i]);
        if (kernel != NULL)
            return kernel;
    }
    return crc_table;
}

uint32_t walscan_crc32c(int kind, const uint8_t *data, size_t length)
{
    walscan_crc_fn kernel = walscan_crc_kernel(kind);
    return kernel == NULL ? 0 : ~kernel(~(uint32_t) 0, data, length);
}
