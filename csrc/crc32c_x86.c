/*
 * CRC-32C kernels of x86-64: the crc32 instruction (SSE 4.2), alone, in three lanes, and beside carry-less
 * multiplications of 32 bytes at a time (VPCLMULQDQ with AVX2: Zen 3, Ice Lake and newer).
 */
#include "crc32c.h"

#ifdef CRC32C_X86
#include <immintrin.h>

#define SERIAL __attribute__((target("sse4.2")))
#define LANES __attribute__((target("sse4.2,pclmul")))
#define FUSED __attribute__((target("sse4.2,pclmul,avx2,vpclmulqdq")))

#define crc_byte _mm_crc32_u8
#define crc_16 _mm_crc32_u16
#define crc_32 _mm_crc32_u32
#define crc_64 _mm_crc32_u64

/* As 64 bits that have the remainder of the product: those of several values add up before they are reduced. */
LANES static inline __m128i times(uint64_t crc, uint32_t factor)
{
    return _mm_clmulepi64_si128(_mm_cvtsi64_si128((int64_t) crc), _mm_cvtsi64_si128(factor), 0);
}

LANES static inline uint64_t append(uint64_t crc, uint32_t factor)
{
    return crc_64(0, (uint64_t) _mm_cvtsi128_si64(times(crc, factor)));
}

#include "crc32c_lanes.h"

/* ---- vpclmul ---- */

FUSED static inline __m256i load256(const uint8_t *p)
{
    return _mm256_loadu_si256((const __m256i *) p);
}

/*
 * Folding: 16 bytes times x^8n have the same remainder as the two products of their halves with factors of at most
 * 32 bits, which again fit in 16 bytes, to be added to those that stand n bytes on. Two such halves a register.
 */
FUSED static inline __m256i fold(__m256i value, size_t bytes, __m256i onto)
{
    int64_t low = crc32c_append[bytes / 8 + 1], high = crc32c_append[bytes / 8];
    __m256i factors = _mm256_set_epi64x(high, low, high, low);

    return _mm256_xor_si256(_mm256_xor_si256(_mm256_clmulepi64_epi128(value, factors, 0x00), onto),
                            _mm256_clmulepi64_epi128(value, factors, 0x11));
}

FUSED static inline __m128i fold_halves(__m256i value)
{
    __m128i first = _mm256_castsi256_si128(value), factors = _mm_set_epi64x(crc32c_append[2], crc32c_append[3]);

    return _mm_xor_si128(_mm_xor_si128(_mm_clmulepi64_si128(first, factors, 0x00), _mm256_extracti128_si256(value, 1)),
                         _mm_clmulepi64_si128(first, factors, 0x11));
}

/* The first WINDOW bytes of those to fold, of which the last n count. */
FUSED static inline void begin_folding(__m256i *x, __m256i *y, const uint8_t *p, size_t n)
{
    *x = _mm256_and_si256(load256(p), load256(covering + n));
    *y = _mm256_and_si256(load256(p + 32), load256(covering + n + 32));
}

FUSED static inline void fold_window(__m256i *x, __m256i *y, const uint8_t *p)
{
    *x = fold(*x, WINDOW, load256(p));
    *y = fold(*y, WINDOW, load256(p + 32));
}

/* What remains of all that x and y, side by side, were folded to, and of 64 bits added to the last of it. */
FUSED static inline uint64_t remainder_of(__m256i x, __m256i y, uint64_t added)
{
    __m128i last = fold_halves(fold(x, 32, y));

    return crc_64(crc_64(0, (uint64_t) _mm_cvtsi128_si64(last)), (uint64_t) _mm_extract_epi64(last, 1) ^ added);
}

/* Below FUSED_MIN putting five parts together costs more than they save. FUSED_MAX is as far as crc32c_append goes. */
enum { FUSED_MIN = 512, FUSED_MAX = 8192, STEP = 16 };

_Static_assert(FUSED_MAX / 8 - 2 * ((FUSED_MAX - 8) / 128) < sizeof crc32c_append / sizeof crc32c_append[0],
               "the longest part needs more factors");

/*
 * Four lanes of crc32, and behind them in memory a part as long as they are together, and up to two windows longer,
 * that is folded meanwhile: the two use different units of the processor, and a cycle takes 8 bytes of each. The
 * folded part comes last so that it may begin with zeros in front, which makes up for a length that is no multiple
 * of anything: there is no slower rest to do. n from FUSED_MIN to FUSED_MAX.
 */
FUSED static uint32_t crc_fused_part(uint32_t crc, const uint8_t *p, size_t n)
{
    const uint8_t *end = p + n;
    uint64_t a = odd_bytes(crc, p, n & 7), b = 0, c = 0, d = 0;
    size_t even = n & ~(size_t) 7, turns = (even - 8) / (4 * STEP + WINDOW), lane = STEP * turns;
    size_t behind = even - 4 * lane, begun = (behind - 8) % WINDOW + 8;
    const uint8_t *v = end - behind + begun - WINDOW, *stop;
    const uint32_t *factor = crc32c_append + behind / 8;
    __m128i lanes;
    __m256i x, y;

    begin_folding(&x, &y, v, begun);
    v += WINDOW;
    if ((size_t) (end - v) > WINDOW * turns) {
        fold_window(&x, &y, v);
        v += WINDOW;
    }
    p += n & 7;
    for (stop = p + lane; p < stop; p += STEP, v += WINDOW) {
        fold_window(&x, &y, v);
        a = crc_64(crc_64(a, load64(p)), load64(p + 8));
        b = crc_64(crc_64(b, load64(p + lane)), load64(p + lane + 8));
        c = crc_64(crc_64(c, load64(p + 2 * lane)), load64(p + 2 * lane + 8));
        d = crc_64(crc_64(d, load64(p + 3 * lane)), load64(p + 3 * lane + 8));
    }
    lanes = _mm_xor_si128(_mm_xor_si128(times(a, factor[6 * turns]), times(b, factor[4 * turns])),
                          _mm_xor_si128(times(c, factor[2 * turns]), times(d, factor[0])));
    return (uint32_t) remainder_of(x, y, (uint64_t) _mm_cvtsi128_si64(lanes));
}

FUSED static uint32_t crc_fused(uint32_t crc, const uint8_t *p, size_t n)
{
    while (n >= FUSED_MIN) {
        size_t part = n < FUSED_MAX ? n : FUSED_MAX;
        crc = crc_fused_part(crc, p, part);
        p += part;
        n -= part;
    }
    /* GCC leaves this out before a tail call, and the caller's SSE code then runs slower, on Zen 3 too. */
    _mm256_zeroupper();
    return crc_lanes(crc, p, n);
}

/* record_in_window with the first half folded onto the second, which halves the chain. */
FUSED static inline uint32_t fold_in_window(const uint8_t *record, uint32_t length)
{
    __m256i x, y;
    __m128i low, high;
    uint64_t crc;

    begin_folding(&x, &y, record + length - WINDOW, length - HEADER);
    y = fold(x, 32, y);
    low = _mm256_castsi256_si128(y);
    high = _mm256_extracti128_si256(y, 1);
    crc = crc_64(crc_64(0, (uint64_t) _mm_cvtsi128_si64(low)), (uint64_t) _mm_extract_epi64(low, 1));
    crc = crc_64(crc_64(crc, (uint64_t) _mm_cvtsi128_si64(high)), (uint64_t) _mm_extract_epi64(high, 1));
    return header_after(crc, record) ^ crc32c_zeros[length - HEADER + COVERED];
}

/* The same over as many windows as the record takes. Longer ones than this are quicker in lanes. */
enum { WINDOWS_MAX = 256 };

_Static_assert(WINDOWS_MAX + COVERED < sizeof crc32c_zeros / sizeof crc32c_zeros[0], "more zeros are needed");

FUSED static inline uint32_t fold_in_windows(const uint8_t *record, uint32_t length, size_t span)
{
    const uint8_t *end = record + length, *v = end - span;
    uint32_t n = length - HEADER;
    __m256i x, y;

    begin_folding(&x, &y, v, n + WINDOW - span);
    for (v += WINDOW; v < end; v += WINDOW)
        fold_window(&x, &y, v);
    return header_after(remainder_of(x, y, 0), record) ^ crc32c_zeros[n + COVERED];
}

/* Apart, so that the few do not cost the many their registers. */
FUSED __attribute__((noinline))
static uint32_t record_beyond_window(const uint8_t *record, uint32_t length, size_t before)
{
    uint32_t n = length - HEADER, span = (n + WINDOW - 1) & ~(uint32_t) (WINDOW - 1);

    if (n > WINDOW && n <= WINDOWS_MAX && before + length >= span)
        return fold_in_windows(record, length, span);
    return ~header_after(crc_fused(~(uint32_t) 0, record + HEADER, n), record);
}

FUSED static uint32_t record_fused(const uint8_t *record, uint32_t length, size_t before)
{
    return in_window(length, before) ? fold_in_window(record, length) : record_beyond_window(record, length, before);
}

/* ---- choice ---- */

const walscan_crc_kernel *walscan_crc_native_kernel(int kind)
{
    static const walscan_crc_kernel serial = {crc_serial, record_serial}, lanes = {crc_lanes, record_lanes},
                                    fused = {crc_fused, record_fused};
    int has_crc = __builtin_cpu_supports("sse4.2"), has_clmul = has_crc && __builtin_cpu_supports("pclmul");

    switch (kind) {
    case WALSCAN_CRC_SSE42:
        return has_crc ? &serial : NULL;
    case WALSCAN_CRC_CLMUL:
        return has_clmul ? &lanes : NULL;
    case WALSCAN_CRC_VPCLMUL:
        return has_clmul && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("vpclmulqdq") ? &fused : NULL;
    default:
        return NULL;
    }
}
#endif
