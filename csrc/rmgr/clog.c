/* The two logs of transactions: their states (clogdesc.c) and their commit timestamps (committsdesc.c). */
#include "words.h"

enum { ZEROPAGE = 0x00, TRUNCATE = 0x10, SETTS = 0x20, SETTS_SIZE = 16 };

void describe_clog(text *out, view *v)
{
    if (v->info != ZEROPAGE && v->info != TRUNCATE)
        return;
    put(out, "page ");
    put_d(out, slru_page(v));
    if (v->info == TRUNCATE)
        put_field(out, "; oldestXact ", u32(v, v->main, slru_page_size(v)));
}

/* Only 13 describes it, and no caller in its server asks for one to be written. */
static void describe_set(text *out, view *v)
{
    payload subxids = after(v, v->main, SETTS_SIZE);

    put(out, "set ");
    put_time(out, i64(v, v->main, 0));
    put_field(out, "/", u16(v, v->main, 8));
    put_field(out, " for: ", u32(v, v->main, 12));
    for (size_t i = 0; i + 4 <= subxids.length; i += 4)
        put_field(out, ", ", u32(v, subxids, i));
}

void describe_committs(text *out, view *v)
{
    if (v->info == ZEROPAGE) {
        put_d(out, slru_page(v));
    } else if (v->info == TRUNCATE) {
        put(out, "pageno ");
        put_d(out, slru_page(v));
        put_field(out, ", oldestXid ", u32(v, v->main, slru_page_size(v)));
    } else if (v->info == SETTS && v->major == 13) {
        describe_set(out, v);
    }
}
