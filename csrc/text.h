/*
 * Text into a buffer that may end too soon.
 *
 * Every writer either writes all it was asked to or sets full and writes nothing; once full, nothing more is written,
 * so a caller checks once, at the end of a line. Numbers are written by hand: printf is what makes pg_waldump's text
 * slow. Formats are named for what PostgreSQL's own printf is given: %u, %d, %X, %X/%08X.
 */
#ifndef WALSCAN_TEXT_H
#define WALSCAN_TEXT_H

#include <stdint.h>
#include <string.h>

typedef struct text {
    char *at;
    char *end;
    int full;
    int64_t second;      /* the last local time written, which most records share with the one before */
    char local[32];      /* "2026-10-17 08:31:00" */
    char zone[16];
} text;

static inline int text_has(text *t, size_t n)
{
    if ((size_t) (t->end - t->at) >= n && !t->full)
        return 1;
    t->full = 1;
    return 0;
}

static inline void put_bytes(text *t, const void *bytes, size_t n)
{
    if (text_has(t, n)) {
        memcpy(t->at, bytes, n);
        t->at += n;
    }
}

/* A C string; a literal's length is known when it is compiled. */
static inline void put(text *t, const char *s)
{
    put_bytes(t, s, strlen(s));
}

static inline void put_char(text *t, char c)
{
    if (text_has(t, 1))
        *t->at++ = c;
}

/* For a line whose room was asked for at once: write there, and return where to go on. LSNs take LSN_ROOM at most. */
enum { LSN_ROOM = 17 };

char *write_padded(char *at, uint64_t n, size_t width);
char *write_lsn08(char *at, uint64_t lsn);

static inline char *write_text(char *at, const char *s)
{
    size_t n = strlen(s);

    memcpy(at, s, n);
    return at + n;
}

/* %u and %llu, right-aligned in width (0: as long as it is). */
void put_padded(text *t, uint64_t n, size_t width);

static inline void put_u(text *t, uint64_t n)
{
    if (n < 10)
        put_char(t, (char) ('0' + n));
    else
        put_padded(t, n, 0);
}

/* %d and %lld. */
static inline void put_d(text *t, int64_t n)
{
    if (n < 0)
        put_char(t, '-');
    put_u(t, n < 0 ? 0 - (uint64_t) n : (uint64_t) n);
}

/* %x and %X with at least width digits (1 to 16). */
void put_hex(text *t, uint64_t n, int width);
void put_HEX(text *t, uint64_t n, int width);

/* An LSN as %X/%X, and as %X/%08X. 19 writes the second form everywhere, earlier majors the first in most places. */
void put_lsn(text *t, uint64_t lsn);
void put_lsn08(text *t, uint64_t lsn);

/* A TimestampTz (microseconds since 2000) in local time, as pg_waldump's timestamptz_to_str (compat.c) writes it. */
void put_time(text *t, int64_t timestamp);

/* "word n" in one, which is most of what descriptions hold: put_field(t, "off: ", n). */
static inline void put_field(text *t, const char *word, uint64_t n)
{
    put(t, word);
    put_u(t, n);
}

#endif
