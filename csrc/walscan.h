/*
 * walscan: PostgreSQL WAL, from bytes to validated records.
 *
 * The library reads no file, allocates nothing, keeps no global state and trusts no byte it is given. The caller
 * owns a struct walscan, tells it where to begin, and pushes whole pages at it in LSN order; the walker answers
 * with one fixed-size row a record (and one a block reference), or with the first thing that was wrong. A walker
 * never looks back, so it does not matter to it whether pages come from a file, an archive or a server.
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
 * record->total_length is set, block_size is the cluster's BLCKSZ, which images are measured by. blocks must have room for BLOCKS_MAX rows. Returns a walscan_code. (record.c) */
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

/* The first LSN at or after from, inside these whole pages, where a record header stands whose xl_prev lies in
 * [floor, its own LSN): after a break, a sign that the stream went on. A header split over a page end is read across
 * it; one that goes on behind the buffer is judged by what is there. Pages behind the one that holds from are looked
 * into only if their header says that they belong there. Returns 0 if there is none. */
uint64_t walscan_find_header(const walscan_format *format, uint32_t page_size, uint64_t lsn, const uint8_t *bytes,
                             size_t length, uint64_t from, uint64_t floor);

/* ---- choosing rows (filter.c) ---- */

/* What a row must be to be kept; a zeroed filter keeps every row. The block conditions have to hold for one and the
 * same block reference, as pg_waldump's -R, -B and -F do. */
typedef struct walscan_filter {
    uint8_t rmgrs[256];       /* kept where 1; looked at only if by_rmgr */
    uint64_t start, end;      /* records that begin at or after start and are over by end (0: no end) */
    uint32_t xid;
    uint32_t tablespace, database, relation;
    uint32_t block;
    uint8_t fork;
    uint8_t by_rmgr, by_xid, by_relation, by_block, by_fork, by_image;
} walscan_filter;

/* Move the rows to keep to the front of records, in order; their number. Blocks stay where they are. */
size_t walscan_keep(const walscan_filter *filter, walscan_record *records, size_t count, const walscan_block *blocks);

/* ---- names, descriptions and lines (names.c, describe.c, description.c, rmgr/, lines.c) ---- */

/* pg_waldump's name of a built-in resource manager, or NULL. */
const char *walscan_rmgr_name(uint8_t rmgr);

/* pg_waldump's name of a record in that major, or NULL where it prints UNKNOWN. */
const char *walscan_record_name(uint8_t major, uint8_t rmgr, uint8_t info);

/* Whole pages from lsn on, and, in a second piece, those right before them. With page_size 0, bytes is one record at
 * lsn, already without page headers. */
typedef struct walscan_pages {
    uint64_t lsn;
    const uint8_t *bytes;
    size_t length;
    const uint8_t *before;
    size_t before_length;
    uint32_t page_size;
} walscan_pages;

/* A record's bytes without page headers: where they lie in pages, or, for one that crosses a page end, joined in
 * scratch. NULL when the pages do not hold all of it, or scratch has no room for it (xl_tot_len is enough). */
const uint8_t *walscan_record_bytes(const walscan_pages *pages, const walscan_record *record, uint8_t *scratch,
                                    size_t room);

typedef struct walscan_printer {
    walscan_pages pages;
    uint8_t *scratch;
    size_t scratch_room;
    char *out;
    size_t room;
    size_t used;              /* of out; set by each call */
    uint8_t major;
    uint32_t block_size;      /* BLCKSZ, which images are measured by */
    uint8_t block_details;    /* a line for each block reference, as pg_waldump --bkp-details */
} walscan_printer;

/* Write rows as pg_waldump's lines. Returns how many were written: fewer than count when the next one does not fit
 * into room, or its bytes into scratch. A record whose bytes the pages do not hold has no description. */
size_t walscan_lines(walscan_printer *printer, const walscan_record *records, size_t count,
                     const walscan_block *blocks);

/* Write what stands behind one record's name in its line, without its block references. Returns 1; 0 when that does
 * not fit into room, or the record's bytes into scratch. */
int walscan_description(walscan_printer *printer, const walscan_record *record, const walscan_block *blocks);

/* ---- finished rows (totals.c, index.c) ---- */

/* Rows of a later batch, appended to earlier ones: their block indexes count from before on. */
void walscan_shift_blocks(walscan_record *records, size_t count, uint32_t before);

/* The same row in the index of many: what is not in it is read from the record again. */
typedef struct walscan_index_row {
    uint64_t lsn;
    uint64_t end;
    uint32_t total_length;
    uint32_t image_length;
    uint32_t xid;
    uint8_t rmgr;
    uint8_t info;
    uint8_t block_count;
    uint8_t image_count;
} walscan_index_row;

void walscan_index_rows(const walscan_record *records, size_t count, walscan_index_row *rows);

/* The last row that begins at or before lsn, 0 if none does; rows are in order of their LSNs. */
size_t walscan_find_lsn(const walscan_index_row *rows, size_t count, uint64_t lsn);

/* The first row of that transaction from a row on; count if there is none. */
size_t walscan_find_xid(const walscan_index_row *rows, size_t count, size_t from, uint32_t xid);

/* Add rows to totals[WALSCAN_TOTALS], indexed by resource manager * 16 + record type: the high nibble of info, for
 * Transaction without its top bit, which is a flag there. */
void walscan_add_totals(const walscan_record *records, size_t count, walscan_total *totals);

/* Add one table of totals to another. */
void walscan_join_totals(const walscan_total *from, walscan_total *to);

/* ---- WAL by transaction, database or minute (keyed.c, filter.c) ---- */

enum { WALSCAN_BY_XID, WALSCAN_BY_DATABASE, WALSCAN_BY_MINUTE };

#define WALSCAN_NO_KEY UINT64_MAX    /* a record without a block; a minute before the first commit */

typedef struct walscan_keyed {
    uint64_t key;             /* a transaction id, a database's oid, or minutes since 2000-01-01 00:00 UTC */
    uint64_t used;            /* 0: an empty place of the table */
    uint64_t count;
    uint64_t record_bytes;    /* without images */
    uint64_t image_bytes;
} walscan_keyed;

/* When a transaction ended: a commit's or abort's time (TimestampTz, microseconds since 2000), 0 for any other record.
 * bytes is the whole record. */
uint64_t walscan_record_time(const walscan_record *record, const uint8_t *bytes);

/* The first row from a row on that ends a transaction, by a commit or an abort, between two times (TimestampTz, both
 * included); count if there is none. time is set to that row's. pages is where the rows' bytes lie: a row whose first
 * bytes they do not hold is passed over. */
size_t walscan_find_time(const walscan_record *records, size_t count, size_t from, const walscan_pages *pages,
                         int64_t since, int64_t until, int64_t *time);

/* Add rows to a zeroed table of places (a power of two, 64 at least). minute is the one of the last commit, NO_KEY
 * before it; it is carried from call to call, and pages is where the rows' bytes lie. Returns how many rows were
 * added: fewer than count when the table has to be larger. */
size_t walscan_add_keyed(int kind, const walscan_record *records, size_t count, const walscan_block *blocks,
                         const walscan_pages *pages, uint64_t *minute, walscan_keyed *table, size_t places);

/* Add one table to another, counting what has no key for the key given instead. 0, and nothing is added, if that is
 * too small for the keys of both. */
int walscan_join_keyed(const walscan_keyed *from, size_t from_places, uint64_t instead, walscan_keyed *to,
                       size_t to_places);

/* ---- WAL by relation (relations.c) ---- */

typedef struct walscan_relation {
    uint32_t tablespace, database, relation;   /* all 0: records that touch no block */
    uint32_t used;                             /* 0: an empty place of the table */
    uint64_t records;                          /* that touch it, each once */
    uint64_t record_bytes;                     /* without images; what no block owns goes to the first block's relation */
    uint64_t images;
    uint64_t image_bytes;
} walscan_relation;

/* Add rows to a zeroed table of places (a power of two). Returns how many rows were added: fewer than count when the
 * table is too full for another; the caller then moves it into a larger one and goes on. */
size_t walscan_add_relations(const walscan_record *records, size_t count, const walscan_block *blocks,
                             walscan_relation *table, size_t places);

/* Add one table's relations to another. 0, and nothing is added, if that is too small for the relations of both. */
int walscan_join_relations(const walscan_relation *from, size_t from_places, walscan_relation *to, size_t to_places);

/* ---- full-page images (pglz.c, image.c) ---- */

/* Unpack pglz data. Returns 1 if it holds exactly out_length bytes, 0 if not; out may be written to either way. */
int walscan_pglz(const uint8_t *in, size_t in_length, uint8_t *out, size_t out_length);

/* Make a page of block_size bytes from an image's stored bytes, pglz or plain, with its hole of zeros. Returns 0 if
 * the hole does not lie inside the page or the bytes do not fill the rest of it exactly. */
int walscan_restore_image(const uint8_t *stored, size_t length, int is_pglz, uint32_t hole_offset,
                          uint32_t hole_length, uint8_t *page, uint32_t block_size);

#endif
