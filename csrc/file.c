/*
 * A file's pages, read and walked without a word to the caller in between: a buffer that stays in the processor's
 * cache is too small to come back for. Must not: open or close a file.
 */
#include "walscan.h"

#include <errno.h>
#include <unistd.h>

/* Fill the buffer; less than wanted only at the end of the file. */
static ssize_t fill(int file, uint8_t *buffer, size_t wanted)
{
    size_t got = 0;

    while (got < wanted) {
        ssize_t piece = read(file, buffer + got, wanted - got);
        if (piece < 0 && errno != EINTR)
            return -1;
        if (piece == 0)
            break;
        if (piece > 0)
            got += (size_t) piece;
    }
    return (ssize_t) got;
}

int64_t walscan_push_file(walscan *w, int file, uint64_t lsn, uint64_t length, uint8_t *buffer, size_t room,
                          int *ended)
{
    walscan_rows none = {0};
    uint64_t done = 0;
    int status = WALSCAN_MORE;

    *ended = 0;
    while (done < length && status == WALSCAN_MORE && !*ended) {
        size_t wanted = length - done < room ? (size_t) (length - done) : room;
        ssize_t got = fill(file, buffer, wanted);

        if (got < 0)
            return -1;
        status = walscan_push(w, lsn + done, buffer, (size_t) got & ~((size_t) w->page_size - 1), &none);
        done += (uint64_t) got;
        *ended = (size_t) got < wanted;
    }
    return (int64_t) done;
}
