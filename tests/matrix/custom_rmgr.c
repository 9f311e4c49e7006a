/*
 * A server module with a resource manager of its own, so that a server writes records no program but it can name.
 *
 * Its records hold bytes that replay ignores. Built and loaded by test_custom_rmgr.py. Must not: be installed.
 */
#include "postgres.h"

#include "access/xlog.h"
#include "access/xlog_internal.h"
#include "access/xloginsert.h"
#include "access/xlogreader.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/pg_lsn.h"

PG_MODULE_MAGIC;

void _PG_init(void);

static void replay_nothing(XLogReaderState *record)
{
}

static void describe(StringInfo out, XLogReaderState *record)
{
    appendStringInfoString(out, "only the server sees this");
}

static const char *identify(uint8 info)
{
    return "PAYLOAD";
}

static const RmgrData manager = {
    .rm_name = "matrix test", .rm_redo = replay_nothing, .rm_desc = describe, .rm_identify = identify,
};

void _PG_init(void)
{
    if (process_shared_preload_libraries_in_progress)
        RegisterCustomRmgr(RM_EXPERIMENTAL_ID, &manager);
}

PG_FUNCTION_INFO_V1(write_payload);

/* write_payload(info int, payload text): the LSN behind the record. */
Datum write_payload(PG_FUNCTION_ARGS)
{
    char *payload = text_to_cstring(PG_GETARG_TEXT_PP(1));

    XLogBeginInsert();
    XLogRegisterData(payload, strlen(payload));
    PG_RETURN_LSN(XLogInsert(RM_EXPERIMENTAL_ID, (uint8) PG_GETARG_INT32(0)));
}
