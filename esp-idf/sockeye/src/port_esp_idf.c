/*
 * The port for ESP-IDF: FreeRTOS and waiting. Its connections are those of `port_sockets.c`, with TLS by `port_esp_tls.c`.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * On chips a client waits in select(), and is woken by an eventfd. On the `linux` target FreeRTOS tasks are POSIX threads
 * that a signal makes take turns: a task that blocks in select() there holds all lower ones up, so it looks at its sockets once
 * a tick instead.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/select.h>
#include <unistd.h>

#include "sdkconfig.h"

#include "esp_log.h"
#include "esp_random.h"
#include "freertos/FreeRTOS.h"
#include "freertos/semphr.h"
#include "freertos/task.h"
#include "port_sockets.h"

#if CONFIG_IDF_TARGET_LINUX
#include <time.h>
#else
#include "esp_timer.h"
#include "esp_vfs_eventfd.h"
#endif

static const char *TAG = "sockeye";

/* ---- memory, time, random numbers, log ---- */

static void *port_alloc(size_t size)
{
    return malloc(size);
}

static void port_free(void *memory)
{
    free(memory);
}

static uint64_t port_now_us(void)
{
#if CONFIG_IDF_TARGET_LINUX
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
#else
    return (uint64_t)esp_timer_get_time();
#endif
}

static void port_random(uint8_t *bytes, size_t len)
{
    esp_fill_random(bytes, len);
}

static void port_log(int32_t level, const char *line)
{
    if (level > CONFIG_SOCKEYE_LOG_LEVEL) {
        return;
    }
    switch (level) {
    case SOCKEYE_LOG_ERROR:
        ESP_LOGE(TAG, "%s", line);
        break;
    case SOCKEYE_LOG_WARN:
        ESP_LOGW(TAG, "%s", line);
        break;
    case SOCKEYE_LOG_INFO:
        ESP_LOGI(TAG, "%s", line);
        break;
    default:
        ESP_LOGD(TAG, "%s", line);
        break;
    }
}

/* ---- locks, signals, tasks ---- */

static void *lock_create(void)
{
    return xSemaphoreCreateMutex();
}

static void lock_acquire(void *lock)
{
    xSemaphoreTake((SemaphoreHandle_t)lock, portMAX_DELAY);
}

static void lock_release(void *lock)
{
    xSemaphoreGive((SemaphoreHandle_t)lock);
}

static void lock_destroy(void *lock)
{
    vSemaphoreDelete((SemaphoreHandle_t)lock);
}

static void *signal_create(void)
{
    return xSemaphoreCreateBinary();
}

/* Rounded up, and never so long that the arithmetic overflows. */
static TickType_t ticks(uint64_t micros)
{
    const uint64_t tick = 1000000u / configTICK_RATE_HZ;
    const uint64_t count = (micros + tick - 1) / tick;
    return count > 0x3fffffff ? 0x3fffffff : (TickType_t)count;
}

static bool signal_take(void *signal, uint32_t timeout_ms)
{
    const TickType_t timeout = timeout_ms == UINT32_MAX ? portMAX_DELAY : ticks((uint64_t)timeout_ms * 1000u);
    return xSemaphoreTake((SemaphoreHandle_t)signal, timeout) == pdTRUE;
}

static void signal_give(void *signal)
{
    xSemaphoreGive((SemaphoreHandle_t)signal);
}

static void signal_destroy(void *signal)
{
    vSemaphoreDelete((SemaphoreHandle_t)signal);
}

struct esp_task {
    void (*entry)(void *arg);
    void *arg;
};

static void task_main(void *of)
{
    const struct esp_task task = *(struct esp_task *)of;
    free(of);
    task.entry(task.arg);
    vTaskDelete(NULL);
}

static bool task_start(void (*entry)(void *arg), void *arg, const sockeye_task_config_t *config)
{
    struct esp_task *task = malloc(sizeof *task);
    const uint32_t stack = config->stack != 0 ? config->stack : CONFIG_SOCKEYE_TASK_STACK;
    const UBaseType_t priority = config->priority != 0 ? config->priority : CONFIG_SOCKEYE_TASK_PRIORITY;
    const BaseType_t core = config->core < 0 || config->core >= portNUM_PROCESSORS ? tskNO_AFFINITY : config->core;
    if (task == NULL) {
        return false;
    }
    task->entry = entry;
    task->arg = arg;
    if (xTaskCreatePinnedToCore(task_main, "sockeye", stack, task, priority, NULL, core) != pdPASS) {
        free(task);
        return false;
    }
    return true;
}

static size_t task_current(void)
{
    return (size_t)xTaskGetCurrentTaskHandle();
}

/* ---- waiting ---- */

struct esp_net {
#if CONFIG_IDF_TARGET_LINUX
    SemaphoreHandle_t woken;
#else
    int woken;
#endif
};

static void *net_create(void)
{
    struct esp_net *net = malloc(sizeof *net);
    if (net == NULL) {
        return NULL;
    }
#if CONFIG_IDF_TARGET_LINUX
    net->woken = xSemaphoreCreateBinary();
    if (net->woken == NULL) {
        free(net);
        return NULL;
    }
#else
    const esp_vfs_eventfd_config_t config = ESP_VFS_EVENTD_CONFIG_DEFAULT();
    const esp_err_t registered = esp_vfs_eventfd_register(&config);
    /* Registered already: by another client, or by the application. */
    net->woken = registered == ESP_OK || registered == ESP_ERR_INVALID_STATE ? eventfd(0, 0) : -1;
    if (net->woken < 0) {
        if (registered == ESP_OK || registered == ESP_ERR_INVALID_STATE) {
            ESP_LOGE(TAG, "no eventfd is left: each client takes one of those that esp_vfs_eventfd_register was asked for");
        } else {
            ESP_LOGE(TAG, "no eventfd: %s", esp_err_to_name(registered));
        }
        free(net);
        return NULL;
    }
#endif
    return net;
}

static void net_wake(void *of)
{
    struct esp_net *net = of;
#if CONFIG_IDF_TARGET_LINUX
    xSemaphoreGive(net->woken);
#else
    const uint64_t one = 1;
    write(net->woken, &one, sizeof one);
#endif
}

static void net_destroy(void *of)
{
    struct esp_net *net = of;
#if CONFIG_IDF_TARGET_LINUX
    vSemaphoreDelete(net->woken);
#else
    close(net->woken);
#endif
    free(net);
}

/* What select() is to look for; the highest descriptor. */
static int prepare(const sockeye_wait_t *waits, size_t count, fd_set *reads, fd_set *writes, bool *at_once)
{
    int highest = -1;
    size_t i;
    for (i = 0; i < count; i++) {
        const struct sockeye_conn *conn = waits[i].conn;
        const uint8_t interest = sockeye_conn_interest(conn, waits[i].want);
        if ((interest & SOCKEYE_WAIT_READ) != 0) {
            FD_SET(conn->fd, reads);
        }
        if ((interest & SOCKEYE_WAIT_WRITE) != 0) {
            FD_SET(conn->fd, writes);
        }
        if ((waits[i].want & SOCKEYE_WAIT_READ) != 0 && sockeye_conn_pending(conn)) {
            *at_once = true;
        }
        highest = conn->fd > highest ? conn->fd : highest;
    }
    return highest;
}

/* What select() has found; whether that was anything. */
static bool collect(sockeye_wait_t *waits, size_t count, const fd_set *reads, const fd_set *writes)
{
    bool any = false;
    size_t i;
    for (i = 0; i < count; i++) {
        const struct sockeye_conn *conn = waits[i].conn;
        const uint8_t events =
            (FD_ISSET(conn->fd, reads) ? SOCKEYE_WAIT_READ : 0) | (FD_ISSET(conn->fd, writes) ? SOCKEYE_WAIT_WRITE : 0);
        waits[i].ready = sockeye_conn_ready(conn, waits[i].want, events);
        any = any || waits[i].ready != 0;
    }
    return any;
}

static void net_wait(void *of, sockeye_wait_t *waits, size_t count, int64_t timeout_us)
{
    struct esp_net *net = of;
    fd_set reads, writes;
    bool at_once = false;
    int highest;
#if CONFIG_IDF_TARGET_LINUX
    const uint64_t until = timeout_us < 0 ? UINT64_MAX : port_now_us() + (uint64_t)timeout_us;
    for (;;) {
        struct timeval now = {0, 0};
        FD_ZERO(&reads);
        FD_ZERO(&writes);
        highest = prepare(waits, count, &reads, &writes, &at_once);
        /* A signal may end it early, and then it has found nothing. */
        if (highest >= 0 && select(highest + 1, &reads, &writes, NULL, &now) <= 0) {
            FD_ZERO(&reads);
            FD_ZERO(&writes);
        }
        /* What TLS has taken from a socket already counts too. */
        if (highest >= 0 && collect(waits, count, &reads, &writes)) {
            return;
        }
        if (port_now_us() >= until || xSemaphoreTake(net->woken, 1) == pdTRUE) {
            return;
        }
    }
#else
    struct timeval timeout = {0, 0};
    FD_ZERO(&reads);
    FD_ZERO(&writes);
    highest = prepare(waits, count, &reads, &writes, &at_once);
    FD_SET(net->woken, &reads);
    highest = net->woken > highest ? net->woken : highest;
    if (!at_once && timeout_us > 0) {
        /* An hour at most: the client looks again. */
        const int64_t bounded = timeout_us > 3600000000LL ? 3600000000LL : timeout_us;
        timeout.tv_sec = (time_t)(bounded / 1000000);
        timeout.tv_usec = (suseconds_t)(bounded % 1000000);
    }
    if (select(highest + 1, &reads, &writes, NULL, !at_once && timeout_us < 0 ? NULL : &timeout) < 0) {
        ESP_LOGE(TAG, "select: errno %d", errno);
        vTaskDelay(1);
        return;
    }
    if (FD_ISSET(net->woken, &reads)) {
        uint64_t drained;
        read(net->woken, &drained, sizeof drained);
    }
    collect(waits, count, &reads, &writes);
#endif
}

const struct sockeye_port_t sockeye_port_platform = {
    .alloc = port_alloc,
    .free = port_free,
    .now_us = port_now_us,
    .random = port_random,
    .log = port_log,
    .lock_create = lock_create,
    .lock_acquire = lock_acquire,
    .lock_release = lock_release,
    .lock_destroy = lock_destroy,
    .signal_create = signal_create,
    .signal_take = signal_take,
    .signal_give = signal_give,
    .signal_destroy = signal_destroy,
    .task_start = task_start,
    .task_current = task_current,
    .net_create = net_create,
    .net_wake = net_wake,
    .net_wait = net_wait,
    .net_destroy = net_destroy,
    .conn_open = sockeye_conn_open,
    .conn_continue = sockeye_conn_continue,
    .conn_read = sockeye_conn_read,
    .conn_write = sockeye_conn_write,
    .conn_close = sockeye_conn_close,
};
