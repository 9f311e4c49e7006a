/* Multixacts (mxactdesc.c). 19 made their members' offsets 8 bytes wide and no longer truncates by ranges. */
#include "words.h"

enum { ZERO_OFF_PAGE = 0x00, ZERO_MEM_PAGE = 0x10, CREATE_ID = 0x20, TRUNCATE_ID = 0x30, MEMBER_SIZE = 8 };

/* A member's status is what it holds on the row (MultiXactStatus in src/include/access/multixact.h). */
static void put_member(text *out, view *v, payload members, size_t i)
{
    static const char *const statuses[] = {
        " (keysh) ", " (sh) ", " (fornokeyupd) ", " (forupd) ", " (nokeyupd) ", " (upd) ",
    };
    uint32_t status = u32(v, members, MEMBER_SIZE * i + 4);

    put_u(out, u32(v, members, MEMBER_SIZE * i));
    put(out, status < sizeof statuses / sizeof *statuses ? statuses[status] : " (unk) ");
}

static void describe_create(text *out, view *v)
{
    int wide = v->major >= 19;
    int32_t count = i32(v, v->main, wide ? 16 : 8);
    payload members = after(v, v->main, wide ? 20 : 12);
    size_t n = whole_items(v, members, count > 0 ? (uint64_t) count : 0, MEMBER_SIZE);

    put_u(out, u32(v, v->main, 0));
    put_field(out, " offset ", wide ? u64(v, v->main, 8) : u32(v, v->main, 4));
    put(out, " nmembers ");
    put_d(out, count);
    put(out, ": ");
    for (size_t i = 0; i < n; i++)
        put_member(out, v, members, i);
}

static void describe_truncate(text *out, view *v)
{
    if (v->major >= 19) {
        put_field(out, "oldestMulti ", u32(v, v->main, 4));
        put_field(out, ", oldestOffset ", u64(v, v->main, 8));
        return;
    }
    put_field(out, "offsets [", u32(v, v->main, 4));
    put_field(out, ", ", u32(v, v->main, 8));
    put_field(out, "), members [", u32(v, v->main, 12));
    put_field(out, ", ", u32(v, v->main, 16));
    put_char(out, ')');
}

void describe_mxact(text *out, view *v)
{
    if (v->info == ZERO_OFF_PAGE || v->info == ZERO_MEM_PAGE)
        put_d(out, slru_page(v));
    else if (v->info == CREATE_ID)
        describe_create(out, v);
    else if (v->info == TRUNCATE_ID)
        describe_truncate(out, v);
}
