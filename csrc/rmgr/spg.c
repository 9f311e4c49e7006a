/* SP-GiST: what spg_desc writes (spgdesc.c), of the records in access/spgxlog.h, which did not change since 13; the
 * words did, in 14. */
#include "access.h"

enum {
    ADD_LEAF = 0x10,
    MOVE_LEAFS = 0x20,
    ADD_NODE = 0x30,
    SPLIT_TUPLE = 0x40,
    PICKSPLIT = 0x50,
    VACUUM_LEAF = 0x60,
    VACUUM_ROOT = 0x70,
    VACUUM_REDIRECT = 0x80
};

/* ", parentoff: 2, nodeI: 1": where the link to what was written stands. */
static void put_parent(text *out, view *v, size_t offset)
{
    put_field(out, ", parentoff: ", u16(v, v->main, offset));
    put_field(out, ", nodeI: ", u16(v, v->main, offset + 2));
}

static void describe_leaf(text *out, view *v)
{
    int old = v->major == 13;

    put_field(out, old ? "add leaf to page; off " : "off: ", u16(v, v->main, 2));
    put_field(out, old ? "; headoff " : ", headoff: ", u16(v, v->main, 4));
    if (old)
        put_field(out, "; parentoff ", u16(v, v->main, 6));
    else
        put_parent(out, v, 6);
    put_if(out, u8(v, v->main, 0), " (newpage)");
    put_if(out, u8(v, v->main, 1), " (nulls)");
}

static void describe_move(text *out, view *v)
{
    if (v->major == 13) {
        put_u(out, u16(v, v->main, 0));
        put(out, " leafs");
        return;
    }
    put_field(out, "nmoves: ", u16(v, v->main, 0));
    put_parent(out, v, 6);
    put_if(out, u8(v, v->main, 2), " (newpage)");
    put_if(out, u8(v, v->main, 3), " (replacedead)");
    put_if(out, u8(v, v->main, 4), " (nulls)");
}

static void describe_node(text *out, view *v)
{
    if (v->major == 13) {
        put_field(out, "off ", u16(v, v->main, 0));
        return;
    }
    put_field(out, "off: ", u16(v, v->main, 0));
    put_field(out, ", newoff: ", u16(v, v->main, 2));
    put(out, ", parentBlk: ");
    put_d(out, (int8_t) u8(v, v->main, 5));
    put_parent(out, v, 6);
    put_if(out, u8(v, v->main, 4), " (newpage)");
}

static void describe_split(text *out, view *v)
{
    uint8_t new_page = u8(v, v->main, 4);
    uint8_t same = u8(v, v->main, 5);

    if (v->major == 13) {
        put_field(out, "prefix off: ", u16(v, v->main, 0));
        put_field(out, ", postfix off: ", u16(v, v->main, 2));
        put_field(out, " (same ", same);
        put_field(out, ", new ", new_page);
        put_char(out, ')');
        return;
    }
    put_field(out, "prefixoff: ", u16(v, v->main, 0));
    put_field(out, ", postfixoff: ", u16(v, v->main, 2));
    put_if(out, new_page, " (newpage)");
    put_if(out, same, " (same)");
}

static void describe_picksplit(text *out, view *v)
{
    int old = v->major == 13;

    put_field(out, old ? "ndel " : "ndelete: ", u16(v, v->main, 2));
    put_field(out, old ? "; nins " : ", ninsert: ", u16(v, v->main, 4));
    if (!old) {
        put_field(out, ", inneroff: ", u16(v, v->main, 8));
        put_parent(out, v, 14);
    }
    put_if(out, u8(v, v->main, 12), " (innerIsParent)");
    put_if(out, !old && u8(v, v->main, 11), " (nulls)");
    put_if(out, u8(v, v->main, 0), " (isRootSplit)");
}

/* 13 tells of the redirects' newest xid only. */
static void describe_redirect(text *out, view *v)
{
    uint32_t xid = u32(v, v->main, 4);

    if (v->major == 13) {
        put_field(out, "newest XID ", xid);
        return;
    }
    put_field(out, "ntoplaceholder: ", u16(v, v->main, 0));
    put_field(out, ", firstplaceholder: ", u16(v, v->main, 2));
    put_field(out, v->major < 16 ? ", newestredirectxid: " : ", snapshotConflictHorizon: ", xid);
    put_catalog_flag(out, v, ", isCatalogRel: ", v->main, 8);
}

void describe_spg(text *out, view *v)
{
    switch (v->info) {
    case ADD_LEAF:
        describe_leaf(out, v);
        break;
    case MOVE_LEAFS:
        describe_move(out, v);
        break;
    case ADD_NODE:
        describe_node(out, v);
        break;
    case SPLIT_TUPLE:
        describe_split(out, v);
        break;
    case PICKSPLIT:
        describe_picksplit(out, v);
        break;
    case VACUUM_LEAF:
        if (v->major == 13)
            break;
        put_field(out, "ndead: ", u16(v, v->main, 0));
        put_field(out, ", nplaceholder: ", u16(v, v->main, 2));
        put_field(out, ", nmove: ", u16(v, v->main, 4));
        put_field(out, ", nchain: ", u16(v, v->main, 6));
        break;
    case VACUUM_ROOT:
        if (v->major > 13)
            put_field(out, "ndelete: ", u16(v, v->main, 0));
        break;
    case VACUUM_REDIRECT:
        describe_redirect(out, v);
        break;
    }
}
