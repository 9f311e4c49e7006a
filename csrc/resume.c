/* Where WAL goes on behind a place that cannot be read: the next thing that looks like a record's header. */
#include "bytes.h"
#include "rmgr_id.h"
#include "walscan.h"

/* The record header at p, whose page ends room bytes on, joined over that page end; left counts what follows p.
 * Returns how many of its bytes there are: all, unless the next page lies behind the buffer. */
static uint32_t gather_header(uint8_t *header, const uint8_t *p, uint64_t room, uint64_t left)
{
    walscan_page next;
    uint32_t have = room < WALSCAN_RECORD_HEADER ? (uint32_t) room : WALSCAN_RECORD_HEADER;

    memcpy(header, p, have);
    if (have == WALSCAN_RECORD_HEADER || left <= room || !walscan_read_page(p + room, left - room, &next))
        return have;
    memcpy(header + have, p + room + next.header_length, WALSCAN_RECORD_HEADER - have);
    return WALSCAN_RECORD_HEADER;
}

/* Whether a header, or as much of it as there is, could be a record's that was written after floor. */
static int may_follow(const walscan_format *format, const uint8_t *header, uint32_t have, uint64_t at, uint64_t floor)
{
    uint32_t length = load32(header);

    if (length < WALSCAN_RECORD_HEADER || length > format->max_length)
        return 0;
    if (have >= 16 && (load64(header + 8) < floor || load64(header + 8) >= at))
        return 0;
    return have < WALSCAN_RECORD_HEADER || rmgr_is_valid(format, header[17]);
}

/* Whether the page at p is this stream's: written for this place, neither blank nor left from an earlier use. */
static int page_is_current(const walscan_format *format, const uint8_t *p, uint64_t lsn)
{
    return load16(p) == format->magic && load64(p + 8) == lsn;
}

/* The first header in [lsn, end of its page) that may follow floor; left is what the buffer has from p on. */
static uint64_t find_in_page(const walscan_format *format, const uint8_t *p, uint64_t lsn, uint64_t end,
                             uint64_t left, uint64_t floor)
{
    uint8_t split[WALSCAN_RECORD_HEADER];

    for (; lsn + WALSCAN_RECORD_HEADER <= end; lsn += 8, p += 8, left -= 8)
        if (load64(p + 8) >= floor && may_follow(format, p, WALSCAN_RECORD_HEADER, lsn, floor))
            return lsn;
    for (; lsn < end; lsn += 8, p += 8, left -= 8)
        if (may_follow(format, split, gather_header(split, p, end - lsn, left), lsn, floor))
            return lsn;
    return 0;
}

uint64_t walscan_find_header(const walscan_format *format, uint32_t page_size, uint64_t lsn, const uint8_t *bytes,
                             size_t length, uint64_t from, uint64_t floor)
{
    uint64_t mask = page_size - 1;
    uint64_t at = from > lsn ? align8(from) : lsn;

    while (at < lsn + length) {
        uint64_t page = at & ~mask;
        if (page < from || page_is_current(format, bytes + (page - lsn), page)) {
            uint64_t found = find_in_page(format, bytes + (at - lsn), at, page + page_size, lsn + length - at, floor);
            if (found)
                return found;
        }
        at = page + page_size;
    }
    return 0;
}
