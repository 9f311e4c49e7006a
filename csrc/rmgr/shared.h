/*
 * What several resource managers' descriptions have in common: lists, infomask bits, invalidation messages.
 *
 * Offsets are bytes into a payload. A list that its payload ends too soon for is written as far as it goes.
 */
#ifndef WALSCAN_RMGR_SHARED_H
#define WALSCAN_RMGR_SHARED_H

#include "rmgr.h"

/* " [1, 2, 3]": n little-endian numbers at offset; " []" if n is 0. As array_desc with offset_elem_desc or
 * oid_elem_desc (rmgrdesc_utils.c, 16 and later). Returns the offset behind them. */
size_t put_u16_list(text *out, view *v, payload p, size_t offset, uint64_t n);
size_t put_u32_list(text *out, view *v, payload p, size_t offset, uint64_t n);

/* " [1->2, 3->4]": n pairs of uint16, as redirect_elem_desc. */
size_t put_redirect_list(text *out, view *v, payload p, size_t offset, uint64_t n);

/* " 1 2 3": n little-endian uint32 without brackets, as descriptions before 16 write OIDs, and all of them xids. */
size_t put_u32_words(text *out, view *v, payload p, size_t offset, uint64_t n);

/* An int that counts items. One below 0 counts none, as it does in PostgreSQL's loops, and sets cut. */
static inline uint32_t item_count(view *v, payload p, size_t offset)
{
    int32_t n = i32(v, p, offset);

    if (n < 0)
        v->cut = 1;
    return n < 0 ? 0 : (uint32_t) n;
}

/* A word, then a byte as %02X. */
static inline void put_byte(text *out, const char *word, uint8_t byte)
{
    put(out, word);
    put_HEX(out, byte, 2);
}

/* The names of the bits set among the lowest n: each with a space behind it (before 16), or "[A, B]" (from 16 on). */
void put_flag_words(text *out, const char *const *names, size_t n, uint8_t bits);
void put_flag_list(text *out, const char *const *names, size_t n, uint8_t bits);

/* XLHL_* (heapam_xlog.h), which heap and heap2 share: "IS_MULTI LOCK_ONLY " and "[IS_MULTI, LOCK_ONLY]". */
void put_infobit_words(text *out, uint8_t bits);
void put_infobits(text *out, const char *word, uint8_t bits);

/* xl_heap_lock, xl_heap_lock_updated and xl_heap_delete, which have one layout: xmax, offset, infobits, flags. The text
 * of the two locks has word before xmax until 15. */
void put_tuple_lock(text *out, view *v, const char *word);

/* A record's invalidation messages and what comes with them. */
typedef struct invalidations {
    size_t at;               /* of the first message of 16 bytes */
    uint32_t n;
    uint32_t database;
    uint32_t tablespace;
    int init_file;           /* the relation cache's start file goes too */
} invalidations;

/* "; relcache init file inval ...; inval msgs: ...", as standby_desc_invalidations; nothing if there are none. */
void put_invalidations(text *out, view *v, payload p, const invalidations *i);

#endif
