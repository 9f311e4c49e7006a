/*
 * What transactions did: the rows they changed, by relation, and how they ended.
 *
 * A transaction that commits gives its rows to the sum of all commits. Once as many ended ones are kept as were asked
 * for, each further one leaves its places in the tables to the next: memory is needed for what is kept and for what is
 * open, not for all that ever ran.
 *
 * A subtransaction has an xid of its own. Which of them belong to a transaction and were not rolled back is what the
 * record of its end lists, so that is when they are folded into it. One that was rolled back has a record of its own,
 * which does not say whose it was; a record that named its toplevel transaction may have come before, or comes later.
 */
#include "change_rows.h"
#include "rmgr/xact.h"

enum { XACT = 1, HEAP2 = 9, HEAP = 10 };
enum { ASSIGNED_MAX = 64 };    /* PGPROC_MAX_CACHED_SUBXIDS */

/* ---- transactions ---- */

static void begin_at(transaction *t, uint64_t lsn)
{
    if (lsn != 0 && (t->begin == 0 || lsn < t->begin))
        t->begin = lsn;
}

/* What another did becomes part of what t did; its rows only if they were not rolled back. */
static void fold(walscan_changes *c, transaction *t, transaction *other, int with_rows)
{
    t->bytes += other->bytes;
    begin_at(t, other->begin);
    while (with_rows && other->changes != 0) {
        change *e = &c->changes[other->changes], *there = find_change(c, t->xid, e);
        other->changes = e->sibling;
        if (there != NULL) {
            add_change(there, e);
            drop_change(c, e);
        } else {
            give_change(c, t, e);
        }
    }
    drop_changes(c, other);
}

/* One of a record's list of xids, if it is a transaction of its own that goes on. */
static transaction *listed(walscan_changes *c, view *v, items xids, uint32_t i, const transaction *t)
{
    transaction *other = find_transaction(c, u32(v, v->main, xids.at + (size_t) i * SUBXACT));

    return other == NULL || other == t || other->outcome != WALSCAN_OPEN ? NULL : other;
}

static void fold_listed(walscan_changes *c, transaction *t, view *v, items xids, int with_rows)
{
    for (uint32_t i = 0; i < xids.n; i++) {
        transaction *other = listed(c, v, xids, i, t);
        if (other == NULL)
            continue;
        fold(c, t, other, with_rows);
        drop_transaction(c, other);
    }
}

/* How many relations a list of subtransactions and their parent have, each counted for itself. */
static uint64_t relations_of(walscan_changes *c, const transaction *t, view *v, items xids)
{
    uint64_t n = t != NULL ? t->change_count : 0;

    for (uint32_t i = 0; i < xids.n; i++) {
        const transaction *other = listed(c, v, xids, i, t);
        n += other != NULL ? other->change_count : 0;
    }
    return n;
}

static void name(transaction *t, payload gid)
{
    if (gid.length == 0 || t->gid_length != 0)
        return;
    t->gid_length = (uint8_t) string_length(gid, WALSCAN_GID_MAX);
    memcpy(t->gid, gid.at, t->gid_length);
}

/* Keep an ended transaction in the order of ends, or let go of it. */
static void keep(walscan_changes *c, transaction *t)
{
    uint32_t at = (uint32_t) (t - c->transactions);

    if (c->kept >= c->limit) {
        drop_transaction(c, t);
        return;
    }
    if (c->last_ended != 0)
        c->transactions[c->last_ended].following = at;
    else
        c->first_ended = at;
    c->last_ended = at;
    c->kept++;
}

static void add_dropped(walscan_changes *c, transaction *t, view *v, items relations)
{
    for (uint32_t i = 0; i < relations.n; i++) {
        size_t at = relations.at + (size_t) i * RELATION;
        change like = {.tablespace = u32(v, v->main, at), .database = u32(v, v->main, at + 4),
                       .relation = u32(v, v->main, at + 8)};
        take_change(c, t, &like)->dropped = 1;
    }
}

static void add_commit(walscan_changes *c, transaction *t, int64_t time)
{
    for (uint32_t at = t->changes; at != 0; at = c->changes[at].sibling)
        add_change(take_change(c, NULL, &c->changes[at]), &c->changes[at]);
    c->oldest = c->commits == 0 || time < c->oldest ? time : c->oldest;
    c->newest = c->commits == 0 || time > c->newest ? time : c->newest;
    c->commits++;
}

static int is_end(const walscan_record *r)
{
    return r->rmgr == XACT && (r->info & XACT_KIND) <= XACT_ABORT_PREPARED;
}

/* A subtransaction that its parent rolled back, where its parent is known. */
static int is_rolled_back(walscan_changes *c, transaction *t, view *v, const ending *e)
{
    transaction *top = t->top != 0 ? find_transaction(c, t->top) : NULL;

    if (top == NULL || top == t || top->outcome != WALSCAN_OPEN)
        return 0;
    t->outcome = WALSCAN_ABORTED;    /* so that a list that holds itself does no harm */
    fold_listed(c, top, v, e->subxacts, 0);
    fold(c, top, t, 0);
    drop_transaction(c, t);
    return 1;
}

static void end_transaction(walscan_changes *c, transaction *t, view *v, const ending *e, int committed)
{
    const walscan_record *r = v->record;

    if (!committed && is_rolled_back(c, t, v, e))
        return;
    fold_listed(c, t, v, e->subxacts, 1);
    name(t, e->gid);
    t->ended = r->lsn;
    t->ended_end = align8(r->end);
    t->time = (int64_t) u64(v, v->main, 0);
    t->outcome = committed ? WALSCAN_COMMITTED : WALSCAN_ABORTED;
    if (committed) {
        add_dropped(c, t, v, e->relations);
        add_commit(c, t, t->time);
    } else {
        c->aborts++;
    }
    keep(c, t);
}

/* Count a record to its transaction. There has to be room for that, and for the toplevel one. */
static transaction *take_record(walscan_changes *c, const walscan_record *r, uint32_t xid)
{
    transaction *t = take_transaction(c, xid);

    begin_at(t, r->lsn);
    t->bytes += r->total_length;
    c->record_bytes += r->total_length;
    if (r->toplevel_xid != 0 && r->toplevel_xid != xid && t->outcome == WALSCAN_OPEN) {
        begin_at(take_transaction(c, r->toplevel_xid), r->lsn);
        t->top = r->toplevel_xid;
    }
    return t;
}

/* A commit or an abort, also of a prepared transaction, which the record of another names. 0 if there is no room. */
static int add_end(walscan_changes *c, view *v)
{
    const walscan_record *r = v->record;
    uint8_t kind = r->info & XACT_KIND;
    int prepared = kind == XACT_COMMIT_PREPARED || kind == XACT_ABORT_PREPARED;
    ending e = read_ending(v);
    uint32_t xid = prepared ? e.prepared_xid : r->xid;
    uint64_t dropped = 2 * (uint64_t) e.relations.n;
    transaction *t;

    if (!has_room(c, 2, xid == 0 ? 0 : relations_of(c, find_transaction(c, xid), v, e.subxacts) + dropped))
        return 0;
    if (xid == 0) {
        c->other_bytes += r->total_length;
        return 1;
    }
    t = take_record(c, r, xid);
    if (t->outcome == WALSCAN_OPEN || t->outcome == WALSCAN_PREPARED)
        end_transaction(c, t, v, &e, kind == XACT_COMMIT || kind == XACT_COMMIT_PREPARED);
    return 1;
}

static int add_prepare(walscan_changes *c, view *v)
{
    preparation p = read_preparation(v);
    transaction *t;

    p.subxacts.n = (uint32_t) whole_items(v, after(v, v->main, p.subxacts.at), p.subxacts.n, SUBXACT);
    if (!has_room(c, 2, 0))
        return 0;
    t = take_record(c, v->record, v->record->xid);
    if (t->outcome != WALSCAN_OPEN)
        return 1;
    fold_listed(c, t, v, p.subxacts, 1);
    name(t, p.gid);
    t->outcome = WALSCAN_PREPARED;
    return 1;
}

/* Subtransactions of a toplevel transaction, which may have been rolled back before they are named. */
static void assign(walscan_changes *c, view *v)
{
    uint32_t top_xid = u32(v, v->main, 0);
    payload xids = after(v, v->main, 8);
    size_t n = whole_items(v, xids, item_count(v, v->main, 4), SUBXACT);
    transaction *top = top_xid != 0 && n <= ASSIGNED_MAX ? take_transaction(c, top_xid) : NULL;

    if (top == NULL || top->outcome != WALSCAN_OPEN)
        return;
    begin_at(top, v->record->lsn);
    for (size_t i = 0; i < n; i++) {
        uint32_t xid = load32(xids.at + i * SUBXACT);
        transaction *t = xid != 0 && xid != top_xid ? take_transaction(c, xid) : NULL;
        if (t == NULL)
            continue;
        t->top = top_xid;
        if (t->outcome == WALSCAN_ABORTED) {
            fold(c, top, t, 0);
            t->outcome = WALSCAN_FOLDED;
            t->bytes = 0;
            c->aborts--;
        }
    }
}

/* ---- records ---- */

static int tells_more(const walscan_record *r)
{
    return r->rmgr == XACT || r->rmgr == HEAP || r->rmgr == HEAP2;
}

/* What a record of transaction xid says besides whom it belongs to. 0 if there is no room. */
static int add_told(walscan_changes *c, view *v)
{
    const walscan_record *r = v->record;
    uint8_t kind = r->info & XACT_KIND;
    transaction *t;

    if (r->rmgr == XACT && kind == XACT_PREPARE && r->xid != 0)
        return add_prepare(c, v);
    if (is_end(r) && kind != XACT_PREPARE)
        return add_end(c, v);
    if (!has_room(c, 3 + ASSIGNED_MAX, WALSCAN_BLOCKS_MAX + (uint64_t) r->main_length / 4))
        return 0;
    if (r->xid == 0) {
        c->other_bytes += r->total_length;
        return 1;
    }
    t = take_record(c, r, r->xid);
    if (r->rmgr == XACT) {
        if (kind == XACT_ASSIGNMENT)
            assign(c, v);
        return 1;
    }
    if (t->outcome != WALSCAN_OPEN)
        return 1;
    add_blocks(c, t, r, v->blocks);
    if (r->rmgr == HEAP)
        add_heap(c, t, v);
    else
        add_heap2(c, t, v);
    return 1;
}

static int add_untold(walscan_changes *c, const walscan_record *r, const walscan_block *blocks)
{
    transaction *t;

    if (!has_room(c, 2, WALSCAN_BLOCKS_MAX))
        return 0;
    if (r->xid == 0) {
        c->other_bytes += r->total_length;
        return 1;
    }
    t = take_record(c, r, r->xid);
    if (t->outcome == WALSCAN_OPEN)
        add_blocks(c, t, r, blocks);
    return 1;
}

static int add(walscan_changes *c, const walscan_record *r, const walscan_block *blocks, const walscan_pages *pages)
{
    const uint8_t *bytes;
    view v;

    if (r->lsn < c->start && !(is_end(r) && r->end > c->start))
        return 1;
    if (c->end != 0 && r->end > c->end)
        return 1;
    if (!tells_more(r))
        return add_untold(c, r, blocks);
    bytes = walscan_record_bytes(pages, r, c->scratch, c->scratch_room);
    if (bytes != NULL) {
        look_at(&v, c->major, bytes, r, blocks);
        return add_told(c, &v);
    }
    if (r->total_length > c->scratch_room) {
        c->wants = WALSCAN_WANTS_SCRATCH;
        c->wants_room = r->total_length;
        return 0;
    }
    c->unread++;
    return add_untold(c, r, blocks);
}

size_t walscan_add_changes(walscan_changes *c, const walscan_record *records, size_t count,
                           const walscan_block *blocks, const walscan_pages *pages)
{
    for (size_t i = 0; i < count; i++)
        if (!add(c, &records[i], blocks + records[i].first_block, pages))
            return i;
    return count;
}

size_t walscan_unfinished(walscan_changes *c, uint32_t *found, size_t room)
{
    size_t n = 0;

    for (uint32_t i = 1; i <= c->transaction_top; i++) {
        transaction *t = &c->transactions[i];
        transaction *top = t->xid != 0 && t->top != 0 ? find_transaction(c, t->top) : NULL;
        if (top == NULL || top == t || top->top != 0 || t->outcome != WALSCAN_OPEN || top->outcome != WALSCAN_OPEN)
            continue;
        fold(c, top, t, 1);
        drop_transaction(c, t);
    }
    for (uint32_t i = 1; i <= c->transaction_top; i++) {
        const transaction *t = &c->transactions[i];
        if (t->xid == 0 || t->begin == 0 || (t->outcome != WALSCAN_OPEN && t->outcome != WALSCAN_PREPARED))
            continue;
        if (n < room)
            found[n] = i;
        n++;
    }
    return n;
}

uint32_t walscan_committed(const walscan_changes *c, uint32_t from)
{
    for (uint32_t i = from; i != 0 && i <= c->change_top; i++)
        if (c->changes[i].used && c->changes[i].xid == 0)
            return i;
    return 0;
}
