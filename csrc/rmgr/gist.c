/* GiST: what gist_desc writes (gistdesc.c), of the records in access/gistxlog.h. */
#include "access.h"

enum { DELETE = 0x10, PAGE_REUSE = 0x20, PAGE_SPLIT = 0x30, PAGE_DELETE = 0x60 };

void describe_gist(text *out, view *v)
{
    switch (v->info) {
    case DELETE:
        put(out, "delete: ");
        put(out, horizon_name(v));
        put_field(out, " ", u32(v, v->main, 0));
        put_field(out, ", nitems: ", u16(v, v->main, 4));
        put_catalog_flag(out, v, ", isCatalogRel ", v->main, 6);
        break;
    case PAGE_REUSE:
        put(out, "rel ");
        put_locator(out, v, 0);
        put_field(out, "; blk ", u32(v, v->main, 12));
        put(out, "; ");
        put(out, horizon_name(v));
        put_char(out, ' ');
        put_full_xid(out, u64(v, v->main, 16));
        put_catalog_flag(out, v, ", isCatalogRel ", v->main, 24);
        break;
    case PAGE_SPLIT:
        put_field(out, "page_split: splits to ", u16(v, v->main, 18));
        put(out, " pages");
        break;
    case PAGE_DELETE:
        put(out, "deleteXid ");
        put_full_xid(out, u64(v, v->main, 0));
        put_field(out, "; downlink ", u16(v, v->main, 8));
        break;
    }
}
