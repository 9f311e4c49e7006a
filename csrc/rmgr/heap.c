/* Heap: changes of tuples (src/include/access/heapam_xlog.h). In 16 most descriptions were written anew. */
#include "shared.h"

enum {
    INSERT = 0x00,
    DELETE = 0x10,
    UPDATE = 0x20,
    TRUNCATE = 0x30,
    HOT_UPDATE = 0x40,
    CONFIRM = 0x50,
    LOCK = 0x60,
    INPLACE = 0x70,
    KIND = 0x70
};

static void put_offset(text *out, view *v)
{
    put_field(out, v->major >= 16 ? "off: " : "off ", u16(v, v->main, 0));
}

static void put_insert(text *out, view *v)
{
    put_offset(out, v);
    put_byte(out, v->major >= 16 ? ", flags: 0x" : " flags 0x", u8(v, v->main, 2));
}

/* A deletion has a lock's fields, but before 16 not its text. */
static void put_delete(text *out, view *v)
{
    if (v->major >= 16) {
        put_tuple_lock(out, v, NULL);
        return;
    }
    put_field(out, "off ", u16(v, v->main, 4));
    put_byte(out, " flags 0x", u8(v, v->main, 7));
    put_char(out, ' ');
    put_infobit_words(out, u8(v, v->main, 6));
}

static void put_update(text *out, view *v)
{
    uint32_t old_xmax = u32(v, v->main, 0);
    uint16_t old_offset = u16(v, v->main, 4);
    uint8_t old_infobits = u8(v, v->main, 6);
    uint8_t flags = u8(v, v->main, 7);
    uint32_t new_xmax = u32(v, v->main, 8);
    uint16_t new_offset = u16(v, v->main, 12);

    if (v->major >= 16) {
        put_field(out, "old_xmax: ", old_xmax);
        put_field(out, ", old_off: ", old_offset);
        put_infobits(out, ", old_infobits: ", old_infobits);
        put_byte(out, ", flags: 0x", flags);
        put_field(out, ", new_xmax: ", new_xmax);
        put_field(out, ", new_off: ", new_offset);
    } else {
        put_field(out, "off ", old_offset);
        put_field(out, " xmax ", old_xmax);
        put_byte(out, " flags 0x", flags);
        put_char(out, ' ');
        put_infobit_words(out, old_infobits);
        put_field(out, "; new off ", new_offset);
        put_field(out, " xmax ", new_xmax);
    }
}

static void put_truncate(text *out, view *v)
{
    static const char *const words[] = {"cascade", "restart_seqs"};
    static const char *const names[] = {"CASCADE", "RESTART_SEQS"};
    uint32_t n = u32(v, v->main, 4);
    uint8_t flags = u8(v, v->main, 8);

    if (v->major >= 16) {
        put(out, "flags: ");
        put_flag_list(out, names, 2, flags);
        put_field(out, ", nrelids: ", n);
        put(out, ", relids:");
        put_u32_list(out, v, v->main, 12, n);
    } else {
        put_flag_words(out, words, 2, flags);
        put_field(out, "nrelids ", n);
        put(out, " relids");
        put_u32_words(out, v, v->main, 12, n);
    }
}

/* From 18 on an update in place says itself what has to be invalidated. */
static void put_inplace(text *out, view *v)
{
    put_offset(out, v);
    if (v->major >= 18)
        put_invalidations(out, v, v->main, &(invalidations) {
            .at = 20,
            .n = item_count(v, v->main, 16),
            .database = u32(v, v->main, 4),
            .tablespace = u32(v, v->main, 8),
            .init_file = u8(v, v->main, 12),
        });
}

void describe_heap(text *out, view *v)
{
    switch (v->info & KIND) {
    case INSERT:
        put_insert(out, v);
        break;
    case DELETE:
        put_delete(out, v);
        break;
    case UPDATE:
    case HOT_UPDATE:
        put_update(out, v);
        break;
    case TRUNCATE:
        put_truncate(out, v);
        break;
    case CONFIRM:
        put_offset(out, v);
        break;
    case LOCK:
        put_tuple_lock(out, v, ": xid ");
        break;
    case INPLACE:
        put_inplace(out, v);
        break;
    }
}
