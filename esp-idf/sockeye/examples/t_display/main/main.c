/*
 * Sockeye on the LilyGO TTGO T-Display (ESP32): the screen shows the connection, the last event and the round trip. The left
 * button asks the server, the right one answers its last question.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "driver/gpio.h"
#include "esp_event.h"
#include "esp_log.h"
#include "esp_netif.h"
#include "esp_timer.h"
#include "freertos/FreeRTOS.h"
#include "freertos/queue.h"
#include "freertos/task.h"
#include "nvs_flash.h"
#include "protocol_examples_common.h"
#include "screen.h"
#include "sockeye_esp.h"

static const char *TAG = "t_display";

enum { LEFT = 0, RIGHT = 35 };
enum { LINE_STATE, LINE_EVENT, LINE_ARGS, LINE_TRIP, LINE_QUESTION };

/* The screen belongs to the main task: others send it lines. */
struct shown {
    int line;
    char text[24];
};
static QueueHandle_t lines;

/* The question that waits for the right button; 0 for none. Questions come on the client's task. */
static QueueHandle_t questions;

static void show(int line, const char *text)
{
    struct shown shown = {.line = line};
    strlcpy(shown.text, text, sizeof shown.text);
    if (xQueueSend(lines, &shown, 0) != pdTRUE) {
        ESP_LOGW(TAG, "not shown: %s", text);
    }
}

static void on_event(void *arg, esp_event_base_t base, int32_t id, void *data)
{
    const sockeye_esp_event_t *event = data;
    char text[24];
    (void)arg;
    (void)base;
    switch (id) {
    case SOCKEYE_EVENT_JOINED:
        snprintf(text, sizeof text, "joined %.16s", event->nsp);
        show(LINE_STATE, text);
        break;
    case SOCKEYE_EVENT_DISCONNECTED:
        show(LINE_STATE, event->reason);
        break;
    case SOCKEYE_EVENT_CONNECT_ERROR:
        ESP_LOGW(TAG, "%s", event->text);
        show(LINE_STATE, "no connection");
        break;
    case SOCKEYE_EVENT_RECONNECTING:
        snprintf(text, sizeof text, "attempt %" PRIu32, event->attempt);
        show(LINE_STATE, text);
        break;
    default:
        break;
    }
}

static void on_message(sockeye_client_handle_t client, const sockeye_message_t *message, void *ctx)
{
    sockeye_json_t json = sockeye_args_json(message->args);
    char text[24];
    (void)client;
    (void)ctx;
    show(LINE_EVENT, message->event);
    snprintf(text, sizeof text, "%.*s", (int)(json.len < 23 ? json.len : 23), json.data);
    show(LINE_ARGS, text);
    if (message->ack != 0) {
        xQueueOverwrite(questions, &message->ack);
        show(LINE_QUESTION, "right button answers");
    }
}

/* The context is when the left button was pressed. */
static void on_heard(sockeye_client_handle_t client, sockeye_err_t result, const sockeye_args_t *args, void *ctx)
{
    const uint32_t took = (uint32_t)(esp_timer_get_time() / 1000) - (uint32_t)(uintptr_t)ctx;
    char text[24];
    (void)client;
    (void)args;
    if (result == SOCKEYE_OK) {
        snprintf(text, sizeof text, "trip %" PRIu32 " ms", took);
    } else {
        snprintf(text, sizeof text, "%s", result == SOCKEYE_ERR_TIMEOUT ? "no answer" : "not sent");
    }
    show(LINE_TRIP, text);
}

static void ask(sockeye_client_handle_t client)
{
    const uint32_t now = (uint32_t)(esp_timer_get_time() / 1000);
    const sockeye_err_t result =
        sockeye_client_emit_with_ack(client, NULL, "button", "[\"left\"]", 5000, on_heard, (void *)(uintptr_t)now);
    if (result != SOCKEYE_OK) {
        ESP_LOGW(TAG, "could not ask: %s", sockeye_err_to_name(result));
    }
}

static void answer(sockeye_client_handle_t client)
{
    sockeye_ack_t question = 0;
    sockeye_err_t result;
    if (xQueueReceive(questions, &question, 0) != pdTRUE) {
        return;
    }
    result = sockeye_client_ack(client, question, "[\"right\"]");
    show(LINE_QUESTION, result == SOCKEYE_OK ? "answered" : "too late");
}

void app_main(void)
{
    sockeye_client_config_t config = SOCKEYE_CLIENT_CONFIG_DEFAULT();
    sockeye_client_handle_t client;
    bool left_before = false, right_before = false;

    ESP_ERROR_CHECK(nvs_flash_init());
    ESP_ERROR_CHECK(esp_netif_init());
    ESP_ERROR_CHECK(esp_event_loop_create_default());
    lines = xQueueCreate(16, sizeof(struct shown));
    questions = xQueueCreate(1, sizeof(sockeye_ack_t));
    if (lines == NULL || questions == NULL) {
        ESP_ERROR_CHECK(ESP_ERR_NO_MEM);
    }
    ESP_ERROR_CHECK(screen_start());
    ESP_ERROR_CHECK(gpio_set_direction(LEFT, GPIO_MODE_INPUT));
    ESP_ERROR_CHECK(gpio_set_direction(RIGHT, GPIO_MODE_INPUT));
    ESP_ERROR_CHECK(screen_show(LINE_STATE, "network ..."));
    ESP_ERROR_CHECK(example_connect());
    ESP_ERROR_CHECK(screen_show(LINE_STATE, "server ..."));

    config.uri = CONFIG_EXAMPLE_SERVER_URI;
    ESP_ERROR_CHECK(sockeye_register_events(ESP_EVENT_ANY_ID, on_event, NULL));
    ESP_ERROR_CHECK(sockeye_esp_post_events(&config));
    ESP_ERROR_CHECK(sockeye_client_init(&config, &client));
    ESP_ERROR_CHECK(sockeye_client_on(client, NULL, NULL, on_message, NULL));
    ESP_ERROR_CHECK(sockeye_client_start(client));

    for (;;) {
        const bool left = gpio_get_level(LEFT) == 0, right = gpio_get_level(RIGHT) == 0;
        struct shown shown;
        if (left && !left_before) {
            ask(client);
        }
        if (right && !right_before) {
            answer(client);
        }
        left_before = left;
        right_before = right;
        /* Long enough for the buttons to stop bouncing. */
        if (xQueueReceive(lines, &shown, pdMS_TO_TICKS(30)) == pdTRUE) {
            ESP_ERROR_CHECK_WITHOUT_ABORT(screen_show(shown.line, shown.text));
        }
    }
}
