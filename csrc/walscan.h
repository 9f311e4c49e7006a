/*
 * walscan: PostgreSQL WAL, from bytes to validated records.
 *
 * The library allocates nothing, keeps no global state and trusts no byte it is given. The caller owns a struct
 * walscan, tells it where to begin, and pushes whole pages at it in LSN order; the walker answers with one
 * fixed-size row a record (and one a block reference), or with the first thing that was wrong. A walker never looks
 * back, so it does not matter to it whether pages come from a file, an archive or a server; reading a file that the
 * caller has opened is a shortcut (file.c), and the only system call in here.
 *
 * What is checked is what src/backend/access/transam/xlogreader.c checks, in its order, and besides: image lengths
 * above the page size, holes that end past the page, fork numbers above 3, payload sums that would wrap, repeated
 * origin or top-level xid fragments. A CRC is no authentication: a record can be whole and still hostile.
 *
 * All lengths are bytes, all positions are LSNs. Hosts are little-endian; WAL of a big-endian writer is reported
 * as an unknown magic.
 */
#ifndef WALSCAN_H
#define WALSCAN_H

#include <stddef.h>
#include <stdint.h>

/* ---- formats: what differs between the majors, one row each (formats.c) ---- */

typedef struct walscan_format {
    uint16_t magic;            /* XLOG_PAGE_MAGIC */
    uint8_t major;             /* 13 to 19 */
    uint8_t last_rmgr;         /* highest built-in resource manager id */
    uint8_t custom_rmgrs;      /* ids 128-255 may occur */
    uint8_t toplevel_xid;      /* fragment id 252 may occur */
    uint16_t page_flags;       /* every xlp_info bit this major knows */
    uint16_t overwrite_flag;   /* XLP_FIRST_IS_OVERWRITE_CONTRECORD moved in 19 */
    uint8_t image_has_hole;    /* bimg_info bits moved in 15 */
    uint8_t image_apply;
    uint8_t image_pglz;
    uint8_t image_lz4;         /* 0 where the major lacks it */
    uint8_t image_zstd;
    uint32_t max_length;       /* longest record its writer makes */
} walscan_format;

/* The row for a page magic, or NULL: pre-release, foreign or damaged. */
const walscan_format *walscan_format_for(uint16_t magic);

/* ---- CRC-32C (crc32c.c) ---- */

enum {
    WALSCAN_CRC_BEST, WALSCAN_CRC_TABLE, WALSCAN_CRC_SSE42, WALSCAN_CRC_CLMUL, WALSCAN_CRC_VPCLMUL,
    WALSCAN_CRC_ARMV8, WALSCAN_CRC_PMULL
};

typedef uint32_t (*walscan_crc_fn)(uint32_t crc, const uint8_t *data, size_t length);
typedef uint32_t (*walscan_record_crc_fn)(const uint8_t *record, uint32_t length, size_t before);

typedef struct walscan_crc_kernel {
    walscan_crc_fn update;            /* the running value, without inversions */
    walscan_record_crc_fn record;     /* what xl_crc of a whole record should be: length bytes, 24 at least, with
                                       * before bytes in front of it that may be read */
} walscan_crc_kernel;

/* The kernel of that kind, or NULL where this processor lacks it. BEST is never NULL. */
const walscan_crc_kernel *walscan_crc_kernel_of(int kind);

/* CRC-32C of a buffer, initial and final inversion included. Returns 0 for a kernel this processor lacks. */
uint32_t walscan_crc32c(int kind, const uint8_t *data, size_t length);

/* ---- what can be wrong ---- */

typedef enum walscan_code {
    WALSCAN_NO_ERROR,
    WALSCAN_PAGE_MAGIC,             /* expected, found: magic */
    WALSCAN_PAGE_FLAGS,             /* expected: known bits; found: xlp_info */
    WALSCAN_PAGE_NOT_LONG,          /* first page of a segment has a short header */
    WALSCAN_PAGE_SYSTEM_ID,
    WALSCAN_PAGE_SEGMENT_SIZE,
    WALSCAN_PAGE_SIZE,
    WALSCAN_PAGE_ADDRESS,           /* a recycled page, or one of another place */
    WALSCAN_PAGE_TIMELINE,          /* went back */
    WALSCAN_CONTRECORD_UNEXPECTED,  /* the page continues a record that does not exist */
    WALSCAN_CONTRECORD_MISSING,     /* the page does not continue the record that crosses into it */
    WALSCAN_CONTRECORD_LENGTH,      /* expected, found: bytes still to come */
    WALSCAN_RECORD_LENGTH,          /* xl_tot_len below 24 or above the format's limit; 0 is the end of WAL */
    WALSCAN_RECORD_RMGR,
    WALSCAN_RECORD_PREV,
    WALSCAN_RECORD_CRC,
    WALSCAN_FRAGMENT_ID,            /* an id no fragment has, or one repeated or out of order */
    WALSCAN_FRAGMENT_LENGTH,        /* fragments and payloads do not add up to xl_tot_len */
    WALSCAN_BLOCK_FORK,
    WALSCAN_BLOCK_DATA,             /* HAS_DATA and the data length contradict each other */
    WALSCAN_BLOCK_IMAGE,            /* image length, hole and compression contradict each other */
    WALSCAN_BLOCK_SAME_REL          /* SAME_REL without an earlier reference */
} walscan_code;

typedef struct walscan_error {
    int code;           /* walscan_code */
    uint64_t lsn;       /* the field's page or record */
    uint64_t record;    /* start of the record being read, or of the one that should begin here */
    uint64_t expected;
    uint64_t found;
} walscan_error;

/* ---- pages (page.c) ---- */

typedef struct walscan_page {
    uint64_t address;         /* xlp_pageaddr */
    uint64_t system_id;       /* 0 in a short header, as are the two below */
    uint32_t segment_size;
    uint32_t page_size;
    uint32_t timeline;        /* xlp_tli */
    uint32_t remaining;       /* xlp_rem_len */
    uint16_t magic;
    uint16_t info;
    uint32_t header_length;   /* 24 or 40 */
} walscan_page;

enum {
    WALSCAN_PAGE_CONTRECORD = 0x0001,
    WALSCAN_PAGE_LONG = 0x0002,
    WALSCAN_PAGE_HEADER_MIN = 24,
    WALSCAN_PAGE_HEADER_MAX = 40,
    WALSCAN_PAGE_SIZE_MIN = 1024,
    WALSCAN_PAGE_SIZE_MAX = 65536
};

/* The header's fields, unjudged. length must be at least 24, and 40 for the long form to be read: 0 if too short. */
int walscan_read_page(const uint8_t *bytes, size_t length, walscan_page *page);

/* ---- records ---- */

typedef struct walscan_record {
    uint64_t lsn;             /* first byte of the record header */
    uint64_t prev;            /* xl_prev */
    uint64_t end;             /* one past the last byte, before alignment */
    uint32_t total_length;    /* xl_tot_len */
    uint32_t image_length;    /* all its full-page images, as stored */
    uint32_t main_length;     /* main data */
    uint32_t xid;
    uint32_t toplevel_xid;    /* 0 when absent */
    uint32_t first_block;     /* index of its first row among the blocks of the same push */
    uint16_t origin;          /* 0 when absent */
    uint8_t rmgr;
    uint8_t info;
    uint8_t block_count;
    uint8_t image_count;
    uint8_t padding[2];
} walscan_record;

typedef struct walscan_block {
    uint32_t tablespace;
    uint32_t database;
    uint32_t relation;
    uint32_t block;
    uint16_t data_length;
    uint16_t image_length;    /* 0 when there is no image */
    uint16_t hole_offset;
    uint16_t hole_length;
    uint8_t id;
    uint8_t fork;             /* 0 main, 1 fsm, 2 vm, 3 init */
    uint8_t flags;            /* WALSCAN_BLOCK_* as on disk */
    uint8_t image_info;       /* WALSCAN_IMAGE_*, the same bits for every major */
} walscan_block;

enum {
    WALSCAN_BLOCK_HAS_IMAGE = 0x10,
    WALSCAN_BLOCK_HAS_DATA = 0x20,
    WALSCAN_BLOCK_WILL_INIT = 0x40,
    WALSCAN_BLOCK_SAME_RELATION = 0x80,
    WALSCAN_IMAGE_HAS_HOLE = 0x01,
    WALSCAN_IMAGE_APPLY = 0x02,
    WALSCAN_IMAGE_PGLZ = 0x04,
    WALSCAN_IMAGE_LZ4 = 0x08,
    WALSCAN_IMAGE_ZSTD = 0x10,
    WALSCAN_RECORD_HEADER = 24,
    WALSCAN_BLOCKS_MAX = 33,
    WALSCAN_HEAD_MAX = 1024   /* more than header and fragment headers can take: 24 + 33 * 27 + 3 + 5 + 5 */
};

/* Read the fragment headers of one record into zeroed counts; head holds its first bytes (all, or HEAD_MAX of them),
 * record->total_length is set, block_size is the cluster's BLCKSZ, which images are measured by. blocks must have room
 * for BLOCKS_MAX rows. Returns a walscan_code. (walker.c, by fragments.h) */
int walscan_read_record(const walscan_format *format, uint32_t block_size, const uint8_t *head,
                        walscan_record *record, walscan_block *blocks);

/* ---- the walker (walker.c) ---- */

typedef enum walscan_status {
    WALSCAN_MORE,    /* every byte was used; push the next page */
    WALSCAN_FULL,    /* no room for the next row; empty the arrays and push the same bytes again */
    WALSCAN_STOPPED, /* see error; nothing after error.record was accepted */
    WALSCAN_REACHED  /* the limit: every record that begins before it is done */
} walscan_status;

enum { WALSCAN_TOTALS = 256 * 16 };

typedef struct walscan_total {
    uint64_t count;
    uint64_t record_bytes;    /* without images */
    uint64_t image_bytes;
} walscan_total;

/* Where rows go. With records NULL nothing is stored and the walk only counts. */
typedef struct walscan_rows {
    walscan_record *records;
    walscan_block *blocks;
    size_t record_count, record_room;
    size_t block_count, block_room;
} walscan_rows;

typedef struct walscan {
    const walscan_format *format;
    const walscan_crc_kernel *crc;
    uint32_t page_size;       /* XLOG_BLCKSZ */
    uint32_t segment_size;
    uint32_t block_size;      /* BLCKSZ; 8192 from walscan_start, the caller may know better */
    uint64_t system_id;       /* 0: taken from the first long header met */
    uint64_t position;        /* next byte wanted */
    uint64_t first;           /* first record accepted, 0 before it */
    uint64_t first_prev;      /* its xl_prev, which nothing vouches for */
    uint64_t previous;        /* last record accepted, 0 before the first */
    uint64_t aborted;         /* last record given up to an overwrite-contrecord, 0 if none */
    uint64_t skip_to;         /* bytes before this are not records: a switched segment's rest */
    uint64_t limit;           /* records that begin here or behind are left alone; on a page boundary, 0 for none */
    uint64_t records;         /* accepted so far */
    uint64_t record_bytes;    /* sum of their xl_tot_len */
    uint64_t images;
    uint64_t image_bytes;
    uint32_t timeline;        /* of the last page */
    uint32_t first_timeline;  /* of the first page, 0 before it */
    uint32_t continuation;    /* bytes of a record begun before the walk, still to be skipped */
    int32_t seeking;          /* no record boundary is known yet */
    walscan_total *totals;    /* what is counted is added here, too, unless NULL; indexed as in walscan_add_totals */

    uint64_t partial;         /* record that crossed a page end, 0 if none */
    uint32_t partial_length;  /* its xl_tot_len */
    uint32_t partial_have;
    uint32_t partial_crc;
    uint8_t head[WALSCAN_HEAD_MAX];

    walscan_error error;
} walscan;

/* Begin at lsn. On a page boundary the first record is sought as pg_waldump does (a continued record is skipped);
 * elsewhere a record must begin at lsn. The first record's xl_prev only has to lie before it.
 * Returns 0 if the format is NULL, a size is no power of two in range, or lsn is unaligned or above 2^62. */
int walscan_start(walscan *walker, const walscan_format *format, uint32_t page_size, uint32_t segment_size,
                  uint64_t system_id, uint64_t lsn, int crc_kind);

/* Push bytes [lsn, lsn + length); lsn and length are multiples of the page size, and the walker's position lies
 * inside or at the end. Returns a walscan_status. */
int walscan_push(walscan *walker, uint64_t lsn, const uint8_t *bytes, size_t length, walscan_rows *rows);

/* Read an open file from where it stands, until length bytes (whole pages, beginning at lsn) are read, the file ends,
 * or the walk has stopped or come to its limit; push what was read, through a buffer of room bytes (whole pages), as
 * walscan_push would without rows. A page that the file ends inside of is read and not pushed. Returns how many bytes
 * were read, or -1 with errno where reading failed; ended says whether that was all there is. (file.c) */
int64_t walscan_push_file(walscan *walker, int file, uint64_t lsn, uint64_t length, uint8_t *buffer, size_t room,
                          int *ended);

/* The first LSN at or after from, inside these whole pages, where a record header stands whose xl_prev lies in
 * [floor, its own LSN): after a break, a sign that the stream went on. A header split over a page end is read across
 * it; one that goes on behind the buffer is judged by what is there. Pages behind the one that holds from are looked
 * into only if their header says that they belong there. Returns 0 if there is none. */
uint64_t walscan_find_header(const walscan_format *format, uint32_t page_size, uint64_t lsn, const uint8_t *bytes,
                             size_t length, uint64_t from, uint64_t floor);

#endif
