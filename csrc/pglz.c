/*
 * PostgreSQL's own compression, unpacking only. The format is described in src/common/pg_lzcompress.c: a control
 * byte announces eight items, lowest bit first; a clear bit is a literal byte, a set bit a match of two or three
 * bytes: four bits of length less 3 (15: one more byte adds to 18), twelve of distance back into the output.
 */
#include "bytes.h"
#include "rows.h"

enum { SHORTEST_MATCH = 3, LONG_MATCH = 18, WORD = 8 };

/* A match may reach into the bytes it writes: 8 at a time only where it does not, and where 8 too many still fit. */
static void copy_match(uint8_t *out, size_t distance, size_t length, size_t room)
{
    if (distance >= WORD && room >= length + WORD) {
        for (size_t i = 0; i < length; i += WORD)
            memcpy(out + i, out + i - distance, WORD);
        return;
    }
    for (size_t i = 0; i < length; i++)
        out[i] = out[i - distance];
}

/* The size of the match whose tag begins at in, and the tag's own in *taken; 0 if the tag is cut off. */
static size_t read_match(const uint8_t *in, const uint8_t *in_end, size_t *distance, size_t *taken)
{
    size_t length;

    if (in_end - in < 2)
        return 0;
    length = (in[0] & 0x0Fu) + SHORTEST_MATCH;
    *distance = (in[0] & 0xF0u) << 4 | in[1];
    *taken = 2;
    if (length == LONG_MATCH) {
        if (in_end - in < 3)
            return 0;
        length += in[2];
        *taken = 3;
    }
    return length;
}

/* As the server does, a last match longer than the room is cut; all else has to come out even. */
int walscan_pglz(const uint8_t *in, size_t in_length, uint8_t *out, size_t out_length)
{
    const uint8_t *in_end = in + in_length;
    uint8_t *begin = out;
    const uint8_t *out_end = out + out_length;

    while (in < in_end && out < out_end) {
        unsigned control = *in++;
        if (control == 0 && in_end - in >= WORD && out_end - out >= WORD) {
            memcpy(out, in, WORD);
            in += WORD;
            out += WORD;
            continue;
        }
        for (int item = 0; item < 8 && in < in_end && out < out_end; item++, control >>= 1) {
            size_t distance, taken, length, room = (size_t) (out_end - out);
            if (!(control & 1)) {
                *out++ = *in++;
                continue;
            }
            length = read_match(in, in_end, &distance, &taken);
            if (length == 0 || distance == 0 || distance > (size_t) (out - begin))
                return 0;
            if (length > room)
                length = room;
            copy_match(out, distance, length, room);
            in += taken;
            out += length;
        }
    }
    return in == in_end && out == out_end;
}
