/* Replication origins (replorigindesc.c). */
#include "words.h"

enum { SET = 0x00, DROP = 0x10 };

void describe_replorigin(text *out, view *v)
{
    if (v->info == SET) {
        put_field(out, "set ", u16(v, v->main, 8));
        put(out, "; lsn ");
        put_lsn_of(out, v, u64(v, v->main, 0));
        put_field(out, "; force: ", u8(v, v->main, 10));
    } else if (v->info == DROP) {
        put_field(out, "drop ", u16(v, v->main, 0));
    }
}
