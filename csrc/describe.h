/* Between lines.c and describe.c. */
#ifndef WALSCAN_DESCRIBE_H
#define WALSCAN_DESCRIBE_H

#include "rmgr/rmgr.h"

/* Point a view at the whole record in bytes. */
void look_at(view *v, uint8_t major, const uint8_t *bytes, const walscan_record *r, const walscan_block *blocks);

/* What pg_waldump of that major writes behind the record's name and a space. */
void describe(text *out, view *v);

#endif
