/* Sequences (seqdesc.c). */
#include "words.h"

enum { LOG = 0x00 };

void describe_seq(text *out, view *v)
{
    if (v->info == LOG) {
        put(out, "rel ");
        put_locator(out, v, 0);
    }
}
