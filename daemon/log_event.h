/* SPDX-License-Identifier: MIT */
/*
 * Log events: everything that the daemon can say, a line each, and the journal's fields for it.
 *
 * An event's id is for ever: administrators' filters (journalctl MESSAGE_ID=...) and the catalog in
 * systemd/tcptimer.catalog hang on it.
 */
#pragma once

/* X(name, priority, MESSAGE_ID); the priorities are those of syslog(3). */
#define LOG_EVENTS(X)                                                                              \
    /* the daemon's life */                                                                        \
    X(STARTED,          LOG_INFO,    "eea06f73f3e24dbeabff1eefe1ae514f")                           \
    X(LISTENING,        LOG_INFO,    "9b711a6f08c54f439793442bd43dfbc8")                           \
    X(START_FAILED,     LOG_ERR,     "295fbf62d2c245ada4e4c1e128c8dc08")                           \
    X(STOPPING,         LOG_INFO,    "16360cece4d9450e86d707c2a7852e1c")                           \
    X(STOPPED,          LOG_INFO,    "10828ace5f8a43f888957f005d4057bb")                           \
    X(CONFIG_WARNING,   LOG_WARNING, "82038ec787e4403296d40dce0b1c8d7b")                           \
    X(RELOADED,         LOG_INFO,    "6d8b3b2a1db24cdbbf67d21cce052c31")                           \
    X(RELOAD_FAILED,    LOG_ERR,     "afe898af393b43589b7745a7fb8a1014")                           \
    X(STATISTICS,       LOG_INFO,    "570d8e073f6043c89fd115a05e93d0ca")                           \
    X(WORKER_STUCK,     LOG_CRIT,    "fb78f0d3c8d941cface8591f5cfdfdd3")                           \
    X(CLOCK_STEPPED,    LOG_NOTICE,  "6f791bacf38843d5a0293324269d6f10")                           \
    /* clients */                                                                                  \
    X(CONNECTED,        LOG_DEBUG,   "d29ed406d0c24e70a16a2d4395b4135e")                           \
    X(DISCONNECTED,     LOG_DEBUG,   "8fe0a34ed8ea430e934796d23262b39a")                           \
    X(REFUSED,          LOG_WARNING, "774e281941d94eb397b4fb10b544e4b0")                           \
    X(TIMED_OUT,        LOG_INFO,    "ffe0729c99e74b4fb52cffbbf4e4cecf")                           \
    X(BAD_MESSAGE,      LOG_NOTICE,  "871a848521564629a78804ebbbfbcafd")                           \
    X(MESSAGE,          LOG_INFO,    "c8c0b29266284cf7bf1c9c409b87a2da")                           \
    X(SLOW,             LOG_WARNING, "90afc728d77f40e691961773b478c2ed")                           \
    /* what the host ran out of */                                                                 \
    X(ACCEPT_PAUSED,    LOG_ERR,     "a1a925fa1d6a4fb0a972fb61f8915f49")                           \
    X(ACCEPT_RESUMED,   LOG_NOTICE,  "4613e590cbe044c79d1feacd5cf4ba7b")                           \
    X(LOG_DROPPED,      LOG_WARNING, "7ad8019c0167470fbc0cbca6923dde47")                           \
    X(LOG_FILE_FAILED,  LOG_ERR,     "0cfa89ab23ca452281855f1330877dc0")                           \
    X(LOG_FILE_RESUMED, LOG_NOTICE,  "671f97f59299408690c06272e72bad81")

enum log_event {
#define X(name, priority, id) LOG_EVENT_##name,
    LOG_EVENTS(X)
#undef X
    N_LOG_EVENTS
};

/* X(name, journal field, type): numbers that an event may carry beside its text. A record holds any
 * of them in 64 bits; of the type LOG_SIGNED they are an int64_t. */
#define LOG_FIELDS(X)                                                                              \
    X(WORKER,           "TCPTIMER_WORKER",         LOG_UNSIGNED)                                   \
    X(WORKERS,          "TCPTIMER_WORKERS",        LOG_UNSIGNED)                                   \
    X(LISTENERS,        "TCPTIMER_LISTENERS",      LOG_UNSIGNED)                                   \
    X(CLIENTS,          "TCPTIMER_CLIENTS",        LOG_UNSIGNED)                                   \
    X(ACCEPTED,         "TCPTIMER_ACCEPTED",       LOG_UNSIGNED)                                   \
    X(MESSAGES,         "TCPTIMER_MESSAGES",       LOG_UNSIGNED)                                   \
    X(REFUSED,          "TCPTIMER_REFUSED",        LOG_UNSIGNED)                                   \
    X(TIMED_OUT,        "TCPTIMER_TIMED_OUT",      LOG_UNSIGNED)                                   \
    X(BAD_MESSAGES,     "TCPTIMER_BAD_MESSAGES",   LOG_UNSIGNED)                                   \
    X(LET_GO,           "TCPTIMER_LET_GO",         LOG_UNSIGNED)                                   \
    X(DROPPED,          "TCPTIMER_DROPPED",        LOG_UNSIGNED)                                   \
    X(SUPPRESSED,       "TCPTIMER_SUPPRESSED",     LOG_UNSIGNED)                                   \
    X(DELTA,            "TCPTIMER_DELTA_NSEC",     LOG_UNSIGNED)                                   \
    X(THRESHOLD,        "TCPTIMER_THRESHOLD_NSEC", LOG_UNSIGNED)                                   \
    X(UPTIME,           "TCPTIMER_UPTIME_NSEC",    LOG_UNSIGNED)                                   \
    X(STEP,             "TCPTIMER_STEP_NSEC",      LOG_SIGNED)

enum log_number_type {
    LOG_UNSIGNED,
    LOG_SIGNED,
};

enum log_field {
#define X(name, journal, type) LOG_FIELD_##name,
    LOG_FIELDS(X)
#undef X
    N_LOG_FIELDS
};

/*
 * Beside these an entry has, where it knows them: TCPTIMER_EVENT (the name above, in lower case),
 * TCPTIMER_CLIENT, TCPTIMER_LISTENER, TCPTIMER_UUID, TCPTIMER_REASON, and journald's own PRIORITY,
 * MESSAGE, MESSAGE_ID, ERRNO, CODE_FILE, CODE_LINE, CODE_FUNC.
 */
