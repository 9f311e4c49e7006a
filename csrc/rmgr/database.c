/* Databases, tablespaces and relation maps (dbasedesc.c, tblspcdesc.c, relmapdesc.c). */
#include "words.h"

enum { TABLESPACE_CREATE = 0x00, TABLESPACE_DROP = 0x10, RELMAP_UPDATE = 0x00 };

/* Folders are named "tablespace/database", which stand in the records the other way round. */
static void describe_copy(text *out, view *v)
{
    put(out, "copy dir ");
    put_pair(out, u32(v, v->main, 12), u32(v, v->main, 8));
    put(out, " to ");
    put_pair(out, u32(v, v->main, 4), u32(v, v->main, 0));
}

static void describe_create(text *out, view *v)
{
    put(out, "create dir ");
    put_pair(out, u32(v, v->main, 4), u32(v, v->main, 0));
}

/* A database has a folder in each tablespace it uses. */
static void describe_drop(text *out, view *v)
{
    uint32_t database = u32(v, v->main, 0);
    int32_t count = i32(v, v->main, 4);
    payload tablespaces = after(v, v->main, 8);
    size_t n = whole_items(v, tablespaces, count > 0 ? (uint64_t) count : 0, 4);

    put(out, "dir");
    for (size_t i = 0; i < n; i++) {
        put_char(out, ' ');
        put_pair(out, u32(v, tablespaces, 4 * i), database);
    }
}

/* 15 put CREATE_WAL_LOG between what were CREATE and DROP. */
void describe_dbase(text *out, view *v)
{
    uint8_t drop = v->major >= 15 ? 0x20 : 0x10;

    if (v->info == 0x00)
        describe_copy(out, v);
    else if (v->info == drop)
        describe_drop(out, v);
    else if (v->info == 0x10)
        describe_create(out, v);
}

void describe_tblspc(text *out, view *v)
{
    if (v->info != TABLESPACE_CREATE && v->info != TABLESPACE_DROP)
        return;
    put_u(out, u32(v, v->main, 0));
    if (v->info == TABLESPACE_CREATE) {
        put(out, " \"");
        put_string(out, v, v->main, 4);
        put_char(out, '"');
    }
}

void describe_relmap(text *out, view *v)
{
    if (v->info != RELMAP_UPDATE)
        return;
    put_field(out, "database ", u32(v, v->main, 0));
    put_field(out, " tablespace ", u32(v, v->main, 4));
    put(out, " size ");
    if (v->major >= 15)    /* %d, where it was %u */
        put_d(out, i32(v, v->main, 8));
    else
        put_u(out, u32(v, v->main, 8));
}
