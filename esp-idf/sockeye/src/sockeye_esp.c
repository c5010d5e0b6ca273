/*
 * Events on the default event loop.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#include "sockeye_esp.h"

#include <stdio.h>

#include "esp_log.h"
#include "freertos/FreeRTOS.h"
#include "freertos/semphr.h"
#include "freertos/task.h"
#include "freertos/timers.h"
#include "sdkconfig.h"

ESP_EVENT_DEFINE_BASE(SOCKEYE_EVENTS);

static const char *TAG = "sockeye";

/* How long an event waits for room in the queue. */
#define PATIENCE pdMS_TO_TICKS(CONFIG_SOCKEYE_POST_TIMEOUT_MS)

/* How often it is tried to tell what is missing, while no event follows that would. */
#define AGAIN pdMS_TO_TICKS(100)

/*
 * What could not be posted, of all clients, until SOCKEYE_EVENT_LOST is in the queue. Whoever posts holds the lock, the timer
 * too, so that no event comes between what is missing and what tells it; and the timer is started and stopped with the lock.
 */
static struct {
    SemaphoreHandle_t lock;
    TimerHandle_t again;
    sockeye_esp_event_t told;
} missing;
static StaticSemaphore_t lock_memory;
static StaticTimer_t timer_memory;
static portMUX_TYPE makers = portMUX_INITIALIZER_UNLOCKED;
static enum { NOT_MADE, MAKING, MADE } made;

static esp_err_t put(const sockeye_esp_event_t *event, TickType_t patience)
{
    return esp_event_post(SOCKEYE_EVENTS, event->id, event, sizeof *event, patience);
}

/* With the lock: tells what is missing, if anything is. */
static esp_err_t tell_missing(TickType_t patience)
{
    const esp_err_t done = missing.told.lost == 0 ? ESP_OK : put(&missing.told, patience);
    if (done == ESP_OK) {
        missing.told.lost = 0;
        missing.told.lost_kinds = 0;
    }
    return done;
}

/* On the task of FreeRTOS's timers, which must not wait: every 100 ms until all is told. */
static void tell_later(TimerHandle_t timer)
{
    if (xSemaphoreTake(missing.lock, 0) != pdTRUE) {
        return;
    }
    if (tell_missing(0) == ESP_OK) {
        xTimerStop(timer, 0);
    }
    xSemaphoreGive(missing.lock);
}

/* With the lock. */
static void note_missing(const sockeye_esp_event_t *event)
{
    sockeye_esp_event_t *told = &missing.told;
    if (told->lost == 0) {
        told->id = SOCKEYE_EVENT_LOST;
        told->client = event->client;
    } else if (told->client != event->client) {
        told->client = NULL;
    }
    if (told->lost < UINT32_MAX) {
        told->lost++;
    }
    told->lost_kinds |= SOCKEYE_LOST_KIND(event->id);
    snprintf(told->text, sizeof told->text, "%u events are missing here", (unsigned)told->lost);
}

/* Of static memory, so that it cannot fail; by whoever comes first. */
static void make(void)
{
    bool mine, done;
    do {
        taskENTER_CRITICAL(&makers);
        done = made == MADE;
        mine = made == NOT_MADE;
        if (mine) {
            made = MAKING;
        }
        taskEXIT_CRITICAL(&makers);
        if (mine) {
            missing.lock = xSemaphoreCreateMutexStatic(&lock_memory);
            missing.again = xTimerCreateStatic("sockeye", AGAIN > 0 ? AGAIN : 1, pdTRUE, NULL, tell_later, &timer_memory);
            taskENTER_CRITICAL(&makers);
            made = MADE;
            taskEXIT_CRITICAL(&makers);
        } else if (!done) {
            vTaskDelay(1);
        }
    } while (!mine && !done);
}

/* What is left of the patience. */
static TickType_t left(TimeOut_t *since, TickType_t *patience)
{
    return xTaskCheckForTimeOut(since, patience) == pdTRUE ? 0 : *patience;
}

esp_err_t sockeye_esp_post_event(sockeye_client_handle_t client, const sockeye_event_t *event)
{
    sockeye_esp_event_t copy = {
        .client = client,
        .id = event->id,
        .reason = event->reason,
        .attempt = event->attempt,
        .delay_ms = event->delay_ms,
        .recovered = event->recovered,
        .will_retry = event->will_retry,
    };
    TickType_t patience = PATIENCE;
    TimeOut_t since;
    esp_err_t done;
    if (event->id == SOCKEYE_EVENT_PING) {
        return ESP_OK;
    }
    snprintf(copy.nsp, sizeof copy.nsp, "%s", event->nsp != NULL ? event->nsp : "");
    snprintf(copy.text, sizeof copy.text, "%s", event->text);
    make();
    vTaskSetTimeOutState(&since);
    xSemaphoreTake(missing.lock, portMAX_DELAY);
    done = tell_missing(left(&since, &patience));
    if (done == ESP_OK) {
        done = put(&copy, left(&since, &patience));
    }
    if (done != ESP_OK) {
        note_missing(&copy);
        if (done != ESP_ERR_INVALID_STATE) {
            xTimerStart(missing.again, AGAIN);
        }
    }
    xSemaphoreGive(missing.lock);
    if (done == ESP_ERR_INVALID_STATE) {
        ESP_LOGE(TAG, "event %d could not be posted: esp_event_loop_create_default() comes first", event->id);
    } else if (done != ESP_OK) {
        ESP_LOGW(TAG, "event %d could not be posted (%s): SOCKEYE_EVENT_LOST tells it", event->id, esp_err_to_name(done));
    }
    return done;
}

static void post(sockeye_client_handle_t client, const sockeye_event_t *event, void *ctx)
{
    (void)ctx;
    /* What cannot be posted is told by SOCKEYE_EVENT_LOST. */
    (void)sockeye_esp_post_event(client, event);
}

esp_err_t sockeye_esp_post_events(sockeye_client_config_t *config)
{
    if (config == NULL) {
        return ESP_ERR_INVALID_ARG;
    }
    if (config->event_cb != NULL && config->event_cb != post) {
        /* It would never be called, and nobody would say so. */
        ESP_LOGE(TAG, "config.event_cb is set: call sockeye_esp_post_event in it instead");
        return ESP_ERR_INVALID_STATE;
    }
    config->event_cb = post;
    config->event_ctx = NULL;
    return ESP_OK;
}

esp_err_t sockeye_register_events(int32_t event_id, esp_event_handler_t handler, void *arg)
{
    return esp_event_handler_register(SOCKEYE_EVENTS, event_id, handler, arg);
}

const char *sockeye_esp_err_to_name(esp_err_t code)
{
    return code >= SOCKEYE_ERR_URI && code <= SOCKEYE_ERR_INTERNAL ? sockeye_err_to_name(code) : esp_err_to_name(code);
}
