/* A relation's file, as records that create or drop storage name it. */
#ifndef WALSCAN_RELPATH_H
#define WALSCAN_RELPATH_H

#include "../text.h"

/* The path of one fork below the data directory, as GetRelationPath (src/common/relpath.c) builds it: base/5/16384_fsm,
 * global/1262, pg_tblspc/16390/PG_18_202506291/5/16391. Fork 0 main, 1 fsm, 2 vm, 3 init; others have no name and are
 * written as a number. */
void put_relpath(text *out, uint8_t major, uint32_t tablespace, uint32_t database, uint32_t relation, uint8_t fork);

#endif
