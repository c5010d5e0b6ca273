/*
 * As much of ESP-IDF as `sockeye_esp.c` needs, on one thread: a queue that a test fills and empties, a clock and a timer that a
 * test moves. The functions are in `esp_events.c`.
 */
#ifndef ESP_IDF_H
#define ESP_IDF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

typedef int esp_err_t;
#define ESP_OK 0
#define ESP_ERR_NO_MEM 0x101
#define ESP_ERR_INVALID_ARG 0x102
#define ESP_ERR_INVALID_STATE 0x103
#define ESP_ERR_TIMEOUT 0x107
const char *esp_err_to_name(esp_err_t code);

#define ESP_LOGE(tag, ...) ((void)(tag), printf("E " __VA_ARGS__), (void)printf("\n"))
#define ESP_LOGW(tag, ...) ((void)(tag), printf("W " __VA_ARGS__), (void)printf("\n"))

typedef int BaseType_t;
typedef unsigned UBaseType_t;
typedef uint32_t TickType_t;
#define pdTRUE 1
#define pdFALSE 0
#define portMAX_DELAY UINT32_MAX
#define pdMS_TO_TICKS(ms) ((TickType_t)(ms) / 10u)
#define CONFIG_SOCKEYE_POST_TIMEOUT_MS 1000

typedef int portMUX_TYPE;
#define portMUX_INITIALIZER_UNLOCKED 0
#define taskENTER_CRITICAL(mux) ((*(mux))++)
#define taskEXIT_CRITICAL(mux) ((*(mux))--)
void vTaskDelay(TickType_t ticks);

typedef struct {
    TickType_t from;
} TimeOut_t;
void vTaskSetTimeOutState(TimeOut_t *since);
BaseType_t xTaskCheckForTimeOut(TimeOut_t *since, TickType_t *left);

typedef struct {
    bool taken;
} StaticSemaphore_t;
typedef StaticSemaphore_t *SemaphoreHandle_t;
SemaphoreHandle_t xSemaphoreCreateMutexStatic(StaticSemaphore_t *memory);
BaseType_t xSemaphoreTake(SemaphoreHandle_t lock, TickType_t patience);
BaseType_t xSemaphoreGive(SemaphoreHandle_t lock);

typedef struct timer {
    TickType_t period;
    bool runs;
    void (*call)(struct timer *timer);
} StaticTimer_t;
typedef StaticTimer_t *TimerHandle_t;
TimerHandle_t xTimerCreateStatic(const char *name, TickType_t period, BaseType_t reload, void *id, void (*call)(TimerHandle_t),
    StaticTimer_t *memory);
BaseType_t xTimerStart(TimerHandle_t timer, TickType_t patience);
BaseType_t xTimerStop(TimerHandle_t timer, TickType_t patience);

typedef const char *esp_event_base_t;
typedef void (*esp_event_handler_t)(void *arg, esp_event_base_t base, int32_t id, void *data);
#define ESP_EVENT_DECLARE_BASE(name) extern esp_event_base_t const name
#define ESP_EVENT_DEFINE_BASE(name) esp_event_base_t const name = #name
esp_err_t esp_event_post(esp_event_base_t base, int32_t id, const void *data, size_t size, TickType_t patience);
esp_err_t esp_event_handler_register(esp_event_base_t base, int32_t id, esp_event_handler_t handler, void *arg);

#endif
