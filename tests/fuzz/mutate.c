/*
 * A fuzzing loop for compilers without libFuzzer: pages of a real segment, mutated, into the same entry.
 *
 *     mutate SEGMENT ROUNDS SEED
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { CHOICES = 16, PAGE = 8192, MOST_PAGES = 12 };

static uint64_t state;

static uint64_t next_random(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

static void mutate(uint8_t *pages, size_t length)
{
    for (uint64_t i = next_random() % 24; i > 0; i--) {
        uint8_t *at = pages + next_random() % length;
        switch (next_random() % 4) {
        case 0: *at ^= (uint8_t) (1u << next_random() % 8); break;
        case 1: *at = (uint8_t) next_random(); break;
        case 2: *at = 0xFF; break;
        default: *at = 0; break;
        }
    }
}

int main(int count, char **words)
{
    static uint8_t segment[1 << 24], input[CHOICES + MOST_PAGES * PAGE];
    FILE *file = count == 4 ? fopen(words[1], "rb") : NULL;
    size_t held = file == NULL ? 0 : fread(segment, 1, sizeof segment, file) / PAGE;

    if (held < MOST_PAGES)
        return fputs("expected: mutate SEGMENT ROUNDS SEED\n", stderr), 2;
    fclose(file);
    state = strtoull(words[3], NULL, 10) | 1;
    for (long round = strtol(words[2], NULL, 10); round > 0; round--) {
        size_t pages = 1 + next_random() % MOST_PAGES;
        size_t first = next_random() % (held - pages + 1);
        for (size_t i = 0; i < CHOICES; i++)
            input[i] = (uint8_t) next_random();
        memcpy(input + CHOICES, segment + first * PAGE, pages * PAGE);
        mutate(input + CHOICES, pages * PAGE);
        LLVMFuzzerTestOneInput(input, CHOICES + pages * PAGE);
    }
    return 0;
}
