/* Hash: what hash_desc writes (hashdesc.c), of the records in access/hash_xlog.h. */
#include "access.h"

enum {
    INIT_META_PAGE = 0x00,
    INIT_BITMAP_PAGE = 0x10,
    INSERT = 0x20,
    ADD_OVFL_PAGE = 0x30,
    SPLIT_ALLOCATE_PAGE = 0x40,
    SPLIT_COMPLETE = 0x60,
    MOVE_PAGE_CONTENTS = 0x70,
    SQUEEZE_PAGE = 0x80,
    DELETE = 0x90,
    UPDATE_META_PAGE = 0xB0,
    VACUUM_ONE_PAGE = 0xC0
};

enum { UPDATES_MASKS = 0x01, UPDATES_SPLITPOINT = 0x02 };

static void describe_init(text *out, view *v)
{
    put(out, "num_tuples ");
    put_float(out, "%g", u64(v, v->main, 0));
    if (v->major >= 19)
        put_field(out, ", procid ", u32(v, v->main, 8));
    put_field(out, ", fillfactor ", u16(v, v->main, 12));
}

static void describe_allocation(text *out, view *v)
{
    uint8_t flags = u8(v, v->main, 8);

    put_field(out, "new_bucket ", u32(v, v->main, 0));
    if (v->major >= 19) {
        put_field(out, ", old_bucket_flag ", u16(v, v->main, 4));
        put_field(out, ", new_bucket_flag ", u16(v, v->main, 6));
    }
    put_flag(out, ", meta_page_masks_updated ", flags & UPDATES_MASKS);
    put_flag(out, ", issplitpoint_changed ", flags & UPDATES_SPLITPOINT);
}

static void describe_squeeze(text *out, view *v)
{
    put_field(out, "prevblkno ", u32(v, v->main, 0));
    put_field(out, ", nextblkno ", u32(v, v->main, 4));
    put_field(out, ", ntups ", u16(v, v->main, 8));
    put_flag(out, ", is_primary ", u8(v, v->main, 10));
    if (v->major >= 19)
        put_flag(out, ", is_previous ", u8(v, v->main, 11));
}

/* The count was an int before 16 made room for isCatalogRel beside it. */
static void describe_vacuum(text *out, view *v)
{
    put(out, "ntuples ");
    put_d(out, v->major < 16 ? i32(v, v->main, 4) : u16(v, v->main, 4));
    put(out, ", ");
    put(out, v->major == 13 ? "latest removed xid" : horizon_name(v));
    put_field(out, " ", u32(v, v->main, 0));
    put_catalog_flag(out, v, ", isCatalogRel ", v->main, 6);
}

void describe_hash(text *out, view *v)
{
    switch (v->info) {
    case INIT_META_PAGE:
        describe_init(out, v);
        break;
    case INIT_BITMAP_PAGE:
        put_field(out, "bmsize ", u16(v, v->main, 0));
        break;
    case INSERT:
        put_field(out, "off ", u16(v, v->main, 0));
        break;
    case ADD_OVFL_PAGE:
        put_field(out, "bmsize ", u16(v, v->main, 0));
        put_flag(out, ", bmpage_found ", u8(v, v->main, 2));
        break;
    case SPLIT_ALLOCATE_PAGE:
        describe_allocation(out, v);
        break;
    case SPLIT_COMPLETE:
        put_field(out, "old_bucket_flag ", u16(v, v->main, 0));
        put_field(out, ", new_bucket_flag ", u16(v, v->main, 2));
        break;
    case MOVE_PAGE_CONTENTS:
        put_field(out, "ntups ", u16(v, v->main, 0));
        put_flag(out, ", is_primary ", u8(v, v->main, 2));
        break;
    case SQUEEZE_PAGE:
        describe_squeeze(out, v);
        break;
    case DELETE:
        put_flag(out, "clear_dead_marking ", u8(v, v->main, 0));
        put_flag(out, ", is_primary ", u8(v, v->main, 1));
        break;
    case UPDATE_META_PAGE:
        put(out, "ntuples ");
        put_float(out, "%g", u64(v, v->main, 0));
        break;
    case VACUUM_ONE_PAGE:
        describe_vacuum(out, v);
        break;
    }
}
