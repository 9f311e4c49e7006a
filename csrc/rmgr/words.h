/* Strings, LSNs, locators and page numbers, as descriptions of several resource managers hold them. */
#ifndef WALSCAN_RMGR_WORDS_H
#define WALSCAN_RMGR_WORDS_H

#include "rmgr.h"

/* %s: a string from offset bytes into a payload to its NUL, which a damaged one may lack. */
static inline void put_string(text *out, view *v, payload p, size_t offset)
{
    payload rest = after(v, p, offset);
    const uint8_t *end = rest.length ? memchr(rest.at, '\0', rest.length) : NULL;

    if (end == NULL)
        v->cut = 1;
    put_bytes(out, rest.at, end ? (size_t) (end - rest.at) : rest.length);
}

/* An LSN as that major's descriptions write it: %X/%X, from 19 on %X/%08X. */
static inline void put_lsn_of(text *out, const view *v, uint64_t lsn)
{
    (v->major >= 19 ? put_lsn08 : put_lsn)(out, lsn);
}

/* "first/second", as tablespace and database. */
static inline void put_pair(text *out, uint32_t first, uint32_t second)
{
    put_u(out, first);
    put_char(out, '/');
    put_u(out, second);
}

/* "tablespace/database/relation" of the RelFileLocator at offset bytes into the main data. */
static inline void put_locator(text *out, view *v, size_t offset)
{
    put_pair(out, u32(v, v->main, offset), u32(v, v->main, offset + 4));
    put_char(out, '/');
    put_u(out, u32(v, v->main, offset + 8));
}

/* SLRU page numbers grew from 4 bytes to 8 in 17. */
static inline size_t slru_page_size(const view *v)
{
    return v->major >= 17 ? 8 : 4;
}

/* The SLRU page number that the main data begins with. */
static inline int64_t slru_page(view *v)
{
    return slru_page_size(v) == 8 ? i64(v, v->main, 0) : i32(v, v->main, 0);
}

#endif
