/* Paths of relation files. */
#include "relpath.h"

enum { DEFAULT_TABLESPACE = 1663, GLOBAL_TABLESPACE = 1664, FIRST_MAJOR = 13, LAST_MAJOR = 19 };

/* A tablespace's folder is named after the catalog version, which no record holds: pg_waldump puts the one it was
 * built with, and a major's releases all share one (CATALOG_VERSION_NO in src/include/catalog/catversion.h). */
static const char *const version_folders[] = {
    "/PG_13_202007201/", "/PG_14_202107181/", "/PG_15_202209061/", "/PG_16_202307071/",
    "/PG_17_202406281/", "/PG_18_202506291/", "/PG_19_202610061/",
};

static void put_folder(text *out, uint8_t major, uint32_t tablespace, uint32_t database)
{
    if (tablespace == GLOBAL_TABLESPACE) {
        put(out, "global/");
        return;
    }
    if (tablespace == DEFAULT_TABLESPACE) {
        put_field(out, "base/", database);
    } else {
        put_field(out, "pg_tblspc/", tablespace);
        put(out, major >= FIRST_MAJOR && major <= LAST_MAJOR ? version_folders[major - FIRST_MAJOR] : "/");
        put_u(out, database);
    }
    put_char(out, '/');
}

void put_relpath(text *out, uint8_t major, uint32_t tablespace, uint32_t database, uint32_t relation, uint8_t fork)
{
    static const char *const suffixes[] = {"", "_fsm", "_vm", "_init"};

    put_folder(out, major, tablespace, database);
    put_u(out, relation);
    if (fork < sizeof suffixes / sizeof *suffixes)
        put(out, suffixes[fork]);
    else
        put_field(out, "_fork", fork);
}
