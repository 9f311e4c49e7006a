/* What the records that end transactions say: read once, for their descriptions and for changes.c. */
#ifndef WALSCAN_RMGR_XACT_H
#define WALSCAN_RMGR_XACT_H

#include "shared.h"

enum {
    XACT_COMMIT = 0x00,
    XACT_PREPARE = 0x10,
    XACT_ABORT = 0x20,
    XACT_COMMIT_PREPARED = 0x30,
    XACT_ABORT_PREPARED = 0x40,
    XACT_ASSIGNMENT = 0x50,
    XACT_INVALIDATION = 0x60,    /* of one command, from 14 on */
    XACT_KIND = 0x70
};

/* Items of the main data: where the first is, and how many, all of them whole. */
typedef struct items {
    size_t at;
    uint32_t n;
} items;

enum { SUBXACT = 4, RELATION = 12 };    /* bytes of an item */

/* What a commit or abort record says, whichever parts it has. */
typedef struct ending {
    uint32_t xinfo;
    uint32_t prepared_xid;
    payload gid;            /* of a prepared transaction, without its zero byte; often not written again */
    items subxacts, relations, stats;
    invalidations messages;
    size_t origin;          /* of the LSN and the time there */
} ending;

ending read_ending(view *v);

/* What a prepare record says. */
typedef struct preparation {
    payload gid;            /* with the zero byte it ends with */
    items subxacts, commit_relations, abort_relations, commit_stats, abort_stats;
    invalidations messages;
    size_t origin;
} preparation;

preparation read_preparation(view *v);

/* The length of a string that ends with a zero byte, or where the payload or its own room ends. */
size_t string_length(payload p, size_t room);

#endif
