/*
 * The same with esp_socketio_client over esp_websocket_client and cJSON, as the interface of version 1.0.0 wants it. It has
 * no acknowledgements of its own: the number of the packet is kept here.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#include <stdbool.h>
#include <string.h>

#include "cJSON.h"
#include "esp_crt_bundle.h"
#include "esp_log.h"
#include "esp_socketio_client.h"

void run_client(void);

static const char *TAG = "size";
static const int HELLO = 1;

/* Sends `["name", …]`, or the answer `[…]`, and frees the JSON. */
static void send_json(esp_socketio_client_handle_t client, esp_socketio_packet_type_t type, int id, cJSON *json)
{
    esp_socketio_packet_handle_t packet = esp_socketio_client_get_tx_packet(client);
    if (esp_socketio_packet_set_header(packet, EIO_PACKET_TYPE_MESSAGE, type, NULL, id) == ESP_OK
        && esp_socketio_packet_set_json(packet, json) == ESP_OK) {
        esp_socketio_client_send_data(client, packet);
    }
    esp_socketio_packet_reset(packet);
    cJSON_Delete(json);
}

static void say_hello(esp_socketio_client_handle_t client)
{
    cJSON *reading = cJSON_CreateArray(), *hello = cJSON_CreateArray();
    cJSON_AddItemToArray(reading, cJSON_CreateString("reading"));
    cJSON_AddItemToArray(reading, cJSON_CreateString("kitchen"));
    cJSON_AddItemToArray(reading, cJSON_CreateNumber(21.5));
    send_json(client, SIO_PACKET_TYPE_EVENT, -1, reading);
    cJSON_AddItemToArray(hello, cJSON_CreateString("hello"));
    send_json(client, SIO_PACKET_TYPE_EVENT, HELLO, hello);
}

static void on_packet(esp_socketio_client_handle_t client, esp_socketio_packet_handle_t packet)
{
    const cJSON *json = esp_socketio_packet_get_json(packet);
    const int id = esp_socketio_packet_get_event_id(packet);
    const cJSON *name = cJSON_GetArrayItem(json, 0), *on = cJSON_GetArrayItem(json, 1);
    if (esp_socketio_packet_get_sio_type(packet) == SIO_PACKET_TYPE_ACK) {
        ESP_LOGI(TAG, "heard: %d", id == HELLO);
    } else if (cJSON_IsString(name) && strcmp(name->valuestring, "light") == 0) {
        cJSON *answer = cJSON_CreateArray();
        ESP_LOGI(TAG, "light %d", cJSON_IsTrue(on));
        cJSON_AddItemToArray(answer, cJSON_CreateTrue());
        send_json(client, SIO_PACKET_TYPE_ACK, id, answer);
    }
}

static void on_event(void *arg, esp_event_base_t base, int32_t id, void *data)
{
    const esp_socketio_event_data_t *event = data;
    (void)arg;
    (void)base;
    switch (id) {
    case SOCKETIO_EVENT_OPENED:
        esp_socketio_client_connect_nsp(event->client, NULL, NULL);
        break;
    case SOCKETIO_EVENT_NS_CONNECTED:
        say_hello(event->client);
        break;
    case SOCKETIO_EVENT_DATA:
        on_packet(event->client, event->socketio_packet);
        break;
    default:
        ESP_LOGI(TAG, "%d", (int)id);
        break;
    }
}

void run_client(void)
{
    const esp_socketio_client_config_t config = {
        .websocket_config = {
            .uri = "wss://example.org/socket.io/?EIO=4&transport=websocket",
            .crt_bundle_attach = esp_crt_bundle_attach,
        },
    };
    esp_socketio_client_handle_t client = esp_socketio_client_init(&config);
    ESP_ERROR_CHECK(esp_socketio_register_events(client, SOCKETIO_EVENT_ANY, on_event, NULL));
    ESP_ERROR_CHECK(esp_socketio_client_start(client));
}
