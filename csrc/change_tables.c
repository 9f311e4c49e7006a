/*
 * Transactions and their relations: two chained hash tables in the caller's memory. An entry keeps its number as long
 * as it lives, so that lists run through both; a number given back is the next one taken.
 */
#include "change_tables.h"

static uint32_t mix(uint64_t h)
{
    h *= UINT64_C(0x9E3779B97F4A7C15);
    return (uint32_t) (h >> 32 ^ h);
}

static uint32_t *chain_of_xid(walscan_changes *c, uint32_t xid)
{
    return &c->transactions[mix(xid) & (c->transaction_places - 1)].chain;
}

static uint32_t *chain_of_change(walscan_changes *c, uint32_t xid, uint32_t tablespace, uint32_t database,
                                 uint32_t relation)
{
    uint64_t h = ((uint64_t) xid << 32 | relation) ^ database * UINT64_C(0xC2B2AE3D27D4EB4F) ^ tablespace;

    return &c->changes[mix(h) & (c->change_places - 1)].chain;
}

transaction *find_transaction(walscan_changes *c, uint32_t xid)
{
    uint32_t at = *chain_of_xid(c, xid);

    while (at != 0 && c->transactions[at].xid != xid)
        at = c->transactions[at].next;
    return at != 0 ? &c->transactions[at] : NULL;
}

transaction *take_transaction(walscan_changes *c, uint32_t xid)
{
    transaction *t = find_transaction(c, xid);
    uint32_t *chain, at, chain_there;

    if (t != NULL)
        return t;
    at = c->transaction_free != 0 ? c->transaction_free : ++c->transaction_top;
    t = &c->transactions[at];
    c->transaction_free = t->next;
    c->transaction_count++;
    chain_there = t->chain;
    memset(t, 0, sizeof *t);
    t->chain = chain_there;
    t->xid = xid;
    chain = chain_of_xid(c, xid);
    t->next = *chain;
    *chain = at;
    return t;
}

change *find_change(walscan_changes *c, uint32_t xid, const change *like)
{
    uint32_t at = *chain_of_change(c, xid, like->tablespace, like->database, like->relation);

    for (; at != 0; at = c->changes[at].next) {
        change *e = &c->changes[at];
        if (e->xid == xid && e->relation == like->relation && e->database == like->database
            && e->tablespace == like->tablespace)
            return e;
    }
    return NULL;
}

static void link_change(walscan_changes *c, change *e)
{
    uint32_t *chain = chain_of_change(c, e->xid, e->tablespace, e->database, e->relation);

    e->next = *chain;
    *chain = (uint32_t) (e - c->changes);
}

static void unlink_change(walscan_changes *c, change *e)
{
    uint32_t at = (uint32_t) (e - c->changes);
    uint32_t *link = chain_of_change(c, e->xid, e->tablespace, e->database, e->relation);

    while (*link != at)
        link = &c->changes[*link].next;
    *link = e->next;
}

static void join_change(walscan_changes *c, transaction *t, change *e)
{
    e->sibling = t->changes;
    t->changes = (uint32_t) (e - c->changes);
    t->change_count++;
}

change *take_change(walscan_changes *c, transaction *t, const change *like)
{
    uint32_t xid = t != NULL ? t->xid : 0, at, chain_there;
    change *e = find_change(c, xid, like);

    if (e != NULL)
        return e;
    at = c->change_free != 0 ? c->change_free : ++c->change_top;
    e = &c->changes[at];
    c->change_free = e->next;
    c->change_count++;
    chain_there = e->chain;
    memset(e, 0, sizeof *e);
    e->chain = chain_there;
    e->used = 1;
    e->xid = xid;
    e->tablespace = like->tablespace;
    e->database = like->database;
    e->relation = like->relation;
    link_change(c, e);
    if (t != NULL)
        join_change(c, t, e);
    return e;
}

void give_change(walscan_changes *c, transaction *t, change *e)
{
    unlink_change(c, e);
    e->xid = t->xid;
    link_change(c, e);
    join_change(c, t, e);
}

void drop_change(walscan_changes *c, change *e)
{
    unlink_change(c, e);
    e->used = 0;
    e->next = c->change_free;
    c->change_free = (uint32_t) (e - c->changes);
    c->change_count--;
}

void drop_changes(walscan_changes *c, transaction *t)
{
    while (t->changes != 0) {
        change *e = &c->changes[t->changes];
        t->changes = e->sibling;
        drop_change(c, e);
    }
    t->change_count = 0;
}

void drop_transaction(walscan_changes *c, transaction *t)
{
    uint32_t at = (uint32_t) (t - c->transactions);
    uint32_t *link = chain_of_xid(c, t->xid);

    drop_changes(c, t);
    while (*link != at)
        link = &c->transactions[*link].next;
    *link = t->next;
    t->xid = 0;
    t->next = c->transaction_free;
    c->transaction_free = at;
    c->transaction_count--;
}

void walscan_move_transactions(walscan_changes *c, transaction *to, uint32_t places)
{
    uint32_t top = c->transaction_top;

    for (uint32_t i = 1; i <= top; i++)
        to[i] = c->transactions[i];
    for (uint32_t i = 0; i <= top; i++)
        to[i].chain = 0;
    c->transactions = to;
    c->transaction_places = places;
    for (uint32_t i = 1; i <= top; i++)
        if (to[i].xid != 0) {
            uint32_t *chain = chain_of_xid(c, to[i].xid);
            to[i].next = *chain;
            *chain = i;
        }
}

void walscan_move_changes(walscan_changes *c, change *to, uint32_t places)
{
    uint32_t top = c->change_top;

    for (uint32_t i = 1; i <= top; i++)
        to[i] = c->changes[i];
    for (uint32_t i = 0; i <= top; i++)
        to[i].chain = 0;
    c->changes = to;
    c->change_places = places;
    for (uint32_t i = 1; i <= top; i++)
        if (to[i].used)
            link_change(c, &to[i]);
}

int has_room(walscan_changes *c, uint64_t transactions, uint64_t changes)
{
    c->wants = 0;
    if (c->transaction_count + transactions >= c->transaction_places) {
        c->wants = WALSCAN_WANTS_TRANSACTIONS;
        c->wants_room = c->transaction_count + transactions + 1;
    } else if (c->change_count + changes >= c->change_places) {
        c->wants = WALSCAN_WANTS_CHANGES;
        c->wants_room = c->change_count + changes + 1;
    }
    return c->wants == 0;
}
