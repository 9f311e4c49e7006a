/*
 * One row a major. Everything that differs between them in reading WAL stands here and nowhere else.
 *
 * Sources: XLOG_PAGE_MAGIC and the XLP_ flags in src/include/access/xlog_internal.h, the BKPIMAGE_ bits and
 * XLogRecordMaxSize in src/include/access/xlogrecord.h, the list in src/include/access/rmgrlist.h.
 */
#include "walscan.h"

enum {
    MAX_ALLOC = 0x3fffffff,             /* before 16 only the reader's palloc limit bounds a record */
    MAX_RECORD = 1020 * 1024 * 1024     /* XLogRecordMaxSize, 16 on */
};

static const walscan_format formats[] = {
    /* magic, major, last rmgr, custom, toplevel; page flags, overwrite; hole, apply, pglz, lz4, zstd; longest */
    {0xD106, 13, 21, 0, 0, 0x000F, 0x0008, 0x01, 0x04, 0x02, 0, 0, MAX_ALLOC},
    {0xD10D, 14, 21, 0, 1, 0x000F, 0x0008, 0x01, 0x04, 0x02, 0, 0, MAX_ALLOC},
    {0xD110, 15, 21, 1, 1, 0x000F, 0x0008, 0x01, 0x02, 0x04, 0x08, 0x10, MAX_ALLOC},
    {0xD113, 16, 21, 1, 1, 0x000F, 0x0008, 0x01, 0x02, 0x04, 0x08, 0x10, MAX_RECORD},
    {0xD116, 17, 21, 1, 1, 0x000F, 0x0008, 0x01, 0x02, 0x04, 0x08, 0x10, MAX_RECORD},
    {0xD118, 18, 21, 1, 1, 0x000F, 0x0008, 0x01, 0x02, 0x04, 0x08, 0x10, MAX_RECORD},
    {0xD122, 19, 21, 1, 1, 0x0007, 0x0004, 0x01, 0x02, 0x04, 0x08, 0x10, MAX_RECORD},
};

const walscan_format *walscan_format_for(uint16_t magic)
{
    for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++)
        if (formats[i].magic == magic)
            return &formats[i];
    return NULL;
}
