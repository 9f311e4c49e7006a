/* Page headers: the fields, without judgement. The walker decides what they mean where. */
#include "bytes.h"
#include "walscan.h"

enum { SHORT_HEADER = 24, LONG_HEADER = 40 };

int walscan_read_page(const uint8_t *bytes, size_t length, walscan_page *page)
{
    memset(page, 0, sizeof *page);
    if (length < SHORT_HEADER)
        return 0;
    page->magic = load16(bytes);
    page->info = load16(bytes + 2);
    page->timeline = load32(bytes + 4);
    page->address = load64(bytes + 8);
    page->remaining = load32(bytes + 16);
    page->header_length = SHORT_HEADER;
    if (page->info & WALSCAN_PAGE_LONG) {
        if (length < LONG_HEADER)
            return 0;
        page->system_id = load64(bytes + 24);
        page->segment_size = load32(bytes + 32);
        page->page_size = load32(bytes + 36);
        page->header_length = LONG_HEADER;
    }
    return 1;
}
