/* What the CRC-32C files share. crc32c.c dispatches; crc32c_x86.c and crc32c_arm.c hold a processor's kernels each. */
#ifndef WALSCAN_CRC32C_H
#define WALSCAN_CRC32C_H

#include "bytes.h"
#include "crc32c_tables.h"
#include "walscan.h"

#if defined(__x86_64__) && defined(__GNUC__)
#define CRC32C_X86
#elif defined(__aarch64__) && defined(__linux__) && defined(__GNUC__)
#define CRC32C_ARM
#endif

/* A record's checksum covers what follows its header first, then the header up to the checksum itself. */
enum { HEADER = WALSCAN_RECORD_HEADER, COVERED = 20 };

/* This processor's kernel of that kind, or NULL. */
const walscan_crc_kernel *walscan_crc_native_kernel(int kind);

#endif
