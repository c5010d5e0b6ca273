/*
 * Sockeye on ESP-IDF: events on the default event loop, beside the callbacks of sockeye.h.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#ifndef SOCKEYE_ESP_H
#define SOCKEYE_ESP_H

#include "esp_err.h"
#include "esp_event.h"
#include "sockeye.h"

#ifdef __cplusplus
extern "C" {
#endif

/**
 * The base of the events: their ids are the `SOCKEYE_EVENT_` numbers of sockeye.h, and their data is a
 * `sockeye_esp_event_t`.
 */
ESP_EVENT_DECLARE_BASE(SOCKEYE_EVENTS);

/**
 * Events are missing here: the event loop's queue was full for too long, or there was no memory for their copies. `lost` says
 * how many, `lost_kinds` which. It comes before the next event that is posted, and by itself, within a tenth of a second of the
 * queue's having room again, if none follows. Only on the event loop: an `event_cb` misses nothing.
 */
#define SOCKEYE_EVENT_LOST ((sockeye_event_id_t)255)

/** The bit of `lost_kinds` for one `SOCKEYE_EVENT_` number: `event->lost_kinds & SOCKEYE_LOST_KIND(SOCKEYE_EVENT_CLOSED)`. */
#define SOCKEYE_LOST_KIND(id) (1u << ((id) & 31u))

/** What happened, copied: valid in the event handler. Long texts are cut. */
typedef struct {
    /**
     * The client. It may have been destroyed since: compare it, and use it only if you know that it lives. Null for a
     * SOCKEYE_EVENT_LOST of several clients.
     */
    sockeye_client_handle_t client;
    /** A `SOCKEYE_EVENT_` number. */
    sockeye_event_id_t id;
    /** The namespace; empty for what concerns the whole connection. */
    char nsp[52];
    /** One line for people; the id of the socket for SOCKEYE_EVENT_JOINED, the name for SOCKEYE_EVENT_RECEIVED. */
    char text[192];
    /** The official client's words for the end of a connection; null for other events. Static. */
    const char *reason;
    /** The number of the attempt, from 1. */
    uint32_t attempt;
    /** Until the attempt. */
    uint32_t delay_ms;
    /** Whether the server kept the session. */
    bool recovered;
    /** Whether another attempt follows by itself. */
    bool will_retry;
    /** For SOCKEYE_EVENT_LOST: how many events are missing, from 1; else 0. */
    uint32_t lost;
    /** For SOCKEYE_EVENT_LOST: which of them, a SOCKEYE_LOST_KIND for each; else 0. */
    uint32_t lost_kinds;
} sockeye_esp_event_t;

/**
 * Makes clients of this configuration post their events to the default event loop: sets `event_cb` and `event_ctx`, so call it
 * before sockeye_client_init. The loop must exist: esp_event_loop_create_default(). Pings are not posted.
 *
 * Each event is copied to the heap, those of SOCKEYE_EVENT_RECEIVED too. Where the loop's queue is full, the client's task waits
 * for room, `SOCKEYE_POST_TIMEOUT_MS` of menuconfig at most (1000), and reads nothing from the server meanwhile: the server's
 * events wait in the network. An event that finds no room in that time is left out, and the handlers are told by
 * SOCKEYE_EVENT_LOST, the log as well: look at sockeye_client_get_state and sockeye_client_is_connected then, and ask the server
 * for what you may have missed. What a sockeye_client_on handler gets is not concerned.
 *
 * Errors: ESP_ERR_INVALID_ARG for null, ESP_ERR_INVALID_STATE where `event_cb` is set: see sockeye_esp_post_event. Any task.
 */
esp_err_t sockeye_esp_post_events(sockeye_client_config_t *config);

/**
 * Posts one event as above: for an `event_cb` of your own, which may leave out what nobody waits for. A SOCKEYE_EVENT_PING is not
 * posted, which is no error.
 *
 * Errors: those of esp_event_post, and then the event has been left out, to be told by SOCKEYE_EVENT_LOST: ESP_ERR_TIMEOUT for a
 * queue that stayed full, ESP_ERR_NO_MEM, ESP_ERR_INVALID_STATE where there is no default event loop (nobody can be told then).
 * The client's task, in its `event_cb`.
 */
esp_err_t sockeye_esp_post_event(sockeye_client_handle_t client, const sockeye_event_t *event);

/**
 * Calls `handler` for each event of Sockeye's, on the task of the default event loop: esp_event_handler_register for
 * SOCKEYE_EVENTS. `event_id` is a `SOCKEYE_EVENT_` number, or ESP_EVENT_ANY_ID.
 *
 * Errors: those of esp_event_handler_register.
 */
esp_err_t sockeye_register_events(int32_t event_id, esp_event_handler_t handler, void *arg);

/**
 * The name of any code: of Sockeye's own by sockeye_err_to_name, of all others by esp_err_to_name.
 */
const char *sockeye_esp_err_to_name(esp_err_t code);

#ifdef __cplusplus
}
#endif

#endif
