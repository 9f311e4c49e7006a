/* GIN: what gin_desc writes (gindesc.c), of the records in access/ginxlog.h. */
#include "access.h"

enum {
    INSERT = 0x20,
    SPLIT = 0x30,
    UPDATE_META_PAGE = 0x60,
    INSERT_LISTPAGE = 0x70,
    DELETE_LISTPAGE = 0x80,
    VACUUM_DATA_LEAF_PAGE = 0x90
};

enum { IS_DATA = 0x01, IS_LEAF = 0x02, SPLITS_ROOT = 0x04 };

/* What is done to one segment of a posting tree's leaf. */
enum { SEGMENT_DELETE = 1, SEGMENT_INSERT = 2, SEGMENT_REPLACE = 3, SEGMENT_ADD_ITEMS = 4 };

enum { POSTING_LIST_HEADER = 8, ITEM = 6 };

/* A BlockIdData: two halves, the high one first. */
static uint32_t block_number(view *v, payload p, size_t offset)
{
    return (uint32_t) u16(v, p, offset) << 16 | u16(v, p, offset + 2);
}

/* One action at offset bytes into the data. Returns the offset behind it, or 0 if it is none of those above. */
static size_t put_action(text *out, view *v, payload p, size_t offset)
{
    uint8_t action = u8(v, p, offset + 1);
    size_t body = offset + 2;

    put_field(out, " ", u8(v, p, offset));
    switch (action) {
    case SEGMENT_DELETE:
        put(out, " (delete)");
        return body;
    case SEGMENT_INSERT:
    case SEGMENT_REPLACE:
        put(out, action == SEGMENT_INSERT ? " (insert)" : " (replace)");
        return body + POSTING_LIST_HEADER + ((u16(v, p, body + 6) + (size_t) 1) & ~(size_t) 1);
    case SEGMENT_ADD_ITEMS:
        put_field(out, " (add ", u16(v, p, body));
        put(out, " items)");
        return body + 2 + u16(v, p, body) * (size_t) ITEM;
    default:
        put_field(out, " unknown action ", action);
        put(out, " ???");
        return 0;
    }
}

static void put_segments(text *out, view *v, payload p)
{
    uint16_t actions = u16(v, p, 0);
    size_t at = 2;

    put_field(out, " ", actions);
    put(out, " segments:");
    for (size_t i = 0; i < actions && at != 0 && !v->cut; i++)
        at = put_action(out, v, p, at);
}

/* Before 19 an image is said to be one, and is read no further; since then it is passed over in silence. Returns
 * whether there is one. */
static int put_image(text *out, const view *v)
{
    const walscan_block *block = block_of(v, 0);

    if (block == NULL || !(block->flags & WALSCAN_BLOCK_HAS_IMAGE))
        return 0;
    if (v->major < 19)
        put(out, block->image_info & WALSCAN_IMAGE_APPLY ? " (full page image)"
                                                         : " (full page image, for WAL verification)");
    return 1;
}

static void put_kind(text *out, uint16_t flags)
{
    put_flag(out, "isdata: ", flags & IS_DATA);
    put_flag(out, " isleaf: ", flags & IS_LEAF);
}

/* The two halves of a child that was split, the second of which gets its link here. */
static void put_children(text *out, uint32_t left, uint32_t right)
{
    put_field(out, " children: ", left);
    put_field(out, "/", right);
}

static void describe_insert(text *out, view *v)
{
    uint16_t flags = u16(v, v->main, 0);
    payload p = block_data(v, 0);

    put_kind(out, flags);
    if (!(flags & IS_LEAF))
        put_children(out, block_number(v, v->main, 2), block_number(v, v->main, 6));
    if (put_image(out, v))
        return;
    if (!(flags & IS_DATA)) {
        put_flag(out, " isdelete: ", u8(v, p, 2));
    } else if (flags & IS_LEAF) {
        put_segments(out, v, p);
    } else {
        put_field(out, " pitem: ", block_number(v, p, 2));
        put_field(out, "-", block_number(v, p, 6));
        put_field(out, "/", u16(v, p, 10));
    }
}

/* " word n", unless there is no such block. */
static void put_link(text *out, const char *word, uint32_t block)
{
    if (block != UINT32_MAX)
        put_field(out, word, block);
}

/* Both pending list records: undescribed before 19. */
static void describe_pending(text *out, view *v)
{
    int is_meta = v->info == UPDATE_META_PAGE;

    if (v->major < 19)
        return;
    put(out, "ntuples: ");
    put_d(out, i32(v, v->main, is_meta ? 80 : 4));
    if (is_meta) {
        put_link(out, " prevTail: ", u32(v, v->main, 72));
        put_link(out, " newRightlink: ", u32(v, v->main, 76));
    } else {
        put_link(out, " rightlink: ", u32(v, v->main, 0));
    }
}

/* 19 added whose split this one finishes, if it finishes one. */
static void describe_split(text *out, view *v)
{
    uint16_t flags = u16(v, v->main, 24);
    uint32_t left = u32(v, v->main, 16);

    put_flag(out, "isrootsplit: ", flags & SPLITS_ROOT);
    put_char(out, ' ');
    put_kind(out, flags);
    if (v->major >= 19 && left != UINT32_MAX)
        put_children(out, left, u32(v, v->main, 20));
}

void describe_gin(text *out, view *v)
{
    switch (v->info) {
    case INSERT:
        describe_insert(out, v);
        break;
    case SPLIT:
        describe_split(out, v);
        break;
    case UPDATE_META_PAGE:
    case INSERT_LISTPAGE:
        describe_pending(out, v);
        break;
    case DELETE_LISTPAGE:
        put(out, "ndeleted: ");
        put_d(out, i32(v, v->main, 56));
        break;
    case VACUUM_DATA_LEAF_PAGE:
        if (!put_image(out, v))
            put_segments(out, v, block_data(v, 0));
        break;
    }
}
