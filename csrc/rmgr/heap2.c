/*
 * Heap2: pruning, freezing, visibility, and what else found no place in Heap (src/include/access/heapam_xlog.h).
 *
 * Pruning has had four layouts: CLEAN and CLEANUP_INFO in 13, PRUNE and VACUUM in 14, the same with their offsets
 * described in 16, and from 17 on one layout for pruning and freezing that flags say the parts of.
 */
#include "shared.h"
#include "words.h"

enum {
    KIND = 0x70,
    INIT_PAGE = 0x80,
    CLEAN_13 = 0x10,
    FREEZE_PAGE_13 = 0x20,
    CLEANUP_INFO_13 = 0x30,
    PRUNE_14 = 0x10,
    VACUUM_14 = 0x20,
    FREEZE_PAGE_14 = 0x30,
    PRUNE_ON_ACCESS = 0x10,
    PRUNE_VACUUM_SCAN = 0x20,
    PRUNE_VACUUM_CLEANUP = 0x30,
    VISIBLE = 0x40,
    MULTI_INSERT = 0x50,
    LOCK_UPDATED = 0x60,
    NEW_CID = 0x70
};

/* XLHP_*, from 17 on. */
enum {
    CATALOG_RELATION = 1 << 1,
    HAS_HORIZON = 1 << 3,
    HAS_FREEZE_PLANS = 1 << 4,
    HAS_REDIRECTIONS = 1 << 5,
    HAS_DEAD = 1 << 6,
    HAS_UNUSED = 1 << 7,
    VM_ALL_VISIBLE = 1 << 8,     /* this and the next from 19 on */
    VM_ALL_FROZEN = 1 << 9
};

/* xl_heap_freeze_plan and xlhp_freeze_plan alike: xmax, infomask2, infomask, flags, how many tuples. */
enum { FREEZE_PLAN = 12 };

static const uint8_t INSERT_ALL_FROZEN = 1 << 5;     /* XLH_INSERT_ALL_FROZEN_SET */

/* ", plans: [{ ... }, ...]": n plans at plans, whose tuples' offsets all lie one behind another at offsets. */
static void put_plans(text *out, view *v, payload p, size_t plans, uint64_t n, size_t offsets)
{
    n = whole_items(v, after(v, p, plans), n, FREEZE_PLAN);
    put(out, ", plans: [");
    for (size_t i = 0; i < n; i++) {
        size_t plan = plans + i * FREEZE_PLAN;
        uint16_t tuples = u16(v, p, plan + 10);

        put_field(out, i ? ", { xmax: " : "{ xmax: ", u32(v, p, plan));
        put_field(out, ", infomask: ", u16(v, p, plan + 6));
        put_field(out, ", infomask2: ", u16(v, p, plan + 4));
        put_field(out, ", ntuples: ", tuples);
        put(out, ", offsets:");
        offsets = put_u16_list(out, v, p, offsets, tuples);
        put(out, " }");
    }
    put_char(out, ']');
}

/* ---- 13 to 15: numbers alone ---- */

static void put_prune_14(text *out, view *v)
{
    put_field(out, "latestRemovedXid ", u32(v, v->main, 0));
    put_field(out, " nredirected ", u16(v, v->main, 4));
    put_field(out, " ndead ", u16(v, v->main, 6));
}

static void put_freeze_13(text *out, view *v)
{
    put_field(out, "cutoff xid ", u32(v, v->main, 0));
    put_field(out, " ntuples ", u16(v, v->main, 4));
}

static void put_pruning_13(text *out, view *v)
{
    switch (v->info & KIND) {
    case CLEAN_13:
        put_field(out, "remxid ", u32(v, v->main, 0));
        break;
    case FREEZE_PAGE_13:
        put_freeze_13(out, v);
        break;
    case CLEANUP_INFO_13:
        put_field(out, "remxid ", u32(v, v->main, 12));
        break;
    }
}

static void put_pruning_14(text *out, view *v)
{
    switch (v->info & KIND) {
    case PRUNE_14:
        put_prune_14(out, v);
        break;
    case VACUUM_14:
        put_field(out, "nunused ", u16(v, v->main, 0));
        break;
    case FREEZE_PAGE_14:
        put_freeze_13(out, v);
        break;
    }
}

/* ---- 16: offsets too, where no image stands for them ---- */

/* How many offsets became unused is what the data has room for behind the others. */
static void put_prune_16(text *out, view *v)
{
    payload data = block_data(v, 0);
    uint16_t redirected = u16(v, v->main, 4);
    uint16_t dead = u16(v, v->main, 6);
    size_t others = redirected * 4U + dead * 2U;
    uint64_t unused;
    size_t at;

    put_field(out, "snapshotConflictHorizon: ", u32(v, v->main, 0));
    put_field(out, ", nredirected: ", redirected);
    put_field(out, ", ndead: ", dead);
    if (data.length == 0)
        return;
    unused = after(v, data, others).length / 2;
    put_field(out, ", nunused: ", unused);
    put(out, ", redirected:");
    at = put_redirect_list(out, v, data, 0, redirected);
    put(out, ", dead:");
    at = put_u16_list(out, v, data, at, dead);
    put(out, ", unused:");
    put_u16_list(out, v, data, at, unused);
}

static void put_vacuum_16(text *out, view *v)
{
    payload data = block_data(v, 0);
    uint16_t unused = u16(v, v->main, 0);

    put_field(out, "nunused: ", unused);
    if (data.length == 0)
        return;
    put(out, ", unused:");
    put_u16_list(out, v, data, 0, unused);
}

static void put_freeze_16(text *out, view *v)
{
    payload data = block_data(v, 0);
    uint16_t plans = u16(v, v->main, 4);

    put_field(out, "snapshotConflictHorizon: ", u32(v, v->main, 0));
    put_field(out, ", nplans: ", plans);
    if (data.length > 0)
        put_plans(out, v, data, 0, plans, (size_t) plans * FREEZE_PLAN);
}

static void put_pruning_16(text *out, view *v)
{
    switch (v->info & KIND) {
    case PRUNE_14:
        put_prune_16(out, v);
        break;
    case VACUUM_14:
        put_vacuum_16(out, v);
        break;
    case FREEZE_PAGE_14:
        put_freeze_16(out, v);
        break;
    }
}

/* ---- 17 and later: one layout ---- */

/* A part of the block data: a uint16 that counts, and that many items of size bytes behind it. */
typedef struct part {
    size_t at;
    uint16_t n;
} part;

static part take_part(view *v, payload data, size_t *at, int there, size_t size)
{
    part found = {*at + 2, 0};

    if (!there)
        return found;
    found.n = u16(v, data, *at);
    *at = found.at + found.n * size;
    return found;
}

static void put_part(text *out, view *v, payload data, const char *word, part p)
{
    if (p.n == 0)
        return;
    put(out, word);
    put_u16_list(out, v, data, p.at, p.n);
}

/* The parts come in the order of their flags; the offsets of the tuples to freeze are behind them all. */
static void put_pruned_items(text *out, view *v, payload data, uint16_t flags)
{
    size_t at = 0;
    part plans = {4, 0};     /* aligned to 4, so there is a gap behind their count */
    part redirected, dead, unused;

    if (flags & HAS_FREEZE_PLANS) {
        plans.n = u16(v, data, 0);
        at = plans.at + (size_t) plans.n * FREEZE_PLAN;
    }
    redirected = take_part(v, data, &at, flags & HAS_REDIRECTIONS, 4);
    dead = take_part(v, data, &at, flags & HAS_DEAD, 2);
    unused = take_part(v, data, &at, flags & HAS_UNUSED, 2);
    put_field(out, ", nplans: ", plans.n);
    put_field(out, ", nredirected: ", redirected.n);
    put_field(out, ", ndead: ", dead.n);
    put_field(out, ", nunused: ", unused.n);
    if (plans.n > 0)
        put_plans(out, v, data, plans.at, plans.n, at);
    if (redirected.n > 0) {
        put(out, ", redirected:");
        put_redirect_list(out, v, data, redirected.at, redirected.n);
    }
    put_part(out, v, data, ", dead:", dead);
    put_part(out, v, data, ", unused:", unused);
}

/* The flags are the second byte in 17 and 18, both bytes in 19. */
static void put_pruning_17(text *out, view *v)
{
    uint16_t flags = v->major >= 19 ? u16(v, v->main, 0) : u8(v, v->main, 1);
    payload data = block_data(v, 0);

    if (flags & HAS_HORIZON)
        put_field(out, "snapshotConflictHorizon: ", u32(v, v->main, 2));
    put(out, flags & CATALOG_RELATION ? ", isCatalogRel: T" : ", isCatalogRel: F");
    if (flags & VM_ALL_VISIBLE)
        put(out, flags & VM_ALL_FROZEN ? ", vm_flags: 0x03" : ", vm_flags: 0x01");
    if (data.length > 0)
        put_pruned_items(out, v, data, flags);
}

/* ---- all majors ---- */

static void put_visible(text *out, view *v)
{
    put_field(out, v->major >= 16 ? "snapshotConflictHorizon: " : "cutoff xid ", u32(v, v->main, 0));
    put_byte(out, v->major >= 16 ? ", flags: 0x" : " flags 0x", u8(v, v->main, 4));
}

/* A page that is built anew has its tuples in order, so the record does not list their offsets. */
static void put_multi_insert(text *out, view *v)
{
    uint8_t flags = u8(v, v->main, 0);
    uint16_t tuples = u16(v, v->main, 2);

    if (v->major < 16) {
        put_u(out, tuples);
        put_byte(out, " tuples flags 0x", flags);
        return;
    }
    put_field(out, "ntuples: ", tuples);
    put_byte(out, ", flags: 0x", flags);
    if (v->major >= 19 && flags & INSERT_ALL_FROZEN)
        put(out, ", vm_flags: 0x03");
    if (block_data(v, 0).length > 0 && (v->info & INIT_PAGE) == 0) {
        put(out, ", offsets:");
        put_u16_list(out, v, v->main, 4, tuples);
    }
}

static void put_new_cid(text *out, view *v)
{
    const char *colon = v->major >= 16 ? ": " : " ";

    put(out, "rel");
    put(out, colon);
    put_locator(out, v, 16);
    put(out, v->major >= 16 ? ", tid" : "; tid");
    put_field(out, colon, (uint32_t) u16(v, v->main, 28) << 16 | u16(v, v->main, 30));
    put_field(out, "/", u16(v, v->main, 32));
    put_field(out, v->major >= 16 ? ", cmin: " : "; cmin: ", u32(v, v->main, 4));
    put_field(out, ", cmax: ", u32(v, v->main, 8));
    put_field(out, ", combo: ", u32(v, v->main, 12));
}

static void put_pruning(text *out, view *v)
{
    if (v->major >= 17)
        put_pruning_17(out, v);
    else if (v->major == 16)
        put_pruning_16(out, v);
    else if (v->major >= 14)
        put_pruning_14(out, v);
    else
        put_pruning_13(out, v);
}

void describe_heap2(text *out, view *v)
{
    switch (v->info & KIND) {
    case PRUNE_ON_ACCESS:
    case PRUNE_VACUUM_SCAN:
    case PRUNE_VACUUM_CLEANUP:
        put_pruning(out, v);
        break;
    case VISIBLE:
        put_visible(out, v);
        break;
    case MULTI_INSERT:
        put_multi_insert(out, v);
        break;
    case LOCK_UPDATED:
        put_tuple_lock(out, v, ": xmax ");
        break;
    case NEW_CID:
        put_new_cid(out, v);
        break;
    }
}
