/*
 * What a client takes of the heap in each state, and how much of its task's stack was used: printed as lines that begin with
 * MEMORY. All bytes of heap are those that are missing beside the moment before the client was made.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#include <stdio.h>

#include "client.h"
#include "esp_event.h"
#include "esp_heap_caps.h"
#include "esp_netif.h"
#include "esp_timer.h"
#include "freertos/FreeRTOS.h"
#include "freertos/event_groups.h"
#include "freertos/task.h"
#include "nvs_flash.h"
#include "protocol_examples_common.h"

#define JOINED BIT0
#define DONE BIT1
#define EVENTS 200
#define EVENT_BYTES 800

static EventGroupHandle_t happened;
static volatile int loads;
static size_t before;

void on_joined(void)
{
    xEventGroupSetBits(happened, JOINED);
}

void on_load(void)
{
    loads++;
}

void on_done(void)
{
    xEventGroupSetBits(happened, DONE);
}

static int taken(size_t free_now)
{
    return (int)before - (int)free_now;
}

static int now(void)
{
    return taken(heap_caps_get_free_size(MALLOC_CAP_DEFAULT));
}

/* The most that was missing since heap_caps_monitor_local_minimum_free_size_start. */
static int most(void)
{
    return taken(heap_caps_get_minimum_free_size(MALLOC_CAP_DEFAULT));
}

static bool wait_for(EventBits_t bit)
{
    return (xEventGroupWaitBits(happened, bit, pdTRUE, pdTRUE, pdMS_TO_TICKS(60000)) & bit) != 0;
}

/* lwIP keeps what a closed connection took for a while. */
static void settle(void)
{
    vTaskDelay(pdMS_TO_TICKS(3000));
}

static void measure(const char *name, int port, const char *ca)
{
    int made, connecting = 0, idle = 0, burst = 0, stack_idle = 0, stack = 0;
    int64_t began, took = 0;
    TaskHandle_t task;
    bool done = false;

    loads = 0;
    xEventGroupClearBits(happened, JOINED | DONE);
    before = heap_caps_get_free_size(MALLOC_CAP_DEFAULT);
    client_make(CONFIG_MEMORY_SERVER, port, ca);
    made = now();
    heap_caps_monitor_local_minimum_free_size_start();
    client_start();
    if (wait_for(JOINED)) {
        settle();
        connecting = most();
        idle = now();
        task = xTaskGetHandle(client_task);
        stack_idle = task != NULL ? (int)uxTaskGetStackHighWaterMark(task) : -1;
        heap_caps_monitor_local_minimum_free_size_stop();
        heap_caps_monitor_local_minimum_free_size_start();
        began = esp_timer_get_time();
        client_ask(EVENTS, EVENT_BYTES);
        done = wait_for(DONE);
        took = esp_timer_get_time() - began;
        burst = most();
        stack = task != NULL ? (int)uxTaskGetStackHighWaterMark(task) : -1;
    }
    heap_caps_monitor_local_minimum_free_size_stop();
    printf("MEMORY %s: free before %d, made %d, connecting at most %d, idle %d, burst at most %d (%d of %d events, done %d, %d ms), "
           "stack left idle %d, after the burst %d\n",
           name, (int)before, made, connecting, idle, burst, loads, EVENTS, done, (int)(took / 1000), stack_idle, stack);
    if (client_can_be_freed) {
        client_free();
        settle();
        printf("MEMORY %s: freed, still missing %d\n", name, now());
    }
}

void app_main(void)
{
    ESP_ERROR_CHECK(nvs_flash_init());
    ESP_ERROR_CHECK(esp_netif_init());
    ESP_ERROR_CHECK(esp_event_loop_create_default());
    ESP_ERROR_CHECK(example_connect());
    happened = xEventGroupCreate();
    settle();
    /* Twice: the first time others take what they keep for good. */
    for (int round = 1; round <= (client_can_be_freed ? 2 : 1); round++) {
        measure("http", CONFIG_MEMORY_PORT, NULL);
#if MEMORY_TLS
        extern const char ca_pem[] asm("_binary_ca_pem_start");
        measure("https", CONFIG_MEMORY_PORT + 1, ca_pem);
#endif
    }
    printf("MEMORY end\n");
}
