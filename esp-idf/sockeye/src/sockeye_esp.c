/*
 * Events on the default event loop.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#include "sockeye_esp.h"

#include <stdio.h>

#include "esp_log.h"
#include "freertos/FreeRTOS.h"

ESP_EVENT_DEFINE_BASE(SOCKEYE_EVENTS);

void sockeye_esp_post_event(sockeye_client_handle_t client, const sockeye_event_t *event)
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
    if (event->id == SOCKEYE_EVENT_PING) {
        return;
    }
    snprintf(copy.nsp, sizeof copy.nsp, "%s", event->nsp != NULL ? event->nsp : "");
    snprintf(copy.text, sizeof copy.text, "%s", event->text);
    if (esp_event_post(SOCKEYE_EVENTS, event->id, &copy, sizeof copy, pdMS_TO_TICKS(1000)) != ESP_OK) {
        ESP_LOGW("sockeye", "event %d could not be posted: is there a default event loop, and does it run?", event->id);
    }
}

static void post(sockeye_client_handle_t client, const sockeye_event_t *event, void *ctx)
{
    (void)ctx;
    sockeye_esp_post_event(client, event);
}

esp_err_t sockeye_esp_post_events(sockeye_client_config_t *config)
{
    if (config == NULL) {
        return ESP_ERR_INVALID_ARG;
    }
    if (config->event_cb != NULL && config->event_cb != post) {
        /* It would never be called, and nobody would say so. */
        ESP_LOGE("sockeye", "config.event_cb is set: call sockeye_esp_post_event in it instead");
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
