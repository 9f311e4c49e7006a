/* Records of the WAL itself (xlogdesc.c). */
#include "words.h"

enum {
    CHECKPOINT_SHUTDOWN = 0x00,
    CHECKPOINT_ONLINE = 0x10,
    NEXTOID = 0x30,
    BACKUP_END = 0x50,
    PARAMETER_CHANGE = 0x60,
    RESTORE_POINT = 0x70,
    FPW_CHANGE = 0x80,
    END_OF_RECOVERY = 0x90,
    OVERWRITE_CONTRECORD = 0xD0,
    CHECKPOINT_REDO = 0xE0,
    LOGICAL_DECODING_STATUS_CHANGE = 0xF0
};

static void put_wal_level(text *out, int32_t level)
{
    static const char *const levels[] = {"minimal", "replica", "logical"};

    put(out, level >= 0 && level < 3 ? levels[level] : "?");
}

static void put_true(text *out, uint8_t flag)
{
    put(out, flag ? "true" : "false");
}

/* What CheckPoint (src/include/catalog/pg_control.h) begins with, up to the first counter. */
static void put_checkpoint_state(text *out, view *v)
{
    put(out, "redo ");
    put_lsn_of(out, v, u64(v, v->main, 0));
    put_field(out, "; tli ", u32(v, v->main, 8));
    put_field(out, "; prev tli ", u32(v, v->main, 12));
    put(out, "; fpw ");
    put_true(out, u8(v, v->main, 16));
    if (v->major >= 17) {
        put(out, "; wal_level ");
        put_wal_level(out, i32(v, v->main, 20));
    }
    if (v->major >= 19) {
        put(out, "; logical decoding ");
        put_true(out, u8(v, v->main, 24));
    }
}

/* 19 made room for the logical decoding flag before the counters, and multixact offsets 8 bytes wide. */
static void describe_checkpoint(text *out, view *v)
{
    payload p = v->main;
    int wide = v->major >= 19;
    size_t next = wide ? 32 : 24;
    size_t oldest = wide ? 56 : 44;
    size_t last = wide ? 80 : 72;    /* behind the checkpoint's time, which no description shows */

    put_checkpoint_state(out, v);
    put_field(out, "; xid ", u32(v, p, next + 4));
    put_field(out, ":", u32(v, p, next));
    put_field(out, "; oid ", u32(v, p, next + 8));
    put_field(out, "; multi ", u32(v, p, next + 12));
    put_field(out, "; offset ", wide ? u64(v, p, next + 16) : u32(v, p, next + 16));
    put_field(out, "; oldest xid ", u32(v, p, oldest));
    put_field(out, " in DB ", u32(v, p, oldest + 4));
    put_field(out, "; oldest multi ", u32(v, p, oldest + 8));
    put_field(out, " in DB ", u32(v, p, oldest + 12));
    put_field(out, "; oldest/newest commit timestamp xid: ", u32(v, p, last));
    put_field(out, "/", u32(v, p, last + 4));
    put_field(out, "; oldest running xid ", u32(v, p, last + 8));
    put(out, v->info == CHECKPOINT_SHUTDOWN ? "; shutdown" : "; online");
}

static void describe_parameter_change(text *out, view *v)
{
    static const char *const limits[] = {
        "max_connections=", " max_worker_processes=", " max_wal_senders=", " max_prepared_xacts=",
        " max_locks_per_xact=",
    };
    size_t offset = 0;

    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++, offset += 4) {
        put(out, limits[i]);
        put_d(out, i32(v, v->main, offset));
    }
    put(out, " wal_level=");
    put_wal_level(out, i32(v, v->main, 20));
    put(out, u8(v, v->main, 24) ? " wal_log_hints=on" : " wal_log_hints=off");
    put(out, u8(v, v->main, 25) ? " track_commit_timestamp=on" : " track_commit_timestamp=off");
}

static void describe_end_of_recovery(text *out, view *v)
{
    put_field(out, "tli ", u32(v, v->main, 8));
    put_field(out, "; prev tli ", u32(v, v->main, 12));
    put(out, "; time ");
    put_time(out, i64(v, v->main, 0));
    if (v->major >= 17) {
        put(out, "; wal_level ");
        put_wal_level(out, i32(v, v->main, 16));
    }
}

static void describe_overwrite(text *out, view *v)
{
    put(out, "lsn ");
    put_lsn_of(out, v, u64(v, v->main, 0));
    put(out, "; time ");
    put_time(out, i64(v, v->main, 8));
}

void describe_xlog(text *out, view *v)
{
    switch (v->info) {
    case CHECKPOINT_SHUTDOWN:
    case CHECKPOINT_ONLINE:
        describe_checkpoint(out, v);
        break;
    case NEXTOID:
        put_u(out, u32(v, v->main, 0));
        break;
    case BACKUP_END:
        put_lsn_of(out, v, u64(v, v->main, 0));
        break;
    case PARAMETER_CHANGE:
        describe_parameter_change(out, v);
        break;
    case RESTORE_POINT:    /* the time before the name is not shown */
        put_string(out, v, v->main, 8);
        break;
    case FPW_CHANGE:
        put_true(out, u8(v, v->main, 0));
        break;
    case END_OF_RECOVERY:
        describe_end_of_recovery(out, v);
        break;
    case OVERWRITE_CONTRECORD:
        describe_overwrite(out, v);
        break;
    case CHECKPOINT_REDO:
        if (v->major >= 17) {
            put(out, "wal_level ");
            put_wal_level(out, i32(v, v->main, 0));
        }
        break;
    case LOGICAL_DECODING_STATUS_CHANGE:
        if (v->major >= 19)
            put_true(out, u8(v, v->main, 0));
        break;
    }
}
