/*
 * Sockeye on the `linux` target of ESP-IDF: connects to a server on this machine, says something, answers something.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#include <stdio.h>
#include <stdlib.h>

#include "esp_event.h"
#include "esp_log.h"
#include "freertos/FreeRTOS.h"
#include "freertos/task.h"
#include "sockeye_esp.h"

static const char *TAG = "example";

static void on_event(void *arg, esp_event_base_t base, int32_t id, void *data)
{
    const sockeye_esp_event_t *event = data;
    (void)arg;
    (void)base;
    switch (id) {
    case SOCKEYE_EVENT_JOINED:
        ESP_LOGI(TAG, "joined %s as %s", event->nsp, event->text);
        break;
    case SOCKEYE_EVENT_CONNECT_ERROR:
        ESP_LOGW(TAG, "connect error: %s", event->text);
        break;
    case SOCKEYE_EVENT_DISCONNECTED:
        ESP_LOGI(TAG, "left %s: %s", event->nsp, event->reason);
        break;
    default:
        ESP_LOGI(TAG, "event %d %s", (int)id, event->text);
        break;
    }
}

static void on_echo(sockeye_client_handle_t client, const sockeye_message_t *message, void *ctx)
{
    sockeye_json_t json = sockeye_args_json(message->args);
    (void)client;
    ESP_LOGI(TAG, "%s %.*s", message->event, (int)json.len, json.data);
    xTaskNotifyGive((TaskHandle_t)ctx);
}

static void on_question(sockeye_client_handle_t client, const sockeye_message_t *message, void *ctx)
{
    (void)ctx;
    ESP_LOGI(TAG, "question answered: %s", sockeye_err_to_name(sockeye_client_ack(client, message->ack, "[\"the answer\"]")));
}

static void on_answer(sockeye_client_handle_t client, sockeye_err_t result, const sockeye_args_t *args, void *ctx)
{
    sockeye_json_t json = sockeye_args_json(args);
    (void)client;
    ESP_LOGI(TAG, "acknowledged: %s %.*s", sockeye_err_to_name(result), (int)json.len, json.data != NULL ? json.data : "");
    xTaskNotifyGive((TaskHandle_t)ctx);
}

void app_main(void)
{
    const char *uri = getenv("SOCKEYE_URI");
    sockeye_client_config_t config = SOCKEYE_CLIENT_CONFIG_DEFAULT();
    sockeye_client_handle_t client;
    char buffer[128];
    sockeye_writer_t args;
    int seen;

    ESP_ERROR_CHECK(esp_event_loop_create_default());
    ESP_ERROR_CHECK(sockeye_register_events(ESP_EVENT_ANY_ID, on_event, NULL));
    config.uri = uri != NULL ? uri : "http://127.0.0.1:3000";
    ESP_ERROR_CHECK(sockeye_esp_post_events(&config));
    ESP_ERROR_CHECK(sockeye_client_init(&config, &client));
    ESP_ERROR_CHECK(sockeye_client_on(client, NULL, "echo", on_echo, xTaskGetCurrentTaskHandle()));
    ESP_ERROR_CHECK(sockeye_client_on(client, NULL, "answered", on_echo, xTaskGetCurrentTaskHandle()));
    ESP_ERROR_CHECK(sockeye_client_on(client, NULL, "question", on_question, NULL));
    ESP_ERROR_CHECK(sockeye_client_start(client));

    ESP_ERROR_CHECK(sockeye_writer_init(&args, buffer, sizeof buffer));
    sockeye_writer_string(&args, "kitchen");
    sockeye_writer_begin_object(&args);
    sockeye_writer_key(&args, "celsius");
    sockeye_writer_double(&args, 21.5);
    sockeye_writer_end(&args);
    sockeye_writer_binary(&args, (const uint8_t *)"\x01\x02\x03", 3);
    ESP_ERROR_CHECK(sockeye_client_emit_args(client, NULL, "echo", &args));
    ESP_ERROR_CHECK(sockeye_client_emit(client, NULL, "ask", "[\"what?\"]"));
    ESP_ERROR_CHECK(
        sockeye_client_emit_with_ack(client, NULL, "ack", "[1,2,3]", 5000, on_answer, xTaskGetCurrentTaskHandle()));
    for (seen = 0; seen < 3; seen++) {
        if (ulTaskNotifyTake(pdFALSE, pdMS_TO_TICKS(10000)) == 0) {
            ESP_LOGE(TAG, "nothing came for ten seconds: is there a server at %s?", config.uri);
            exit(1);
        }
    }
    ESP_ERROR_CHECK(sockeye_client_stop(client));
    sockeye_client_destroy(client);
    vTaskDelay(pdMS_TO_TICKS(50));
    ESP_LOGI(TAG, "done");
    exit(0);
}
