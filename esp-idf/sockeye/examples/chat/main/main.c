/*
 * A chat by Socket.IO: what others say is shown in the log, the button says hello, and the server may switch the LED.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#include <inttypes.h>
#include <stdio.h>

#include "driver/gpio.h"
#include "esp_check.h"
#include "esp_event.h"
#include "esp_log.h"
#include "esp_netif.h"
#include "esp_system.h"
#include "esp_timer.h"
#include "freertos/FreeRTOS.h"
#include "freertos/task.h"
#include "nvs_flash.h"
#include "protocol_examples_common.h"
#include "sockeye_esp.h"

static const char *TAG = "chat";

#if CONFIG_EXAMPLE_SERVER_CA
extern const char ca_pem[] asm("_binary_ca_pem_start");
#endif

/* What happens to the connection, on the task of the event loop. */
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
        ESP_LOGW(TAG, "no connection: %s", event->text);
        break;
    case SOCKEYE_EVENT_RECONNECTING:
        ESP_LOGI(TAG, "attempt %" PRIu32 " in %" PRIu32 " ms", event->attempt, event->delay_ms);
        break;
    case SOCKEYE_EVENT_DISCONNECTED:
        ESP_LOGW(TAG, "left %s: %s (%s)", event->nsp, event->reason, event->text);
        break;
    default:
        break;
    }
}

/* Someone says something: `["name", "text"]`. On the client's task. */
static void on_chat(sockeye_client_handle_t client, const sockeye_message_t *message, void *ctx)
{
    char name[32], text[128];
    (void)client;
    (void)ctx;
    if (sockeye_args_get_string(message->args, 0, name, sizeof name, NULL) == SOCKEYE_OK
        && sockeye_args_get_string(message->args, 1, text, sizeof text, NULL) == SOCKEYE_OK) {
        ESP_LOGI(TAG, "%s: %s", name, text);
    } else {
        ESP_LOGW(TAG, "a message that is not two short texts");
    }
}

/* The server switches the LED: `[true]`, and wants to know whether that was done. */
static void on_led(sockeye_client_handle_t client, const sockeye_message_t *message, void *ctx)
{
    bool on = false;
    const bool done = CONFIG_EXAMPLE_LED_GPIO >= 0 && sockeye_args_get_bool(message->args, 0, &on) == SOCKEYE_OK;
    (void)ctx;
#if CONFIG_EXAMPLE_LED_GPIO >= 0
    if (done) {
        gpio_set_level(CONFIG_EXAMPLE_LED_GPIO, on);
    }
#endif
    if (message->ack != 0) {
        sockeye_client_ack(client, message->ack, done ? "[true]" : "[false]");
    }
}

/* The server has heard the button. The context is when that was pressed. */
static void on_heard(sockeye_client_handle_t client, sockeye_err_t result, const sockeye_args_t *args, void *ctx)
{
    const uint32_t pressed = (uint32_t)(uintptr_t)ctx;
    (void)client;
    (void)args;
    if (result == SOCKEYE_OK) {
        ESP_LOGI(TAG, "heard after %" PRIu32 " ms", (uint32_t)(esp_timer_get_time() / 1000) - pressed);
    } else {
        ESP_LOGW(TAG, "not heard: %s", sockeye_err_to_name(result));
    }
}

static void say_hello(sockeye_client_handle_t client, int count)
{
    char buffer[128], text[48];
    sockeye_writer_t args;
    sockeye_json_t json;
    sockeye_err_t result;
    sockeye_writer_init(&args, buffer, sizeof buffer);
    snprintf(text, sizeof text, "hello number %d", count);
    sockeye_writer_string(&args, CONFIG_IDF_TARGET);
    sockeye_writer_string(&args, text);
    result = sockeye_writer_get(&args, &json);
    if (result == SOCKEYE_OK) {
        const uint32_t now = (uint32_t)(esp_timer_get_time() / 1000);
        result = sockeye_client_emit_with_ack(client, NULL, "chat", buffer, 5000, on_heard, (void *)(uintptr_t)now);
    }
    if (result != SOCKEYE_OK) {
        ESP_LOGW(TAG, "could not say it: %s", sockeye_err_to_name(result));
    }
}

static void prepare_pins(void)
{
#if CONFIG_EXAMPLE_LED_GPIO >= 0
    ESP_ERROR_CHECK(gpio_reset_pin(CONFIG_EXAMPLE_LED_GPIO));
    ESP_ERROR_CHECK(gpio_set_direction(CONFIG_EXAMPLE_LED_GPIO, GPIO_MODE_OUTPUT));
#endif
#if CONFIG_EXAMPLE_BUTTON_GPIO >= 0
    ESP_ERROR_CHECK(gpio_reset_pin(CONFIG_EXAMPLE_BUTTON_GPIO));
    ESP_ERROR_CHECK(gpio_set_direction(CONFIG_EXAMPLE_BUTTON_GPIO, GPIO_MODE_INPUT));
    ESP_ERROR_CHECK(gpio_set_pull_mode(CONFIG_EXAMPLE_BUTTON_GPIO, GPIO_PULLUP_ONLY));
#endif
}

static bool button_is_pressed(void)
{
#if CONFIG_EXAMPLE_BUTTON_GPIO >= 0
    return gpio_get_level(CONFIG_EXAMPLE_BUTTON_GPIO) == 0;
#else
    return false;
#endif
}

void app_main(void)
{
    sockeye_client_config_t config = SOCKEYE_CLIENT_CONFIG_DEFAULT();
    sockeye_client_handle_t client;
    bool before = false;
    int count = 0;

    ESP_ERROR_CHECK(nvs_flash_init());
    ESP_ERROR_CHECK(esp_netif_init());
    ESP_ERROR_CHECK(esp_event_loop_create_default());
    prepare_pins();
    ESP_ERROR_CHECK(example_connect());

    config.uri = CONFIG_EXAMPLE_SERVER_URI;
#if CONFIG_EXAMPLE_SERVER_CA
    config.tls.ca_pem = ca_pem;
#endif
    ESP_ERROR_CHECK(sockeye_register_events(ESP_EVENT_ANY_ID, on_event, NULL));
    ESP_ERROR_CHECK(sockeye_esp_post_events(&config));
    ESP_ERROR_CHECK(sockeye_client_init(&config, &client));
    ESP_ERROR_CHECK(sockeye_client_on(client, NULL, "chat", on_chat, NULL));
    ESP_ERROR_CHECK(sockeye_client_on(client, NULL, "led", on_led, NULL));
    ESP_ERROR_CHECK(sockeye_client_start(client));

    for (;;) {
        const bool pressed = button_is_pressed();
        if (pressed && !before) {
            say_hello(client, ++count);
        }
        before = pressed;
        /* Long enough for the button to stop bouncing. */
        vTaskDelay(pdMS_TO_TICKS(30));
    }
}
