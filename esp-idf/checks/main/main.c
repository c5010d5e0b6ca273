/*
 * What `cargo xtask test --part esp-idf` runs on the `linux` target of ESP-IDF: events that find the event loop full, and TLS by
 * esp-tls. It is told by the environment what to do, and exits with 0 when that has gone as it should.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "esp_event.h"
#include "esp_log.h"
#include "freertos/FreeRTOS.h"
#include "freertos/semphr.h"
#include "freertos/task.h"
#include "sockeye_esp.h"

/* ---- events that find no room ---- */

#define EVENTS 100

static struct {
    SemaphoreHandle_t go;
    uint32_t seen, lost, kinds;
} loop;

static void on_slow(void *arg, esp_event_base_t base, int32_t id, void *data)
{
    const sockeye_esp_event_t *event = data;
    (void)arg;
    (void)base;
    if (id == SOCKEYE_EVENT_LOST) {
        loop.lost += event->lost;
        loop.kinds |= event->lost_kinds;
        printf("lost %u\n", (unsigned)event->lost);
        return;
    }
    if (loop.seen++ == 0) {
        xSemaphoreTake(loop.go, portMAX_DELAY);
    }
}

static void lost(void)
{
    const sockeye_event_t event = {.id = SOCKEYE_EVENT_RECEIVED, .text = "burst"};
    const sockeye_event_t last = {.id = SOCKEYE_EVENT_STOPPED, .text = ""};
    uint32_t refused = 0;
    int i;
    loop.go = xSemaphoreCreateBinary();
    ESP_ERROR_CHECK(sockeye_register_events(ESP_EVENT_ANY_ID, on_slow, NULL));
    for (i = 0; i < EVENTS - 1; i++) {
        refused += sockeye_esp_post_event(NULL, &event) != ESP_OK;
    }
    refused += sockeye_esp_post_event(NULL, &last) != ESP_OK;
    xSemaphoreGive(loop.go);
    /* No further event follows: the notice comes by itself. */
    for (i = 0; i < 100 && loop.seen + loop.lost < EVENTS; i++) {
        vTaskDelay(pdMS_TO_TICKS(50));
    }
    printf("%u seen, %u lost, %u refused, kinds 0x%x\n", (unsigned)loop.seen, (unsigned)loop.lost, (unsigned)refused,
        (unsigned)loop.kinds);
    exit(loop.seen + loop.lost == EVENTS && loop.lost == refused && refused > 0 &&
            (loop.kinds & SOCKEYE_LOST_KIND(SOCKEYE_EVENT_STOPPED)) != 0
        ? 0 : 1);
}

/* ---- one connection, told in one line ---- */

static char *slurp(const char *name)
{
    const char *path = getenv(name);
    FILE *file = path != NULL ? fopen(path, "rb") : NULL;
    char *text;
    size_t size;
    if (path == NULL) {
        return NULL;
    }
    text = malloc(65536);
    if (file == NULL || text == NULL) {
        printf("%s: cannot be read\n", path);
        exit(1);
    }
    size = fread(text, 1, 65535, file);
    text[size] = 0;
    fclose(file);
    return text;
}

static struct {
    SemaphoreHandle_t done;
    char line[256];
} told;

static void on_event(sockeye_client_handle_t client, const sockeye_event_t *event, void *ctx)
{
    (void)client;
    (void)ctx;
    if (event->id == SOCKEYE_EVENT_CONNECT_ERROR && told.line[0] == 0) {
        snprintf(told.line, sizeof told.line, "%s", event->text);
        xSemaphoreGive(told.done);
    }
}

static void on_answer(sockeye_client_handle_t client, sockeye_err_t result, const sockeye_args_t *args, void *ctx)
{
    (void)client;
    (void)args;
    (void)ctx;
    if (told.line[0] == 0) {
        snprintf(told.line, sizeof told.line, "answered: %s", sockeye_err_to_name(result));
        xSemaphoreGive(told.done);
    }
}

static void connect_once(void)
{
    static char payload[6000];
    const char *name = getenv("CHECK_NAME");
    sockeye_client_config_t config = SOCKEYE_CLIENT_CONFIG_DEFAULT();
    sockeye_client_handle_t client;
    told.done = xSemaphoreCreateBinary();
    config.uri = getenv("CHECK_URI");
    config.reconnect = false;
    /* More than one record of TLS each way. */
    config.rx_buffer = config.tx_buffer = 16384;
    config.tls.ca_pem = slurp("CHECK_CA");
    config.tls.client_cert_pem = slurp("CHECK_CERT");
    config.tls.client_key_pem = slurp("CHECK_KEY");
    config.tls.common_name = name;
    config.tls.skip_common_name_check = getenv("CHECK_SKIP_NAME") != NULL;
    config.event_cb = on_event;
    memset(payload, 'x', sizeof payload);
    memcpy(payload, "[\"", 2);
    memcpy(payload + sizeof payload - 3, "\"]", 3);
    ESP_ERROR_CHECK(sockeye_client_init(&config, &client));
    ESP_ERROR_CHECK(sockeye_client_start(client));
    ESP_ERROR_CHECK(sockeye_client_emit_with_ack(client, NULL, "ack", payload, 20000, on_answer, NULL));
    xSemaphoreTake(told.done, pdMS_TO_TICKS(30000));
    sockeye_client_destroy(client);
    printf("told: %s\n", told.line[0] != 0 ? told.line : "nothing for half a minute");
    exit(0);
}

void app_main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    ESP_ERROR_CHECK(esp_event_loop_create_default());
    if (getenv("CHECK_URI") != NULL) {
        connect_once();
    } else {
        lost();
    }
}
