/* What all C tests share: a check that ends the program, and a notebook that threads write into and a test waits on. */
#ifndef CHECK_H
#define CHECK_H

#ifndef _POSIX_C_SOURCE
#define _POSIX_C_SOURCE 200809L
#endif

#include "sockeye.h"
#include "port_posix.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define CHECK(condition)                                                                  \
    do {                                                                                  \
        if (!(condition)) {                                                               \
            fprintf(stderr, "%s:%d: failed: %s\n", __FILE__, __LINE__, #condition);       \
            abort();                                                                      \
        }                                                                                 \
    } while (0)

#define CHECK_ERR(call, wanted)                                                           \
    do {                                                                                  \
        sockeye_err_t check_got = (call);                                                 \
        if (check_got != (wanted)) {                                                      \
            fprintf(stderr, "%s:%d: %s is %s instead of %s\n", __FILE__, __LINE__, #call, \
                sockeye_err_to_name(check_got), sockeye_err_to_name(wanted));             \
            abort();                                                                      \
        }                                                                                 \
    } while (0)

#define CHECK_OK(call) CHECK_ERR(call, SOCKEYE_OK)

#define CHECK_TEXT(got, wanted)                                                           \
    do {                                                                                  \
        const char *check_got = (got), *check_wanted = (wanted);                          \
        if (strcmp(check_got, check_wanted) != 0) {                                       \
            fprintf(stderr, "%s:%d: `%s` instead of `%s`\n", __FILE__, __LINE__, check_got, check_wanted); \
            abort();                                                                      \
        }                                                                                 \
    } while (0)

/* Longer than anything takes on a busy machine, under valgrind too. */
#define PATIENCE_S 60

struct notebook {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    char lines[256][160];
    size_t count;
    /* Lines before this one have been waited for. */
    size_t read;
    unsigned long counter;
};

static inline void notebook_open(struct notebook *notes)
{
    memset(notes, 0, sizeof *notes);
    pthread_mutex_init(&notes->lock, NULL);
    pthread_cond_init(&notes->changed, NULL);
}

static inline void notebook_close(struct notebook *notes)
{
    pthread_cond_destroy(&notes->changed);
    pthread_mutex_destroy(&notes->lock);
}

static inline void note(struct notebook *notes, const char *format, ...)
{
    va_list args;
    pthread_mutex_lock(&notes->lock);
    CHECK(notes->count < sizeof notes->lines / sizeof notes->lines[0]);
    va_start(args, format);
    vsnprintf(notes->lines[notes->count], sizeof notes->lines[0], format, args);
    va_end(args);
    notes->count++;
    pthread_cond_broadcast(&notes->changed);
    pthread_mutex_unlock(&notes->lock);
}

static inline void count(struct notebook *notes)
{
    pthread_mutex_lock(&notes->lock);
    notes->counter++;
    pthread_cond_broadcast(&notes->changed);
    pthread_mutex_unlock(&notes->lock);
}

static inline void notes_fail(struct notebook *notes, const char *wanted)
{
    size_t i;
    fprintf(stderr, "`%s` did not come; counter %lu; notes:\n", wanted, notes->counter);
    for (i = 0; i < notes->count; i++) {
        fprintf(stderr, "  %s%s\n", i < notes->read ? "(seen) " : "", notes->lines[i]);
    }
    abort();
}

static inline struct timespec patience(void)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += PATIENCE_S;
    return until;
}

/* Waits for the next line that begins so; lines before it are skipped, and not seen again. */
static inline const char *expect(struct notebook *notes, const char *wanted)
{
    struct timespec until = patience();
    const char *found = NULL;
    pthread_mutex_lock(&notes->lock);
    while (found == NULL) {
        while (notes->read < notes->count && found == NULL) {
            const char *line = notes->lines[notes->read++];
            if (strncmp(line, wanted, strlen(wanted)) == 0) {
                found = line;
            }
        }
        if (found == NULL && pthread_cond_timedwait(&notes->changed, &notes->lock, &until) == ETIMEDOUT) {
            notes_fail(notes, wanted);
        }
    }
    pthread_mutex_unlock(&notes->lock);
    return found;
}

/* Whether a line that begins so has been written, seen or not. */
static inline bool noted(struct notebook *notes, const char *wanted)
{
    bool found = false;
    size_t i;
    pthread_mutex_lock(&notes->lock);
    for (i = 0; i < notes->count; i++) {
        found = found || strncmp(notes->lines[i], wanted, strlen(wanted)) == 0;
    }
    pthread_mutex_unlock(&notes->lock);
    return found;
}

static inline void expect_count(struct notebook *notes, unsigned long wanted)
{
    struct timespec until = patience();
    pthread_mutex_lock(&notes->lock);
    while (notes->counter < wanted) {
        if (pthread_cond_timedwait(&notes->changed, &notes->lock, &until) == ETIMEDOUT) {
            notes_fail(notes, "a count");
        }
    }
    pthread_mutex_unlock(&notes->lock);
}

static inline const char *event_name(sockeye_event_id_t id)
{
    static const char *const names[] = {"ready", "connected http", "connected ws", "joined", "received",
        "connect error", "upgrade error", "reconnecting", "reconnected", "reconnect failed", "disconnected",
        "closed", "too large", "ping", "no mem", "stopped", "unsent"};
    CHECK(id < sizeof names / sizeof names[0]);
    return names[id];
}

/* Notes everything that happens to a connection, except that events came. */
static inline void on_event(sockeye_client_handle_t client, const sockeye_event_t *event, void *ctx)
{
    struct notebook *notes = (struct notebook *)ctx;
    (void)client;
    CHECK(event->text != NULL);
    if (event->id == SOCKEYE_EVENT_JOINED) {
        CHECK(event->text[0] != 0);
        note(notes, "joined %s", event->nsp);
    } else if (event->id == SOCKEYE_EVENT_DISCONNECTED) {
        note(notes, "disconnected %s %s", event->nsp, event->reason);
    } else if (event->id == SOCKEYE_EVENT_CONNECT_ERROR && event->nsp != NULL) {
        note(notes, "refused %s %s %.*s", event->nsp, event->text, (int)event->data.len,
            event->data.data != NULL ? event->data.data : "");
    } else if (event->id != SOCKEYE_EVENT_RECEIVED && event->id != SOCKEYE_EVENT_PING) {
        note(notes, "%s%s%s", event_name(event->id), event->text[0] != 0 ? ": " : "", event->text);
    }
}

/* Notes an event with its arguments as they came. */
static inline void on_message(sockeye_client_handle_t client, const sockeye_message_t *message, void *ctx)
{
    sockeye_json_t json = sockeye_args_json(message->args);
    (void)client;
    CHECK(strlen(message->event) == message->event_len);
    note((struct notebook *)ctx, "%s %s %.*s", message->nsp, message->event, (int)json.len, json.data);
}

/* Notes an answer. */
static inline void on_ack(
    sockeye_client_handle_t client, sockeye_err_t result, const sockeye_args_t *args, void *ctx)
{
    sockeye_json_t json = sockeye_args_json(args);
    (void)client;
    CHECK((result == SOCKEYE_OK) == (args != NULL));
    note((struct notebook *)ctx, "ack %s %.*s", sockeye_err_to_name(result), (int)json.len,
        json.data != NULL ? json.data : "");
}

/* A configuration for a server on this machine that notes what happens. */
static inline sockeye_client_config_t config_for(const char *uri, struct notebook *notes)
{
    sockeye_client_config_t config = SOCKEYE_CLIENT_CONFIG_DEFAULT();
    config.uri = uri;
    config.reconnect_delay_ms = 1;
    config.reconnect_delay_max_ms = 5;
    if (notes != NULL) {
        config.event_cb = on_event;
        config.event_ctx = notes;
    }
    return config;
}

#endif
