/* Files created and truncated (smgrdesc.c). */
#include "relpath.h"
#include "rmgr.h"

enum { CREATE = 0x10, TRUNCATE = 0x20, MAIN_FORK = 0 };

/* The path of the RelFileLocator at offset bytes into the main data. A fork that does not fit uint8_t is none. */
static void put_locator_path(text *out, view *v, size_t offset, uint32_t fork)
{
    put_relpath(out, v->major, u32(v, v->main, offset), u32(v, v->main, offset + 4), u32(v, v->main, offset + 8),
                fork < UINT8_MAX ? (uint8_t) fork : UINT8_MAX);
}

void describe_smgr(text *out, view *v)
{
    if (v->info == CREATE) {
        put_locator_path(out, v, 0, u32(v, v->main, 12));
    } else if (v->info == TRUNCATE) {
        put_locator_path(out, v, 4, MAIN_FORK);
        put_field(out, " to ", u32(v, v->main, 0));
        put(out, " blocks flags ");
        put_d(out, i32(v, v->main, 16));
    }
}
