/* Numbers, LSNs and times as text. */
#define _POSIX_C_SOURCE 200809L
#include <time.h>

#include "text.h"

enum { POSTGRES_EPOCH_SECONDS = 946684800, MICROSECONDS = 1000000 };

static const char pairs[] =
    "0001020304050607080910111213141516171819202122232425262728293031323334353637383940414243444546474849"
    "5051525354555657585960616263646566676869707172737475767778798081828384858687888990919293949596979899";

/* n ends before end, and has as many digits as there is room for: digit_count(n). */
static void write_digits(char *end, uint64_t n)
{
    while (n >= 100) {
        end -= 2;
        memcpy(end, pairs + n % 100 * 2, 2);
        n /= 100;
    }
    if (n < 10)
        end[-1] = (char) ('0' + n);
    else
        memcpy(end - 2, pairs + n * 2, 2);
}

static size_t digit_count(uint64_t n)
{
    static const uint64_t powers[] = {
        0, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000, 1000000000, 10000000000, 100000000000,
        1000000000000, 10000000000000, 100000000000000, 1000000000000000, 10000000000000000, 100000000000000000,
        1000000000000000000, 10000000000000000000u,
    };
    size_t guess = (size_t) (64 - __builtin_clzll(n | 1)) * 1233 >> 12;    /* log10(2), a little below */

    return guess + (n >= powers[guess]);
}

char *write_padded(char *at, uint64_t n, size_t width)
{
    size_t count = digit_count(n);

    if (count < width) {
        memset(at, ' ', width - count);
        at += width - count;
    }
    write_digits(at + count, n);
    return at + count;
}

void put_padded(text *t, uint64_t n, size_t width)
{
    size_t count = digit_count(n);

    if (text_has(t, count > width ? count : width))
        t->at = write_padded(t->at, n, width);
}

/* Eight hex digits at once: each nibble in a byte of its own, the first digit in the lowest; above 9 comes a letter. */
static void write_hex8(char *at, uint32_t n, uint64_t to_letter)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    uint64_t x = __builtin_bswap32(n);

    x = (x | x << 16) & UINT64_C(0x0000FFFF0000FFFF);
    x = (x | x << 8) & UINT64_C(0x00FF00FF00FF00FF);
    x = (x >> 4 & UINT64_C(0x000F000F000F000F)) | (x << 8 & UINT64_C(0x0F000F000F000F00));
    x += '0' * ones + ((x + 6 * ones) >> 4 & ones) * to_letter;
    memcpy(at, &x, sizeof x);
}

enum { TO_UPPER = 'A' - '9' - 1, TO_LOWER = 'a' - '9' - 1 };

static void put_digits(text *t, uint64_t n, int width, uint64_t to_letter)
{
    int length = n ? (67 - __builtin_clzll(n)) / 4 : 1;
    char digits[16];

    write_hex8(digits, (uint32_t) (n >> 32), to_letter);
    write_hex8(digits + 8, (uint32_t) n, to_letter);
    if (length < width)
        length = width;
    put_bytes(t, digits + sizeof digits - length, (size_t) length);
}

void put_hex(text *t, uint64_t n, int width)
{
    put_digits(t, n, width, TO_LOWER);
}

void put_HEX(text *t, uint64_t n, int width)
{
    put_digits(t, n, width, TO_UPPER);
}

void put_lsn(text *t, uint64_t lsn)
{
    put_HEX(t, lsn >> 32, 1);
    put_char(t, '/');
    put_HEX(t, (uint32_t) lsn, 1);
}

char *write_lsn08(char *at, uint64_t lsn)
{
    uint32_t high = (uint32_t) (lsn >> 32);
    int length = high ? (35 - __builtin_clz(high)) / 4 : 1;

    write_hex8(at, high << (32 - 4 * length), TO_UPPER);    /* its last digits are written over */
    at[length] = '/';
    write_hex8(at + length + 1, (uint32_t) lsn, TO_UPPER);
    return at + length + 9;
}

void put_lsn08(text *t, uint64_t lsn)
{
    char digits[LSN_ROOM];

    put_bytes(t, digits, (size_t) (write_lsn08(digits, lsn) - digits));
}

/* Look the second up in the time zone, unless it is the one looked up last. 0 if no calendar holds it. */
static int find_second(text *t, int64_t second)
{
    time_t when = (time_t) second;
    struct tm local;

    if (t->zone[0] != '\0' && t->second == second)
        return 1;
    if (localtime_r(&when, &local) == NULL || strftime(t->local, sizeof t->local, "%Y-%m-%d %H:%M:%S", &local) == 0
        || strftime(t->zone, sizeof t->zone, "%Z", &local) == 0)
        return 0;
    t->second = second;
    return 1;
}

/* C's division rounds toward zero, and so does pg_waldump's: a time before 2000 has a negative fraction there. */
void put_time(text *t, int64_t timestamp)
{
    int64_t fraction = timestamp % MICROSECONDS;
    uint64_t digits = (uint64_t) (fraction < 0 ? -fraction : fraction);

    if (!find_second(t, timestamp / MICROSECONDS + POSTGRES_EPOCH_SECONDS)) {
        put(t, "no time (");
        put_d(t, timestamp);
        put_char(t, ')');
        return;
    }
    put(t, t->local);
    put(t, fraction < 0 ? ".-" : ".");
    for (uint64_t unit = fraction < 0 ? MICROSECONDS / 100 : MICROSECONDS / 10; unit > digits && unit > 1; unit /= 10)
        put_char(t, '0');
    put_u(t, digits);
    put_char(t, ' ');
    put(t, t->zone);
}
