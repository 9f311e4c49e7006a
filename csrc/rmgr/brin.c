/* BRIN: what brin_desc writes (brindesc.c), of the records in access/brin_xlog.h; the same in every major. */
#include "access.h"

enum {
    CREATE_INDEX = 0x00,
    INSERT = 0x10,
    UPDATE = 0x20,
    SAMEPAGE_UPDATE = 0x30,
    REVMAP_EXTEND = 0x40,
    DESUMMARIZE = 0x50,
    OPERATION = 0x70       /* the bit left over says that a page is made anew */
};

void describe_brin(text *out, view *v)
{
    switch (v->info & OPERATION) {
    case CREATE_INDEX:
        put_field(out, "v", u16(v, v->main, 4));
        put_field(out, " pagesPerRange ", u32(v, v->main, 0));
        break;
    case INSERT:
        put_field(out, "heapBlk ", u32(v, v->main, 0));
        put_field(out, " pagesPerRange ", u32(v, v->main, 4));
        put_field(out, " offnum ", u16(v, v->main, 8));
        break;
    case UPDATE:
        put_field(out, "heapBlk ", u32(v, v->main, 4));
        put_field(out, " pagesPerRange ", u32(v, v->main, 8));
        put_field(out, " old offnum ", u16(v, v->main, 0));
        put_field(out, ", new offnum ", u16(v, v->main, 12));
        break;
    case SAMEPAGE_UPDATE:
        put_field(out, "offnum ", u16(v, v->main, 0));
        break;
    case REVMAP_EXTEND:
        put_field(out, "targetBlk ", u32(v, v->main, 0));
        break;
    case DESUMMARIZE:
        put_field(out, "pagesPerRange ", u32(v, v->main, 0));
        put_field(out, ", heapBlk ", u32(v, v->main, 4));
        put_field(out, ", page offset ", u16(v, v->main, 8));
        break;
    }
}
