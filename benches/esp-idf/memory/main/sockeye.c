/* With Sockeye, as menuconfig has it from the start. SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <stdio.h>

#include "client.h"
#include "esp_err.h"
#include "sockeye_esp.h"

const char *client_task = "sockeye";
const bool client_can_be_freed = true;

static sockeye_client_handle_t client;

static void on_event(sockeye_client_handle_t from, const sockeye_event_t *event, void *ctx)
{
    (void)from;
    (void)ctx;
    if (event->id == SOCKEYE_EVENT_JOINED) {
        on_joined();
    }
}

static void on_load_event(sockeye_client_handle_t from, const sockeye_message_t *message, void *ctx)
{
    (void)from;
    (void)message;
    (void)ctx;
    on_load();
}

static void on_done_event(sockeye_client_handle_t from, const sockeye_message_t *message, void *ctx)
{
    (void)from;
    (void)message;
    (void)ctx;
    on_done();
}

void client_make(const char *host, int port, const char *ca)
{
    sockeye_client_config_t config = SOCKEYE_CLIENT_CONFIG_DEFAULT();
    char uri[64];
    snprintf(uri, sizeof uri, "%s://%s:%d", ca != NULL ? "https" : "http", host, port);
    config.uri = uri;
    config.tls.ca_pem = ca;
    config.event_cb = on_event;
    ESP_ERROR_CHECK(sockeye_client_init(&config, &client));
    ESP_ERROR_CHECK(sockeye_client_on(client, NULL, "load", on_load_event, NULL));
    ESP_ERROR_CHECK(sockeye_client_on(client, NULL, "done", on_done_event, NULL));
}

void client_start(void)
{
    ESP_ERROR_CHECK(sockeye_client_start(client));
}

void client_ask(int count, int size)
{
    char args[32];
    snprintf(args, sizeof args, "[%d,%d]", count, size);
    ESP_ERROR_CHECK(sockeye_client_emit(client, NULL, "burst", args));
}

void client_free(void)
{
    sockeye_client_destroy(client);
}
