/*
 * The same with Sockeye: says hello with an acknowledgement, and answers `light`.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#include "esp_log.h"
#include "sockeye_esp.h"

void run_client(void);

static const char *TAG = "size";

static void on_event(void *arg, esp_event_base_t base, int32_t id, void *data)
{
    const sockeye_esp_event_t *event = data;
    (void)arg;
    (void)base;
    ESP_LOGI(TAG, "%d %s", (int)id, event->text);
}

static void on_light(sockeye_client_handle_t client, const sockeye_message_t *message, void *ctx)
{
    bool on = false;
    (void)ctx;
    if (sockeye_args_get_bool(message->args, 0, &on) == SOCKEYE_OK) {
        ESP_LOGI(TAG, "light %d", on);
    }
    sockeye_client_ack(client, message->ack, "[true]");
}

static void on_heard(sockeye_client_handle_t client, sockeye_err_t result, const sockeye_args_t *args, void *ctx)
{
    (void)client;
    (void)args;
    (void)ctx;
    ESP_LOGI(TAG, "heard: %s", sockeye_esp_err_to_name(result));
}

void run_client(void)
{
    sockeye_client_config_t config = SOCKEYE_CLIENT_CONFIG_DEFAULT();
    sockeye_client_handle_t client;
    sockeye_writer_t args;
    char buffer[64];
    config.uri = "https://example.org";
    ESP_ERROR_CHECK(sockeye_register_events(ESP_EVENT_ANY_ID, on_event, NULL));
    ESP_ERROR_CHECK(sockeye_esp_post_events(&config));
    ESP_ERROR_CHECK(sockeye_client_init(&config, &client));
    ESP_ERROR_CHECK(sockeye_client_on(client, NULL, "light", on_light, NULL));
    ESP_ERROR_CHECK(sockeye_client_start(client));
    ESP_ERROR_CHECK(sockeye_writer_init(&args, buffer, sizeof buffer));
    sockeye_writer_string(&args, "kitchen");
    sockeye_writer_double(&args, 21.5);
    ESP_ERROR_CHECK(sockeye_client_emit_args(client, NULL, "reading", &args));
    ESP_ERROR_CHECK(sockeye_client_emit_with_ack(client, NULL, "hello", "[]", 5000, on_heard, NULL));
}
