/* What single records change: the bytes of each relation, and the rows (src/include/access/heapam_xlog.h). */
#include "change_rows.h"

enum { INSERT = 0x00, DELETE = 0x10, UPDATE = 0x20, TRUNCATE = 0x30, HOT_UPDATE = 0x40, MULTI_INSERT = 0x50,
       KIND = 0x70 };

enum { DELETE_IS_SUPER = 1 << 3 };    /* XLH_DELETE_IS_SUPER: takes a speculative insertion back */

void add_change(change *to, const change *from)
{
    to->truncated |= from->truncated;
    to->dropped |= from->dropped;
    to->inserted += from->inserted;
    to->updated += from->updated;
    to->deleted += from->deleted;
    to->record_bytes += from->record_bytes;
    to->image_bytes += from->image_bytes;
}

static change like_block(const walscan_block *b)
{
    return (change) {.tablespace = b->tablespace, .database = b->database, .relation = b->relation};
}

void add_blocks(walscan_changes *c, transaction *t, const walscan_record *r, const walscan_block *blocks)
{
    uint64_t unowned = r->total_length - r->image_length;
    change like;

    for (size_t i = 0; i < r->block_count; i++) {
        change *e;
        like = like_block(&blocks[i]);
        e = take_change(c, t, &like);
        e->record_bytes += blocks[i].data_length;
        e->image_bytes += blocks[i].image_length;
        unowned -= blocks[i].data_length;
    }
    if (r->block_count == 0)
        return;
    like = like_block(&blocks[0]);
    take_change(c, t, &like)->record_bytes += unowned;
}

/* The relids of a TRUNCATE are oids; there is room for them. */
static void add_truncated(walscan_changes *c, transaction *t, view *v)
{
    payload relids = after(v, v->main, 12);
    size_t n = whole_items(v, relids, u32(v, v->main, 4), 4);
    change like = {.database = u32(v, v->main, 0)};

    for (size_t i = 0; i < n; i++) {
        like.relation = load32(relids.at + i * 4);
        take_change(c, t, &like)->truncated = 1;
    }
}

void add_heap(walscan_changes *c, transaction *t, view *v)
{
    change like, *e;

    if ((v->info & KIND) == TRUNCATE) {
        add_truncated(c, t, v);
        return;
    }
    if (v->record->block_count == 0)
        return;
    like = like_block(&v->blocks[0]);
    e = take_change(c, t, &like);
    switch (v->info & KIND) {
    case INSERT:
        e->inserted++;
        break;
    case UPDATE:
    case HOT_UPDATE:
        e->updated++;
        break;
    case DELETE:
        if ((u8(v, v->main, 7) & DELETE_IS_SUPER) == 0)
            e->deleted++;
        else if (e->inserted > 0)
            e->inserted--;
        break;
    }
}

void add_heap2(walscan_changes *c, transaction *t, view *v)
{
    change like;

    if ((v->info & KIND) != MULTI_INSERT || v->record->block_count == 0)
        return;
    like = like_block(&v->blocks[0]);
    take_change(c, t, &like)->inserted += u16(v, v->main, 2);
}
