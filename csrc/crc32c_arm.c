/* CRC-32C kernels of 64-bit ARM on Linux: the crc32c instructions (optional in ARMv8.0), alone and in three lanes. */
#include "crc32c.h"

#ifdef CRC32C_ARM
#include <arm_acle.h>
#include <arm_neon.h>
#include <sys/auxv.h>

#define SERIAL __attribute__((target("+crc")))
#define LANES __attribute__((target("+crc+crypto")))

#define crc_byte __crc32cb
#define crc_16 __crc32ch
#define crc_32 __crc32cw
#define crc_64(crc, value) ((uint64_t) __crc32cd((uint32_t) (crc), value))

LANES static inline uint64_t append(uint64_t crc, uint32_t factor)
{
    return crc_64(0, (uint64_t) vmull_p64((poly64_t) crc, (poly64_t) factor));
}

#include "crc32c_lanes.h"

const walscan_crc_kernel *walscan_crc_native_kernel(int kind)
{
    static const walscan_crc_kernel serial = {crc_serial, record_serial}, lanes = {crc_lanes, record_lanes};
    unsigned long has = getauxval(AT_HWCAP);

    if (!(has & HWCAP_CRC32))
        return NULL;
    if (kind == WALSCAN_CRC_ARMV8)
        return &serial;
    return kind == WALSCAN_CRC_PMULL && (has & HWCAP_PMULL) ? &lanes : NULL;
}
#endif
