/* Generic records (genericdesc.c). */
#include "rmgr.h"

enum { FRAGMENT_HEADER = 4 };

/* The fragments of a page delta, each an offset, a length and its bytes. They are looked for in the main data, as
 * PostgreSQL does; its own writer has always put deltas into block data, and leaves this empty. */
void describe_generic(text *out, view *v)
{
    payload rest = v->main;

    while (rest.length > 0) {
        uint16_t length = u16(v, rest, 2);

        put_field(out, "offset ", u16(v, rest, 0));
        put_field(out, ", length ", length);
        rest = after(v, rest, FRAGMENT_HEADER + (size_t) length);
        if (rest.length > 0)
            put(out, "; ");
    }
}
