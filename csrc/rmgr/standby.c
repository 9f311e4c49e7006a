/* Standby: locks, running transactions and invalidations for hot standby (src/include/storage/standbydefs.h). */
#include "shared.h"

enum { LOCK = 0x00, RUNNING_XACTS = 0x10, INVALIDATIONS = 0x20 };

/* SharedInvalidationMessage (src/include/storage/sinval.h): an int8 that is a cache's number or, below 0, one of these;
 * the database in bytes 4 to 7, what is invalid in bytes 8 to 11. */
enum { CATALOG = -1, RELCACHE = -2, SMGR = -3, RELMAP = -4, SNAPSHOT = -5, RELSYNC = -6, MESSAGE = 16 };

static void put_message(text *out, uint8_t major, const uint8_t *message)
{
    int id = (int8_t) message[0];
    uint32_t database = load32(message + 4);
    uint32_t what = load32(message + 8);

    if (id >= 0)
        put_field(out, " catcache ", (uint64_t) id);
    else if (id == CATALOG)
        put_field(out, " catalog ", what);
    else if (id == RELCACHE)
        put_field(out, " relcache ", what);
    else if (id == SMGR)
        put(out, " smgr");
    else if (id == RELMAP)
        put_field(out, " relmap db ", database);
    else if (id == SNAPSHOT)
        put_field(out, " snapshot ", what);
    else if (id == RELSYNC && major >= 18)
        put_field(out, " relsync ", what);
    else {
        put(out, " unrecognized id ");
        put_d(out, id);
    }
}

void put_invalidations(text *out, view *v, payload p, const invalidations *i)
{
    payload messages;
    size_t n;

    if (i->n == 0)
        return;
    messages = after(v, p, i->at);
    n = whole_items(v, messages, i->n, MESSAGE);
    if (i->init_file) {
        put_field(out, "; relcache init file inval dbid ", i->database);
        put_field(out, " tsid ", i->tablespace);
    }
    put(out, "; inval msgs:");
    for (size_t k = 0; k < n; k++)
        put_message(out, v->major, messages.at + k * MESSAGE);
}

static void put_locks(text *out, view *v)
{
    payload locks = after(v, v->main, 4);
    size_t n = whole_items(v, locks, item_count(v, v->main, 0), 12);

    for (size_t i = 0; i < n; i++) {
        put_field(out, "xid ", load32(locks.at + i * 12));
        put_field(out, " db ", load32(locks.at + i * 12 + 4));
        put_field(out, " rel ", load32(locks.at + i * 12 + 8));
        put_char(out, ' ');
    }
}

/* The subtransactions are written since 16, and an overflow of them not as "ovf" any more. */
static void put_running(text *out, view *v)
{
    uint32_t tops = item_count(v, v->main, 0);
    uint32_t subs = item_count(v, v->main, 4);
    size_t at = 24;

    put_field(out, "nextXid ", u32(v, v->main, 12));
    put_field(out, " latestCompletedXid ", u32(v, v->main, 20));
    put_field(out, " oldestRunningXid ", u32(v, v->main, 16));
    if (tops > 0) {
        put_field(out, "; ", tops);
        put(out, " xacts:");
        at = put_u32_words(out, v, v->main, at, tops);
    }
    if (u8(v, v->main, 8))
        put(out, v->major >= 16 ? "; subxid overflowed" : "; subxid ovf");
    if (subs > 0 && v->major >= 16) {
        put_field(out, "; ", subs);
        put(out, " subxacts:");
        put_u32_words(out, v, v->main, at, subs);
    }
}

void describe_standby(text *out, view *v)
{
    if (v->info == LOCK)
        put_locks(out, v);
    else if (v->info == RUNNING_XACTS)
        put_running(out, v);
    else if (v->info == INVALIDATIONS)
        put_invalidations(out, v, v->main, &(invalidations) {
            .at = 16,
            .n = item_count(v, v->main, 12),
            .database = u32(v, v->main, 0),
            .tablespace = u32(v, v->main, 4),
            .init_file = u8(v, v->main, 8),
        });
}
