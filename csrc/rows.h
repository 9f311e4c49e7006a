/*
 * What is done with rows that the walker has finished: choosing, naming, describing and printing them, adding them up,
 * and restoring the images of their records. Memory is the caller's here, too.
 */
#ifndef WALSCAN_ROWS_H
#define WALSCAN_ROWS_H

#include "walscan.h"

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
    uint64_t record_bytes;                     /* without images; the first block's has what no block owns */
    uint64_t images;
    uint64_t image_bytes;
} walscan_relation;

/* Add rows to a zeroed table of places (a power of two). Returns how many rows were added: fewer than count when the
 * table is too full for another; the caller then moves it into a larger one and goes on. */
size_t walscan_add_relations(const walscan_record *records, size_t count, const walscan_block *blocks,
                             walscan_relation *table, size_t places);

/* Add one table's relations to another. 0, and nothing is added, if that is too small for the relations of both. */
int walscan_join_relations(const walscan_relation *from, size_t from_places, walscan_relation *to, size_t to_places);

/* ---- what transactions did (changes.c, change_rows.c, change_tables.c) ---- */

enum { WALSCAN_OPEN, WALSCAN_PREPARED, WALSCAN_COMMITTED, WALSCAN_ABORTED, WALSCAN_FOLDED, WALSCAN_GID_MAX = 199 };

/* One relation in one transaction. Tables are zeroed, hold a power of two of places, and leave place 0 empty. */
typedef struct walscan_change {
    uint32_t xid;                              /* 0 with used: in all commits together */
    uint32_t tablespace, database, relation;   /* tablespace 0: relation is a table's oid, which a TRUNCATE named */
    uint32_t chain, next;                      /* the first entry of the chain that hangs here, and the next in ours */
    uint32_t sibling;                          /* the next relation of the same transaction */
    uint8_t used, truncated, dropped;
    uint8_t padding;
    uint64_t inserted, updated, deleted;       /* rows */
    uint64_t record_bytes;                     /* without images; the first block's has what no block owns */
    uint64_t image_bytes;
} walscan_change;

typedef struct walscan_transaction {
    uint32_t xid;              /* 0: an empty place */
    uint32_t top;              /* of a subtransaction, where a record said so */
    uint32_t chain, next;
    uint32_t changes;          /* its first relation */
    uint32_t change_count;
    uint32_t following;        /* the one that ended next */
    uint8_t outcome;           /* WALSCAN_OPEN ... FOLDED: into another, to be passed over */
    uint8_t gid_length;
    uint8_t gid[202];          /* a prepared transaction's name, WALSCAN_GID_MAX bytes at most */
    uint64_t begin;            /* its first record that was counted; 0 before it */
    uint64_t ended;            /* the record that ended it, */
    uint64_t ended_end;        /* and the aligned LSN behind that */
    int64_t time;              /* TimestampTz */
    uint64_t bytes;
} walscan_transaction;

enum { WALSCAN_WANTS_TRANSACTIONS = 1, WALSCAN_WANTS_CHANGES, WALSCAN_WANTS_SCRATCH };

typedef struct walscan_changes {
    uint64_t start;            /* records that begin here or behind; ends of transactions that are over behind it */
    uint64_t end;              /* and are over by end; 0: no end */
    uint64_t limit;            /* ended transactions to keep; those behind them are only counted */
    uint8_t major;
    walscan_transaction *transactions;
    walscan_change *changes;
    uint32_t transaction_places, change_places;
    uint8_t *scratch;
    size_t scratch_room;

    int wants;                 /* what walscan_add_changes needs more of, and how much at least */
    uint64_t wants_room;
    uint32_t transaction_top, transaction_free, transaction_count;
    uint32_t change_top, change_free, change_count;
    uint32_t first_ended, last_ended;
    uint64_t kept;             /* ended transactions kept */
    uint64_t commits, aborts;
    uint64_t record_bytes;     /* of records with a transaction, */
    uint64_t other_bytes;      /* and of those without */
    uint64_t unread;           /* records whose bytes the pages did not hold: what they say is not counted */
    int64_t oldest, newest;    /* times of commits; both 0 before the first */
} walscan_changes;

/* Count rows. Returns how many were counted: fewer than count when the caller has to enlarge what wants says. */
size_t walscan_add_changes(walscan_changes *c, const walscan_record *records, size_t count,
                           const walscan_block *blocks, const walscan_pages *pages);

/* Move a table into a zeroed one with more places; entries keep their numbers. */
void walscan_move_transactions(walscan_changes *c, walscan_transaction *to, uint32_t places);
void walscan_move_changes(walscan_changes *c, walscan_change *to, uint32_t places);

/* After the last row: the transactions that are open or prepared, in no order. Returns how many there are; up to room
 * of their numbers are put into found. */
size_t walscan_unfinished(walscan_changes *c, uint32_t *found, size_t room);

/* The first of the relations in all commits together at place number from or behind it; 0 if there is none. */
uint32_t walscan_committed(const walscan_changes *c, uint32_t from);

/* ---- full-page images (pglz.c, image.c) ---- */

/* Unpack pglz data. Returns 1 if it holds exactly out_length bytes, 0 if not; out may be written to either way. */
int walscan_pglz(const uint8_t *in, size_t in_length, uint8_t *out, size_t out_length);

/* Make a page of block_size bytes from an image's stored bytes, pglz or plain, with its hole of zeros. Returns 0 if
 * the hole does not lie inside the page or the bytes do not fill the rest of it exactly. */
int walscan_restore_image(const uint8_t *stored, size_t length, int is_pglz, uint32_t hole_offset,
                          uint32_t hole_length, uint8_t *page, uint32_t block_size);

#endif
