/*
 * What the descriptions of several index access methods have in common: flags as words and letters, full xids, and
 * the horizon of a deletion, whose name and company changed over the majors.
 */
#ifndef WALSCAN_RMGR_ACCESS_H
#define WALSCAN_RMGR_ACCESS_H

#include <math.h>
#include <stdio.h>

#include "words.h"

/* "word T" or "word F". */
static inline void put_flag(text *out, const char *word, int flag)
{
    put(out, word);
    put_char(out, flag ? 'T' : 'F');
}

/* The word where the flag is set, nothing where it is not. */
static inline void put_if(text *out, int flag, const char *word)
{
    if (flag)
        put(out, word);
}

/* A FullTransactionId as epoch:xid. */
static inline void put_full_xid(text *out, uint64_t xid)
{
    put_u(out, xid >> 32);
    put_char(out, ':');
    put_u(out, (uint32_t) xid);
}

/* A double as %f or %g of src/port/snprintf.c. Its records are rare, so printf's pace does not matter here. */
static inline void put_float(text *out, const char *format, uint64_t bits)
{
    char digits[328];      /* %f of -DBL_MAX takes 317 */
    double number;

    memcpy(&number, &bits, sizeof number);
    if (isnan(number)) {
        put(out, "NaN");
    } else if (isinf(number)) {
        put(out, number < 0 ? "-Infinity" : "Infinity");
    } else {
        snprintf(digits, sizeof digits, format, number);
        put(out, digits);
    }
}

/* The xid that standbys' snapshots must be newer than: renamed in 16. */
static inline const char *horizon_name(const view *v)
{
    return v->major < 16 ? "latestRemovedXid" : "snapshotConflictHorizon";
}

/* Records have isCatalogRel since 16, descriptions write it since 17. */
static inline void put_catalog_flag(text *out, view *v, const char *word, payload p, size_t offset)
{
    if (v->major >= 17)
        put_flag(out, word, u8(v, p, offset));
}

#endif
