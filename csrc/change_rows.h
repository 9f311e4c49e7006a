/* Between changes.c and change_rows.c: what a record changes. There has to be room in the tables for all of it. */
#ifndef WALSCAN_CHANGE_ROWS_H
#define WALSCAN_CHANGE_ROWS_H

#include "change_tables.h"
#include "describe.h"

/* Add the rows and bytes of one relation to another's. */
void add_change(change *to, const change *from);

/* The bytes of a record that touches blocks, each counted once, as in relations.c. */
void add_blocks(walscan_changes *c, transaction *t, const walscan_record *r, const walscan_block *blocks);

/* The rows of a record of Heap, and of Heap2. */
void add_heap(walscan_changes *c, transaction *t, view *v);
void add_heap2(walscan_changes *c, transaction *t, view *v);

#endif
