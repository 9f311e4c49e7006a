/* One record's description by itself: what its line holds between its name and its block references. */
#include "describe.h"

int walscan_description(walscan_printer *p, const walscan_record *r, const walscan_block *blocks)
{
    text out = {.at = p->out, .end = p->out + p->room};
    const uint8_t *bytes = walscan_record_bytes(&p->pages, r, p->scratch, p->scratch_room);
    view v;

    p->used = 0;
    if (bytes == NULL && r->total_length > p->scratch_room)
        return 0;
    if (bytes != NULL) {
        look_at(&v, p->major, bytes, r, blocks + r->first_block);
        describe(&out, &v);
    }
    p->used = (size_t) (out.at - p->out);
    return !out.full;
}
