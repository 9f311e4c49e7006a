/* Between changes.c and change_tables.c: finding, making and dropping the entries of a walscan_changes. */
#ifndef WALSCAN_CHANGE_TABLES_H
#define WALSCAN_CHANGE_TABLES_H

#include <string.h>

#include "rows.h"

typedef walscan_transaction transaction;
typedef walscan_change change;

/* Whether there is room for that many more entries; if not, what is wanted is noted. What takes needs it. */
int has_room(walscan_changes *c, uint64_t transactions, uint64_t changes);

/* The transaction with that xid (not 0): NULL if there is none, or made if it is new. */
transaction *find_transaction(walscan_changes *c, uint32_t xid);
transaction *take_transaction(walscan_changes *c, uint32_t xid);

/* Let go of a transaction and its relations. */
void drop_transaction(walscan_changes *c, transaction *t);

/* The relation that like is in transaction xid (0: in all commits together), or NULL. */
change *find_change(walscan_changes *c, uint32_t xid, const change *like);

/* The relation that like is in transaction t, or in all commits together (NULL), made if it is new. */
change *take_change(walscan_changes *c, transaction *t, const change *like);

/* Make an entry another transaction's, which has none of its relation. It has to be out of its old one's list. */
void give_change(walscan_changes *c, transaction *t, change *e);

/* Let go of one relation, which has to be out of its transaction's list; and of all that a transaction has. */
void drop_change(walscan_changes *c, change *e);
void drop_changes(walscan_changes *c, transaction *t);

#endif
