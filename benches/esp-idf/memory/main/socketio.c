/* With esp_socketio_client over esp_websocket_client and cJSON, defaults too. SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "cJSON.h"
#include "client.h"
#include "esp_err.h"
#include "esp_socketio_client.h"

const char *client_task;
/* esp_socketio_client_destroy of 1.0.0 ends in a load access fault here, after esp_socketio_client_close and without. */
const bool client_can_be_freed = false;

static esp_socketio_client_handle_t client;

static void on_packet(esp_socketio_packet_handle_t packet)
{
    const cJSON *name = cJSON_GetArrayItem(esp_socketio_packet_get_json(packet), 0);
    if (cJSON_IsString(name) && strcmp(name->valuestring, "load") == 0) {
        on_load();
    } else if (cJSON_IsString(name) && strcmp(name->valuestring, "done") == 0) {
        on_done();
    }
}

static void on_event(void *arg, esp_event_base_t base, int32_t id, void *data)
{
    const esp_socketio_event_data_t *event = data;
    (void)arg;
    (void)base;
    if (id == SOCKETIO_EVENT_OPENED) {
        esp_socketio_client_connect_nsp(event->client, NULL, NULL);
    } else if (id == SOCKETIO_EVENT_NS_CONNECTED) {
        on_joined();
    } else if (id == SOCKETIO_EVENT_DATA) {
        on_packet(event->socketio_packet);
    }
}

void client_make(const char *host, int port, const char *ca)
{
    char uri[96];
    snprintf(uri, sizeof uri, "%s://%s:%d/socket.io/?EIO=4&transport=websocket", ca != NULL ? "wss" : "ws", host, port);
    client_task = ca != NULL ? "client_wss" : "client_ws";
    const esp_socketio_client_config_t config = {.websocket_config = {.uri = uri, .cert_pem = ca, .task_name = client_task}};
    client = esp_socketio_client_init(&config);
    ESP_ERROR_CHECK(client != NULL ? ESP_OK : ESP_ERR_NO_MEM);
    ESP_ERROR_CHECK(esp_socketio_register_events(client, SOCKETIO_EVENT_ANY, on_event, NULL));
}

void client_start(void)
{
    ESP_ERROR_CHECK(esp_socketio_client_start(client));
}

void client_ask(int count, int size)
{
    esp_socketio_packet_handle_t packet = esp_socketio_client_get_tx_packet(client);
    cJSON *json = cJSON_CreateArray();
    cJSON_AddItemToArray(json, cJSON_CreateString("burst"));
    cJSON_AddItemToArray(json, cJSON_CreateNumber(count));
    cJSON_AddItemToArray(json, cJSON_CreateNumber(size));
    ESP_ERROR_CHECK(esp_socketio_packet_set_header(packet, EIO_PACKET_TYPE_MESSAGE, SIO_PACKET_TYPE_EVENT, NULL, -1));
    ESP_ERROR_CHECK(esp_socketio_packet_set_json(packet, json));
    ESP_ERROR_CHECK(esp_socketio_client_send_data(client, packet));
    esp_socketio_packet_reset(packet);
    cJSON_Delete(json);
}

void client_free(void)
{
    esp_socketio_client_destroy(client);
}
