/*
 * What a resource manager's description is written from.
 *
 * One file a resource manager, as in src/backend/access/rmgrdesc; each function writes what that major's rm_desc
 * writes, byte for byte, for every major from 13 to 19. A record's CRC is right when it gets here, its payload may
 * still be shorter than its kind says: reads past a payload give 0 and set cut, and the line then says so.
 */
#ifndef WALSCAN_RMGR_H
#define WALSCAN_RMGR_H

#include "../bytes.h"
#include "../text.h"
#include "../rows.h"

typedef struct payload {
    const uint8_t *at;
    size_t length;
} payload;

typedef struct view {
    const walscan_record *record;
    const walscan_block *blocks;                  /* block_count rows, in order of their ids */
    payload main;
    payload data[WALSCAN_BLOCKS_MAX];             /* of each row; length 0 where there is none */
    uint8_t major;
    uint8_t info;                                 /* xl_info without its low nibble */
    int cut;
} view;

/* Little-endian fields at offset bytes into a payload. */
static inline const uint8_t *payload_at(view *v, payload p, size_t offset, size_t n)
{
    static const uint8_t nothing[8];

    if (offset <= p.length && p.length - offset >= n)
        return p.at + offset;
    v->cut = 1;
    return nothing;
}

static inline uint8_t u8(view *v, payload p, size_t offset) { return *payload_at(v, p, offset, 1); }
static inline uint16_t u16(view *v, payload p, size_t offset) { return load16(payload_at(v, p, offset, 2)); }
static inline uint32_t u32(view *v, payload p, size_t offset) { return load32(payload_at(v, p, offset, 4)); }
static inline uint64_t u64(view *v, payload p, size_t offset) { return load64(payload_at(v, p, offset, 8)); }
static inline int16_t i16(view *v, payload p, size_t offset) { return (int16_t) u16(v, p, offset); }
static inline int32_t i32(view *v, payload p, size_t offset) { return (int32_t) u32(v, p, offset); }
static inline int64_t i64(view *v, payload p, size_t offset) { return (int64_t) u64(v, p, offset); }

/* What is left of a payload behind its first offset bytes; empty, and cut, if it is shorter. */
static inline payload after(view *v, payload p, size_t offset)
{
    if (offset > p.length) {
        v->cut = 1;
        return (payload) {p.at, 0};
    }
    return (payload) {p.at + offset, p.length - offset};
}

/* How many of n items of size bytes each p holds; cut if that is fewer. Loops over counts read from WAL end by it. */
static inline size_t whole_items(view *v, payload p, uint64_t n, size_t size)
{
    if (n > p.length / size) {
        v->cut = 1;
        return p.length / size;
    }
    return (size_t) n;
}

/* The data of the block reference with that id, as XLogRecGetBlockData finds it; empty if there is none. */
payload block_data(const view *v, uint8_t id);

/* Whether the block reference with that id exists, and whether it holds an image. */
const walscan_block *block_of(const view *v, uint8_t id);

typedef void (*describe_fn)(text *out, view *v);

void describe_xlog(text *out, view *v);
void describe_xact(text *out, view *v);
void describe_smgr(text *out, view *v);
void describe_clog(text *out, view *v);
void describe_dbase(text *out, view *v);
void describe_tblspc(text *out, view *v);
void describe_mxact(text *out, view *v);
void describe_relmap(text *out, view *v);
void describe_standby(text *out, view *v);
void describe_heap2(text *out, view *v);
void describe_heap(text *out, view *v);
void describe_nbt(text *out, view *v);
void describe_hash(text *out, view *v);
void describe_gin(text *out, view *v);
void describe_gist(text *out, view *v);
void describe_seq(text *out, view *v);
void describe_spg(text *out, view *v);
void describe_brin(text *out, view *v);
void describe_committs(text *out, view *v);
void describe_replorigin(text *out, view *v);
void describe_generic(text *out, view *v);
void describe_logicalmsg(text *out, view *v);

#endif
