/* Lists of numbers and names of bits, in the two fashions descriptions have had: bare until 15, bracketed since 16. */
#include "shared.h"

/* The items of a list, as many as the payload holds. */
static payload list_items(view *v, payload p, size_t offset, uint64_t n, size_t size)
{
    payload items = after(v, p, offset);

    items.length = whole_items(v, items, n, size) * size;
    return items;
}

static void put_u16_item(text *out, const uint8_t *item)
{
    put_u(out, load16(item));
}

static void put_u32_item(text *out, const uint8_t *item)
{
    put_u(out, load32(item));
}

static void put_redirect_item(text *out, const uint8_t *item)
{
    put_u(out, load16(item));
    put_field(out, "->", load16(item + 2));
}

/* As array_desc. */
static size_t put_list(text *out, payload items, size_t size, void (*put_item)(text *, const uint8_t *))
{
    put(out, " [");
    for (size_t i = 0; i < items.length; i += size) {
        put(out, i ? ", " : "");
        put_item(out, items.at + i);
    }
    put_char(out, ']');
    return items.length;
}

size_t put_u16_list(text *out, view *v, payload p, size_t offset, uint64_t n)
{
    return offset + put_list(out, list_items(v, p, offset, n, 2), 2, put_u16_item);
}

size_t put_u32_list(text *out, view *v, payload p, size_t offset, uint64_t n)
{
    return offset + put_list(out, list_items(v, p, offset, n, 4), 4, put_u32_item);
}

size_t put_redirect_list(text *out, view *v, payload p, size_t offset, uint64_t n)
{
    return offset + put_list(out, list_items(v, p, offset, n, 4), 4, put_redirect_item);
}

size_t put_u32_words(text *out, view *v, payload p, size_t offset, uint64_t n)
{
    payload items = list_items(v, p, offset, n, 4);

    for (size_t i = 0; i < items.length; i += 4)
        put_field(out, " ", load32(items.at + i));
    return offset + items.length;
}

void put_flag_words(text *out, const char *const *names, size_t n, uint8_t bits)
{
    for (size_t i = 0; i < n; i++)
        if (bits >> i & 1) {
            put(out, names[i]);
            put_char(out, ' ');
        }
}

void put_flag_list(text *out, const char *const *names, size_t n, uint8_t bits)
{
    const char *before = "";

    put_char(out, '[');
    for (size_t i = 0; i < n; i++)
        if (bits >> i & 1) {
            put(out, before);
            put(out, names[i]);
            before = ", ";
        }
    put_char(out, ']');
}

static const char *const infobits[] = {"IS_MULTI", "LOCK_ONLY", "EXCL_LOCK", "KEYSHR_LOCK", "KEYS_UPDATED"};

enum { INFOBITS = sizeof infobits / sizeof *infobits };

void put_infobit_words(text *out, uint8_t bits)
{
    put_flag_words(out, infobits, INFOBITS, bits);
}

void put_infobits(text *out, const char *word, uint8_t bits)
{
    put(out, word);
    put_flag_list(out, infobits, INFOBITS, bits);
}

void put_tuple_lock(text *out, view *v, const char *word)
{
    uint32_t xmax = u32(v, v->main, 0);
    uint16_t offset = u16(v, v->main, 4);
    uint8_t bits = u8(v, v->main, 6);
    uint8_t flags = u8(v, v->main, 7);

    if (v->major >= 16) {
        put_field(out, "xmax: ", xmax);
        put_field(out, ", off: ", offset);
        put_infobits(out, ", infobits: ", bits);
        put_byte(out, ", flags: 0x", flags);
    } else {
        put_field(out, "off ", offset);
        put_field(out, word, xmax);
        put_byte(out, ": flags 0x", flags);
        put_char(out, ' ');
        put_infobit_words(out, bits);
    }
}
