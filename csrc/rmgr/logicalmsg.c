/* Messages to logical decoding (logicalmsgdesc.c). */
#include "words.h"

enum { MESSAGE = 0x00, PREFIX = 24 };

/* "0A FF": one check for room, since a payload may have any size. */
static void put_hex_bytes(text *out, payload p)
{
    static const char digits[] = "0123456789ABCDEF";

    if (p.length == 0 || !text_has(out, 3 * p.length - 1))
        return;
    for (size_t i = 0; i < p.length; i++) {
        if (i > 0)
            *out->at++ = ' ';
        *out->at++ = digits[p.at[i] >> 4];
        *out->at++ = digits[p.at[i] & 15];
    }
}

void describe_logicalmsg(text *out, view *v)
{
    uint8_t transactional = u8(v, v->main, 4);
    uint64_t prefix_size = u64(v, v->main, 8);
    uint64_t size = u64(v, v->main, 16);
    payload message;

    if (v->info != MESSAGE)
        return;
    if (v->major == 13) {
        put(out, transactional ? "transactional message size " : "nontransactional message size ");
        put_u(out, size);
        put(out, " bytes");
        return;
    }
    put(out, transactional ? "transactional, prefix \"" : "non-transactional, prefix \"");
    put_string(out, v, v->main, PREFIX);
    put_field(out, "\"; payload (", size);
    put(out, " bytes): ");
    message = after(v, after(v, v->main, PREFIX), prefix_size);
    message.length = whole_items(v, message, size, 1);
    put_hex_bytes(out, message);
}
