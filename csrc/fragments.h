/*
 * One record's fragment headers: block references, origin, top-level xid, main data.
 *
 * On disk the headers come first, unaligned, and all payloads after them; the headers therefore end where what is
 * left equals the payloads announced so far (DecodeXLogRecord, xlogreader.c). Every read is bounded by the record,
 * every sum is 64 bits wide, every id may occur once.
 *
 * The same reading is compiled into two loops of the walker: one fills rows, one only counts, and there whatever
 * would be stored and not looked at again falls away.
 */
#ifndef WALSCAN_FRAGMENTS_H
#define WALSCAN_FRAGMENTS_H

#include "bytes.h"
#include "walscan.h"

#define ALWAYS_INLINE static inline __attribute__((always_inline))

enum { FRAGMENT_TOPLEVEL = 252, FRAGMENT_ORIGIN = 253, FRAGMENT_MAIN_LONG = 254, FRAGMENT_MAIN_SHORT = 255 };

enum { COMPRESSED = WALSCAN_IMAGE_PGLZ | WALSCAN_IMAGE_LZ4 | WALSCAN_IMAGE_ZSTD };

typedef struct cursor {
    const uint8_t *at;
    const uint8_t *held;      /* end of what the caller holds of the record, which is no more than the record */
    const uint8_t *end;       /* of the record */
    uint64_t payload;         /* announced by the headers read so far */
    int last_id;
} cursor;

ALWAYS_INLINE int has(const cursor *c, size_t n)
{
    return (size_t) (c->held - c->at) >= n;
}

ALWAYS_INLINE uint64_t remaining(const cursor *c)
{
    return (uint64_t) (c->end - c->at);
}

ALWAYS_INLINE uint8_t image_bits(const walscan_format *f, uint8_t on_disk)
{
    uint8_t bits = 0;
    if (on_disk & f->image_has_hole) bits |= WALSCAN_IMAGE_HAS_HOLE;
    if (on_disk & f->image_apply) bits |= WALSCAN_IMAGE_APPLY;
    if (on_disk & f->image_pglz) bits |= WALSCAN_IMAGE_PGLZ;
    if (on_disk & f->image_lz4) bits |= WALSCAN_IMAGE_LZ4;
    if (on_disk & f->image_zstd) bits |= WALSCAN_IMAGE_ZSTD;
    return bits;
}

ALWAYS_INLINE int image_is_sound(const walscan_block *b, uint32_t block_size)
{
    if (b->image_length == 0 || b->image_length > block_size)
        return 0;
    if (b->image_info & WALSCAN_IMAGE_HAS_HOLE) {
        if (b->hole_offset == 0 || b->hole_length == 0 || b->image_length == block_size)
            return 0;
        if ((uint32_t) b->hole_offset + b->hole_length > block_size)
            return 0;
    } else if (b->hole_offset != 0 || b->hole_length != 0) {
        return 0;
    }
    if (b->image_info & COMPRESSED)
        return b->image_length < block_size;
    return (b->image_info & WALSCAN_IMAGE_HAS_HOLE) || b->image_length == block_size;
}

/* Image header: length, hole offset, bits, and the hole's length where compression hides it. */
ALWAYS_INLINE int read_image(cursor *c, const walscan_format *format, uint32_t block_size, walscan_block *b)
{
    if (!has(c, 5))
        return WALSCAN_FRAGMENT_LENGTH;
    b->image_length = load16(c->at);
    b->hole_offset = load16(c->at + 2);
    b->image_info = image_bits(format, c->at[4]);
    c->at += 5;
    if ((b->image_info & COMPRESSED) && (b->image_info & WALSCAN_IMAGE_HAS_HOLE)) {
        if (!has(c, 2))
            return WALSCAN_FRAGMENT_LENGTH;
        b->hole_length = load16(c->at);
        c->at += 2;
    } else if (!(b->image_info & COMPRESSED) && b->image_length < block_size) {
        b->hole_length = (uint16_t) (block_size - b->image_length);
    }
    c->payload += b->image_length;
    return image_is_sound(b, block_size) ? WALSCAN_NO_ERROR : WALSCAN_BLOCK_IMAGE;
}

/* The relation, unless it is that of the reference before, and the block number. */
ALWAYS_INLINE int read_place(cursor *c, const walscan_block *before, walscan_block *b)
{
    int same = b->flags & WALSCAN_BLOCK_SAME_RELATION;

    if (same && before == NULL)
        return WALSCAN_BLOCK_SAME_REL;
    if (!has(c, same ? 4 : 16))
        return WALSCAN_FRAGMENT_LENGTH;
    if (same) {
        b->tablespace = before->tablespace;
        b->database = before->database;
        b->relation = before->relation;
    } else {
        b->tablespace = load32(c->at);
        b->database = load32(c->at + 4);
        b->relation = load32(c->at + 8);
        c->at += 12;
    }
    b->block = load32(c->at);
    c->at += 4;
    return WALSCAN_NO_ERROR;
}

ALWAYS_INLINE int read_block(cursor *c, const walscan_format *format, uint32_t block_size, uint8_t id,
                             const walscan_block *before, walscan_block *out)
{
    walscan_block b = {.id = id};
    int code;

    if ((int) id <= c->last_id)
        return WALSCAN_FRAGMENT_ID;
    c->last_id = id;
    if (!has(c, 3))
        return WALSCAN_FRAGMENT_LENGTH;
    b.fork = c->at[0] & 0x0F;
    b.flags = c->at[0] & 0xF0;
    b.data_length = load16(c->at + 1);
    c->at += 3;
    if (b.fork > 3)
        return WALSCAN_BLOCK_FORK;
    if (!(b.flags & WALSCAN_BLOCK_HAS_DATA) != (b.data_length == 0))
        return WALSCAN_BLOCK_DATA;
    c->payload += b.data_length;
    if ((b.flags & WALSCAN_BLOCK_HAS_IMAGE) && (code = read_image(c, format, block_size, &b)) != WALSCAN_NO_ERROR)
        return code;
    if ((code = read_place(c, before, &b)) != WALSCAN_NO_ERROR)
        return code;
    *out = b;
    return WALSCAN_NO_ERROR;
}

/* The main-data header is the last header by convention, and the reader relies on it. */
ALWAYS_INLINE int read_main(cursor *c, walscan_record *record, size_t width)
{
    if (!has(c, width))
        return WALSCAN_FRAGMENT_LENGTH;
    record->main_length = width == 1 ? c->at[0] : load32(c->at);
    c->at += width;
    c->payload += record->main_length;
    return remaining(c) == c->payload ? WALSCAN_NO_ERROR : WALSCAN_FRAGMENT_LENGTH;
}

static int read_small(cursor *c, const walscan_format *format, uint8_t id, walscan_record *record)
{
    if (id == FRAGMENT_ORIGIN && record->origin == 0) {
        if (!has(c, 2))
            return WALSCAN_FRAGMENT_LENGTH;
        record->origin = load16(c->at);
        c->at += 2;
        return WALSCAN_NO_ERROR;
    }
    if (id == FRAGMENT_TOPLEVEL && format->toplevel_xid && record->toplevel_xid == 0) {
        if (!has(c, 4))
            return WALSCAN_FRAGMENT_LENGTH;
        record->toplevel_xid = load32(c->at);
        c->at += 4;
        return WALSCAN_NO_ERROR;
    }
    return WALSCAN_FRAGMENT_ID;
}

/* With store, blocks has room for BLOCKS_MAX rows; without, for the one that is read over and over. */
ALWAYS_INLINE int read_fragments(const walscan_format *format, uint32_t block_size, const uint8_t *head,
                                 walscan_record *record, walscan_block *blocks, int store)
{
    size_t held = record->total_length < WALSCAN_HEAD_MAX ? record->total_length : WALSCAN_HEAD_MAX;
    cursor c = {head + WALSCAN_RECORD_HEADER, head + held, head + record->total_length, 0, -1};
    int code;

    while (remaining(&c) > c.payload) {
        uint8_t id;
        if (!has(&c, 1))
            return WALSCAN_FRAGMENT_LENGTH;
        id = *c.at++;
        if (id < WALSCAN_BLOCKS_MAX) {
            walscan_block *b = store ? &blocks[record->block_count] : blocks;
            const walscan_block *before = record->block_count == 0 ? NULL : store ? b - 1 : b;
            if ((code = read_block(&c, format, block_size, id, before, b)) != WALSCAN_NO_ERROR)
                return code;
            record->block_count++;
            record->image_count += b->image_length != 0;
            record->image_length += b->image_length;
        } else if (id >= FRAGMENT_MAIN_LONG) {
            return read_main(&c, record, id == FRAGMENT_MAIN_SHORT ? 1 : 4);
        } else if ((code = read_small(&c, format, id, record)) != WALSCAN_NO_ERROR) {
            return code;
        }
    }
    return remaining(&c) == c.payload ? WALSCAN_NO_ERROR : WALSCAN_FRAGMENT_LENGTH;
}

#endif
