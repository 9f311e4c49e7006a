/*
 * Full-page images: a page as a record stores it, made whole again (RestoreBlockImage, xlogreader.c).
 *
 * What is stored is the page without its hole, the unused space between line pointers and tuples, and that, if it
 * paid, compressed. pglz is unpacked here, lz4 and zstd by the caller, who then hands over the plain bytes.
 */
#include "bytes.h"
#include "rows.h"

int walscan_restore_image(const uint8_t *stored, size_t length, int is_pglz, uint32_t hole_offset,
                          uint32_t hole_length, uint8_t *page, uint32_t block_size)
{
    size_t plain, behind;

    if (hole_offset > block_size || hole_length > block_size - hole_offset)
        return 0;
    plain = block_size - hole_length;
    behind = plain - hole_offset;
    if (is_pglz) {
        if (!walscan_pglz(stored, length, page, plain))
            return 0;
    } else {
        if (length != plain)
            return 0;
        memcpy(page, stored, plain);
    }
    memmove(page + hole_offset + hole_length, page + hole_offset, behind);
    memset(page + hole_offset, 0, hole_length);
    return 1;
}
