/* Unaligned little-endian loads, for the library's own files. */
#ifndef WALSCAN_BYTES_H
#define WALSCAN_BYTES_H

#include <stdint.h>
#include <string.h>

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "walscan reads little-endian WAL on little-endian hosts only"
#endif

static inline uint16_t load16(const uint8_t *p) { uint16_t v; memcpy(&v, p, sizeof v); return v; }
static inline uint32_t load32(const uint8_t *p) { uint32_t v; memcpy(&v, p, sizeof v); return v; }
static inline uint64_t load64(const uint8_t *p) { uint64_t v; memcpy(&v, p, sizeof v); return v; }

static inline uint64_t align8(uint64_t n) { return (n + 7) & ~(uint64_t) 7; }

#endif
