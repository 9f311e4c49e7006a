/* B-tree: what btree_desc writes (nbtdesc.c), of the records in access/nbtxlog.h. 16 gave every word its colon and
 * wrote out which items a deletion takes away. */
#include "access.h"
#include "shared.h"

enum {
    INSERT_LEAF = 0x00,
    INSERT_UPPER = 0x10,
    INSERT_META = 0x20,
    SPLIT_L = 0x30,
    SPLIT_R = 0x40,
    INSERT_POST = 0x50,
    DEDUP = 0x60,
    DELETE = 0x70,
    UNLINK_PAGE = 0x80,
    UNLINK_PAGE_META = 0x90,
    NEWROOT = 0xA0,
    MARK_PAGE_HALFDEAD = 0xB0,
    VACUUM = 0xC0,
    REUSE_PAGE = 0xD0,
    META_CLEANUP = 0xE0
};

/* "off 3", since 16 "off: 3". */
static inline void put_named(text *out, const view *v, const char *word, uint64_t n)
{
    put(out, word);
    put_field(out, v->major < 16 ? " " : ": ", n);
}

/* The same behind another: "; off 3", since 16 ", off: 3". */
static inline void put_next(text *out, const view *v, const char *word, uint64_t n)
{
    put(out, v->major < 16 ? "; " : ", ");
    put_named(out, v, word, n);
}

static void describe_split(text *out, view *v)
{
    put_named(out, v, "level", u32(v, v->main, 0));
    put_named(out, v, ", firstrightoff", u16(v, v->main, 4));
    put_named(out, v, ", newitemoff", u16(v, v->main, 6));
    put_named(out, v, ", postingoff", u16(v, v->main, 8));
}

/* The posting lists that lose some of their TIDs: n page offsets, then for each a count and that many places. */
static void put_updates(text *out, view *v, payload p, uint16_t n)
{
    size_t at = whole_items(v, p, n, 2) * 2;

    put(out, ", updated: [");
    for (size_t i = 0; i < n && !v->cut; i++) {
        uint16_t places = u16(v, p, at);

        put_field(out, i ? ", { off: " : "{ off: ", load16(p.at + i * 2));
        put_field(out, ", nptids: ", places);
        put(out, ", ptids:");
        at = put_u16_list(out, v, p, at + 2, places);
        put(out, " }");
    }
    put_char(out, ']');
}

/* Nothing where an image made the block's data superfluous. */
static void put_items(text *out, view *v, uint16_t deleted, uint16_t updated)
{
    payload p = block_data(v, 0);
    size_t behind;

    if (v->major < 16 || p.length == 0)
        return;
    put(out, ", deleted:");
    behind = put_u16_list(out, v, p, 0, deleted);
    put_updates(out, v, after(v, p, behind), updated);
}

static void describe_vacuum(text *out, view *v)
{
    uint16_t deleted = u16(v, v->main, 0);
    uint16_t updated = u16(v, v->main, 2);

    put_named(out, v, "ndeleted", deleted);
    put_next(out, v, "nupdated", updated);
    put_items(out, v, deleted, updated);
}

/* 13 deletes whole items only, and counts them in 32 bits. */
static void describe_delete(text *out, view *v)
{
    uint16_t deleted = u16(v, v->main, 4);
    uint16_t updated = u16(v, v->main, 6);

    put_named(out, v, horizon_name(v), u32(v, v->main, 0));
    if (v->major == 13) {
        put_next(out, v, "ndeleted", u32(v, v->main, 4));
        return;
    }
    put_next(out, v, "ndeleted", deleted);
    put_next(out, v, "nupdated", updated);
    put_catalog_flag(out, v, ", isCatalogRel: ", v->main, 8);
    put_items(out, v, deleted, updated);
}

static void describe_halfdead(text *out, view *v)
{
    put_named(out, v, "topparent", u32(v, v->main, 16));
    put_next(out, v, "leaf", u32(v, v->main, 4));
    put_next(out, v, "left", u32(v, v->main, 8));
    put_next(out, v, "right", u32(v, v->main, 12));
}

/* 13 has a 32-bit xid, behind the leaf's own links; since 14 it is a full one, in front of them. */
static void describe_unlink(text *out, view *v)
{
    size_t leaf = v->major == 13 ? 8 : 24;

    put_named(out, v, "left", u32(v, v->main, 0));
    put_next(out, v, "right", u32(v, v->main, 4));
    if (v->major == 13) {
        put_next(out, v, "btpo_xact", u32(v, v->main, 20));
    } else {
        put_next(out, v, "level", u32(v, v->main, 8));
        put(out, v->major < 16 ? "; safexid " : ", safexid: ");
        put_full_xid(out, u64(v, v->main, 16));
    }
    put_next(out, v, "leafleft", u32(v, v->main, leaf));
    put_next(out, v, "leafright", u32(v, v->main, leaf + 4));
    put_next(out, v, v->major == 13 ? "topparent" : "leaftopparent", u32(v, v->main, leaf + 8));
}

static void describe_reuse(text *out, view *v)
{
    put(out, v->major < 16 ? "rel " : "rel: ");
    put_locator(out, v, 0);
    if (v->major == 13) {
        put_next(out, v, horizon_name(v), u32(v, v->main, 16));
        return;
    }
    put(out, v->major < 16 ? "; " : ", ");
    put(out, horizon_name(v));
    put(out, v->major < 16 ? " " : ": ");
    put_full_xid(out, u64(v, v->main, 16));
    put_catalog_flag(out, v, ", isCatalogRel: ", v->main, 24);
}

static void describe_cleanup(text *out, view *v)
{
    payload meta = block_data(v, 0);

    if (v->major == 13) {
        put_field(out, "oldest_btpo_xact ", u32(v, meta, 20));
        put(out, "; last_cleanup_num_heap_tuples: ");
        put_float(out, "%f", u64(v, meta, 24));
        return;
    }
    put_named(out, v, "last_cleanup_num_delpages", u32(v, meta, 20));
}

void describe_nbt(text *out, view *v)
{
    switch (v->info) {
    case INSERT_LEAF:
    case INSERT_UPPER:
    case INSERT_META:
    case INSERT_POST:
        put_named(out, v, "off", u16(v, v->main, 0));
        break;
    case SPLIT_L:
    case SPLIT_R:
        describe_split(out, v);
        break;
    case DEDUP:
        put_named(out, v, "nintervals", u16(v, v->main, 0));
        break;
    case DELETE:
        describe_delete(out, v);
        break;
    case UNLINK_PAGE:
    case UNLINK_PAGE_META:
        describe_unlink(out, v);
        break;
    case NEWROOT:
        put_named(out, v, v->major < 16 ? "lev" : "level", u32(v, v->main, 4));
        break;
    case MARK_PAGE_HALFDEAD:
        describe_halfdead(out, v);
        break;
    case VACUUM:
        describe_vacuum(out, v);
        break;
    case REUSE_PAGE:
        describe_reuse(out, v);
        break;
    case META_CLEANUP:
        describe_cleanup(out, v);
        break;
    }
}
