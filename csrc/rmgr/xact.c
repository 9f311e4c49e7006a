/* Transaction: commits, aborts and what two-phase commit adds to them (src/include/access/xact.h). */
#include "relpath.h"
#include "words.h"
#include "xact.h"

enum { HAS_INFO = 0x80 };

/* xinfo: which parts follow, and what else a commit asks for. */
enum {
    HAS_DATABASE = 1 << 0,
    HAS_SUBXACTS = 1 << 1,
    HAS_RELATIONS = 1 << 2,
    HAS_MESSAGES = 1 << 3,
    HAS_TWOPHASE = 1 << 4,
    HAS_ORIGIN = 1 << 5,
    HAS_GID = 1 << 7,
    HAS_STATS = 1 << 8,     /* from 15 on */
    APPLY_FEEDBACK = 1 << 29,
    INIT_FILE = 1 << 30
};

static const uint32_t FORCE_SYNC = 1U << 31;

enum { GID_MAX = 199, MESSAGE = 16 };

/* Dropped statistics are named by an Oid until 17, by 64 bits since. */
static size_t stats_size(const view *v)
{
    return v->major >= 18 ? 16 : 12;
}

/* An int that counts, and that many items behind it: moves at past them. */
static items take_items(view *v, size_t *at, size_t size)
{
    items found = {*at + 4, item_count(v, v->main, *at)};

    found.n = (uint32_t) whole_items(v, after(v, v->main, found.at), found.n, size);
    *at = found.at + found.n * size;
    return found;
}

size_t string_length(payload p, size_t room)
{
    size_t n = 0;

    while (n < p.length && n < room && p.at[n] != '\0')
        n++;
    return n;
}

/* The xid of a prepared transaction and, if it is there, its name, which is not written again. */
static void take_twophase(view *v, size_t *at, ending *e)
{
    e->prepared_xid = u32(v, v->main, *at);
    *at += 4;
    if (e->xinfo & HAS_GID) {
        e->gid = after(v, v->main, *at);
        e->gid.length = string_length(e->gid, e->gid.length);
        *at += e->gid.length + 1;
    }
}

/* An abort has no messages, and none are looked for. */
static int is_commit(const view *v)
{
    return (v->info & XACT_KIND) == XACT_COMMIT || (v->info & XACT_KIND) == XACT_COMMIT_PREPARED;
}

ending read_ending(view *v)
{
    ending e = {0};
    size_t at = 8;

    if ((v->info & HAS_INFO) == 0)
        return e;
    e.xinfo = u32(v, v->main, at);
    at += 4;
    if (e.xinfo & HAS_DATABASE) {
        e.messages.database = u32(v, v->main, at);
        e.messages.tablespace = u32(v, v->main, at + 4);
        at += 8;
    }
    if (e.xinfo & HAS_SUBXACTS)
        e.subxacts = take_items(v, &at, SUBXACT);
    if (e.xinfo & HAS_RELATIONS)
        e.relations = take_items(v, &at, RELATION);
    if (e.xinfo & HAS_STATS && v->major >= 15)
        e.stats = take_items(v, &at, stats_size(v));
    if (e.xinfo & HAS_MESSAGES && is_commit(v)) {
        items messages = take_items(v, &at, MESSAGE);

        e.messages.at = messages.at;
        e.messages.n = messages.n;
        e.messages.init_file = (e.xinfo & INIT_FILE) != 0;
    }
    if (e.xinfo & HAS_TWOPHASE)
        take_twophase(v, &at, &e);
    e.origin = at;
    return e;
}

static void put_relations(text *out, view *v, const char *label, items relations)
{
    payload p;
    size_t n;

    if (relations.n == 0)
        return;
    p = after(v, v->main, relations.at);
    n = whole_items(v, p, relations.n, RELATION);
    put(out, label);
    for (size_t i = 0; i < n; i++) {
        const uint8_t *r = p.at + i * RELATION;

        put_char(out, ' ');
        put_relpath(out, v->major, load32(r), load32(r + 4), load32(r + 8), 0);
    }
}

static void put_subxacts(text *out, view *v, items subxacts)
{
    if (subxacts.n == 0)
        return;
    put(out, "; subxacts:");
    put_u32_words(out, v, v->main, subxacts.at, subxacts.n);
}

static void put_stats(text *out, view *v, const char *label, items stats)
{
    size_t size = stats_size(v);
    payload p;
    size_t n;

    if (stats.n == 0)
        return;
    p = after(v, v->main, stats.at);
    n = whole_items(v, p, stats.n, size);
    put(out, label);
    for (size_t i = 0; i < n; i++) {
        const uint8_t *s = p.at + i * size;

        put_char(out, ' ');
        put_d(out, (int32_t) load32(s));
        put_field(out, "/", load32(s + 4));
        put_field(out, "/", size == 16 ? load64(s + 8) : load32(s + 8));
    }
}

/* The LSN and the time of the transaction where it came from. */
static void put_origin(text *out, view *v, size_t at)
{
    put_field(out, "; origin: node ", v->record->origin);
    put(out, ", lsn ");
    put_lsn_of(out, v, u64(v, v->main, at));
    put(out, ", at ");
    put_time(out, i64(v, v->main, at + 8));
}

/* What commit and abort begin with. */
static void put_ending(text *out, view *v, const ending *e)
{
    if (e->prepared_xid != 0) {
        put_u(out, e->prepared_xid);
        put(out, ": ");
    }
    put_time(out, i64(v, v->main, 0));
    put_relations(out, v, "; rels:", e->relations);
    put_subxacts(out, v, e->subxacts);
}

static void put_commit(text *out, view *v)
{
    ending e = read_ending(v);

    put_ending(out, v, &e);
    put_stats(out, v, "; dropped stats:", e.stats);
    put_invalidations(out, v, v->main, &e.messages);
    if (e.xinfo & APPLY_FEEDBACK && v->major >= 15)
        put(out, "; apply_feedback");
    if (e.xinfo & FORCE_SYNC)
        put(out, "; sync");
    if (e.xinfo & HAS_ORIGIN)
        put_origin(out, v, e.origin);
}

static void put_abort(text *out, view *v)
{
    ending e = read_ending(v);

    put_ending(out, v, &e);
    if (e.xinfo & HAS_ORIGIN && v->major >= 15)
        put_origin(out, v, e.origin);
    put_stats(out, v, "; dropped stats:", e.stats);
}

/* The n items that follow the others of a prepare record, each kind of them from an aligned place: moves at there. */
static items aligned_items(size_t *at, uint32_t n, size_t size)
{
    items found = {*at, n};

    *at += align8((uint64_t) n * size);
    return found;
}

/* xl_xact_prepare is the head of a two-phase state file; in 15 two counts were put into its middle. */
preparation read_preparation(view *v)
{
    size_t moved = v->major >= 15 ? 8 : 0;
    size_t at = 64 + moved;
    preparation p = {.gid = after(v, v->main, at), .origin = 48 + moved};

    p.gid.length = whole_items(v, p.gid, u16(v, v->main, 46 + moved), 1);
    at += align8(p.gid.length);
    p.subxacts = aligned_items(&at, item_count(v, v->main, 28), SUBXACT);
    p.commit_relations = aligned_items(&at, item_count(v, v->main, 32), RELATION);
    p.abort_relations = aligned_items(&at, item_count(v, v->main, 36), RELATION);
    if (v->major >= 15) {
        p.commit_stats = aligned_items(&at, item_count(v, v->main, 40), stats_size(v));
        p.abort_stats = aligned_items(&at, item_count(v, v->main, 44), stats_size(v));
    }
    p.messages = (invalidations) {
        .at = at,
        .n = item_count(v, v->main, 40 + moved),
        .database = u32(v, v->main, 12),
        .init_file = u8(v, v->main, 44 + moved),
    };
    return p;
}

static void put_prepare(text *out, view *v)
{
    preparation p = read_preparation(v);

    put(out, "gid ");
    put_bytes(out, p.gid.at, string_length(p.gid, GID_MAX));
    put(out, ": ");
    put_time(out, i64(v, v->main, 16));
    put_relations(out, v, "; rels(commit):", p.commit_relations);
    put_relations(out, v, "; rels(abort):", p.abort_relations);
    put_stats(out, v, "; commit dropped stats:", p.commit_stats);
    put_stats(out, v, "; abort dropped stats:", p.abort_stats);
    put_subxacts(out, v, p.subxacts);
    put_invalidations(out, v, v->main, &p.messages);
    if (v->record->origin != 0 && v->major >= 15)
        put_origin(out, v, p.origin);
}

static void put_assignment(text *out, view *v)
{
    put_field(out, "xtop ", u32(v, v->main, 0));
    put(out, ": subxacts:");
    put_u32_words(out, v, v->main, 8, item_count(v, v->main, 4));
}

void describe_xact(text *out, view *v)
{
    switch (v->info & XACT_KIND) {
    case XACT_COMMIT:
    case XACT_COMMIT_PREPARED:
        put_commit(out, v);
        break;
    case XACT_ABORT:
    case XACT_ABORT_PREPARED:
        put_abort(out, v);
        break;
    case XACT_PREPARE:
        put_prepare(out, v);
        break;
    case XACT_ASSIGNMENT:
        put_assignment(out, v);
        break;
    case XACT_INVALIDATION:
        if (v->major >= 14)
            put_invalidations(out, v, v->main, &(invalidations) {.at = 4, .n = item_count(v, v->main, 0)});
        break;
    }
}
