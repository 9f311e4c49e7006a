/*
 * CRC-32C (Castagnoli, reflected 0x82F63B78), the checksum of every WAL record (src/port/pg_crc32c*.c).
 *
 * Kernels take and return the running value without inversion:
 *   table     slicing by eight, which any processor runs;
 *   sse42     x86's crc32 instruction, eight bytes each three cycles, because each waits for the one before;
 *   clmul     the same instruction on three stretches at once, which hides that wait, and a carry-less multiplication
 *             to put the three results together;
 *   vpclmul   that on four stretches, and beside it carry-less multiplications of 32 bytes at a time on a fifth;
 *   armv8     sse42 for ARM;
 *   pmull     clmul for ARM.
 */
#include "crc32c.h"

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

static uint32_t record_table(const uint8_t *record, uint32_t length, size_t before)
{
    (void) before;
    return ~crc_table(crc_table(~(uint32_t) 0, record + HEADER, length - HEADER), record, COVERED);
}

#if !defined(CRC32C_X86) && !defined(CRC32C_ARM)
const walscan_crc_kernel *walscan_crc_native_kernel(int kind)
{
    (void) kind;
    return NULL;
}
#endif

const walscan_crc_kernel *walscan_crc_kernel_of(int kind)
{
    static const walscan_crc_kernel table_kernel = {crc_table, record_table};
    static const int best_first[] = {
        WALSCAN_CRC_VPCLMUL, WALSCAN_CRC_CLMUL, WALSCAN_CRC_SSE42, WALSCAN_CRC_PMULL, WALSCAN_CRC_ARMV8
    };

    if (kind == WALSCAN_CRC_TABLE)
        return &table_kernel;
    if (kind != WALSCAN_CRC_BEST)
        return walscan_crc_native_kernel(kind);
    for (size_t i = 0; i < sizeof best_first / sizeof best_first[0]; i++) {
        const walscan_crc_kernel *kernel = walscan_crc_native_kernel(best_first[i]);
        if (kernel != NULL)
            return kernel;
    }
    return &table_kernel;
}

uint32_t walscan_crc32c(int kind, const uint8_t *data, size_t length)
{
    const walscan_crc_kernel *kernel = walscan_crc_kernel_of(kind);
    return kernel == NULL ? 0 : ~kernel->update(~(uint32_t) 0, data, length);
}
