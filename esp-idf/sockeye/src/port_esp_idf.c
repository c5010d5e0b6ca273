/*
 * The port for ESP-IDF: FreeRTOS, lwIP's sockets, esp-tls.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * On chips a client waits in select(), and is woken by an eventfd. On the `linux` target FreeRTOS tasks are POSIX threads
 * that a signal makes take turns: a task that blocks in select() there holds all lower ones up, so it looks at its sockets once
 * a tick instead.
 */
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sdkconfig.h"

#include "esp_log.h"
#include "esp_random.h"
#include "freertos/FreeRTOS.h"
#include "freertos/semphr.h"
#include "freertos/task.h"
#include "sockeye.h"

#if CONFIG_IDF_TARGET_LINUX
#include <time.h>
#else
#include "esp_timer.h"
#include "esp_vfs_eventfd.h"
#endif

#if CONFIG_SOCKEYE_TLS
#include "esp_tls.h"
#if CONFIG_MBEDTLS_CERTIFICATE_BUNDLE
#include "esp_crt_bundle.h"
#endif
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

/* ---- connections ---- */

struct esp_conn {
    int fd;
    /* The addresses that have not been tried yet. */
    struct addrinfo *found, *next;
    bool connected;
    int last_error;
#if CONFIG_SOCKEYE_TLS
    const sockeye_target_t *target;
    esp_tls_cfg_t config;
    esp_tls_t *tls;
    /* The last TLS write waits for bytes from the server. */
    bool write_wants_read;
#endif
};

static void say(char *error, size_t size, const char *what, int code)
{
    if (code == 0) {
        snprintf(error, size, "%s", what);
    } else {
        snprintf(error, size, "%s%s%s (errno %d)", what, what[0] != 0 ? ": " : "", strerror(code), code);
    }
}

static bool tls_pending(const struct esp_conn *conn)
{
#if CONFIG_SOCKEYE_TLS
    return conn->tls != NULL && conn->connected && esp_tls_get_bytes_avail(conn->tls) > 0;
#else
    (void)conn;
    return false;
#endif
}

/* Begins with the next address; whether there was one that could be tried. */
static bool dial_next(struct esp_conn *conn)
{
    const int yes = 1;
    for (; conn->next != NULL; conn->next = conn->next->ai_next) {
        const struct addrinfo *at = conn->next;
        if (conn->fd >= 0) {
            close(conn->fd);
        }
        conn->fd = socket(at->ai_family, SOCK_STREAM, 0);
        if (conn->fd < 0) {
            conn->last_error = errno;
            continue;
        }
        fcntl(conn->fd, F_SETFL, fcntl(conn->fd, F_GETFL, 0) | O_NONBLOCK);
        setsockopt(conn->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
        if (connect(conn->fd, at->ai_addr, at->ai_addrlen) == 0 || errno == EINPROGRESS || errno == EINTR) {
            conn->next = at->ai_next;
            return true;
        }
        conn->last_error = errno;
    }
    return false;
}

static void conn_close(void *of)
{
    struct esp_conn *conn = of;
#if CONFIG_SOCKEYE_TLS
    if (conn->tls != NULL) {
        /* Closes the socket, if it has taken it over. */
        int fd = -1;
        if (esp_tls_get_conn_sockfd(conn->tls, &fd) == ESP_OK && fd >= 0) {
            conn->fd = -1;
        }
        esp_tls_conn_destroy(conn->tls);
    }
#endif
    if (conn->found != NULL) {
        freeaddrinfo(conn->found);
    }
    if (conn->fd >= 0) {
        close(conn->fd);
    }
    free(conn);
}

#if CONFIG_SOCKEYE_TLS
static bool tls_begin(struct esp_conn *conn, const sockeye_target_t *target, char *error, size_t size)
{
    const sockeye_tls_config_t *from = target->tls;
    esp_tls_cfg_t *config = &conn->config;
    conn->target = target;
    if (from->ca_pem != NULL) {
        config->cacert_buf = (const unsigned char *)from->ca_pem;
        config->cacert_bytes = strlen(from->ca_pem) + 1;
    } else {
#if CONFIG_MBEDTLS_CERTIFICATE_BUNDLE
        config->crt_bundle_attach = esp_crt_bundle_attach;
#else
        say(error, size, "no authority to trust: set tls.ca_pem, or enable MBEDTLS_CERTIFICATE_BUNDLE", 0);
        return false;
#endif
    }
    if (from->client_cert_pem != NULL && from->client_key_pem != NULL) {
        config->clientcert_buf = (const unsigned char *)from->client_cert_pem;
        config->clientcert_bytes = strlen(from->client_cert_pem) + 1;
        config->clientkey_buf = (const unsigned char *)from->client_key_pem;
        config->clientkey_bytes = strlen(from->client_key_pem) + 1;
    } else if (from->client_cert_pem != NULL || from->client_key_pem != NULL) {
        say(error, size, "a client certificate needs its key, and a key its certificate", 0);
        return false;
    }
    config->common_name = from->common_name;
    config->skip_common_name = from->skip_common_name_check;
    conn->tls = esp_tls_init();
    if (conn->tls == NULL) {
        say(error, size, "no memory for TLS", 0);
        return false;
    }
    return true;
}

static void say_tls(const struct esp_conn *conn, char *error, size_t size, const char *what)
{
    esp_tls_error_handle_t handle = NULL;
    int code = 0, flags = 0;
    esp_err_t first = ESP_OK;
    if (esp_tls_get_error_handle(conn->tls, &handle) == ESP_OK) {
        first = esp_tls_get_and_clear_last_error(handle, &code, &flags);
    }
    if (flags != 0) {
        snprintf(error, size, "%s: the server's certificate is not accepted (flags 0x%x); is the clock set?", what, flags);
    } else {
        snprintf(error, size, "%s: %s (mbedtls -0x%04x)", what, esp_err_to_name(first), code);
    }
}

/* The connection stands; esp-tls takes it over and shakes hands: 1 done, 0 not yet, -1 failed. */
static int32_t tls_continue(struct esp_conn *conn, char *error, size_t size)
{
    esp_tls_conn_state_t state = ESP_TLS_INIT;
    int result;
    esp_tls_get_conn_state(conn->tls, &state);
    if (state == ESP_TLS_INIT) {
        esp_tls_set_conn_sockfd(conn->tls, conn->fd);
        esp_tls_set_conn_state(conn->tls, ESP_TLS_CONNECTING);
    }
    result = esp_tls_conn_new_async(
        conn->target->host, (int)strlen(conn->target->host), conn->target->port, &conn->config, conn->tls);
    if (result < 0) {
        say_tls(conn, error, size, "TLS handshake failed");
    }
    return result;
}
#endif

static void *conn_open(void *net, const sockeye_target_t *target, char *error, size_t size)
{
    struct esp_conn *conn = calloc(1, sizeof *conn);
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_family = AF_UNSPEC};
    char port[8];
    int failed;
    (void)net;
    if (conn == NULL) {
        say(error, size, "no memory for a connection", 0);
        return NULL;
    }
    conn->fd = -1;
    if (target->tls != NULL) {
#if CONFIG_SOCKEYE_TLS
        if (!tls_begin(conn, target, error, size)) {
            conn_close(conn);
            return NULL;
        }
#else
        say(error, size, "TLS is not compiled in: enable SOCKEYE_TLS in menuconfig", 0);
        conn_close(conn);
        return NULL;
#endif
    }
    snprintf(port, sizeof port, "%u", (unsigned)target->port);
    failed = getaddrinfo(target->host, port, &hints, &conn->found);
    if (failed != 0) {
        snprintf(error, size, "%.80s: the name was not found (%d); is the network up?", target->host, failed);
        conn->found = NULL;
        conn_close(conn);
        return NULL;
    }
    conn->next = conn->found;
    if (!dial_next(conn)) {
        say(error, size, "", conn->last_error);
        conn_close(conn);
        return NULL;
    }
    return conn;
}

static int32_t conn_continue(void *of, char *error, size_t size)
{
    struct esp_conn *conn = of;
    while (!conn->connected) {
        struct timeval now = {0, 0};
        int failed = 0;
        socklen_t len = sizeof failed;
        fd_set write;
        FD_ZERO(&write);
        FD_SET(conn->fd, &write);
        if (select(conn->fd + 1, NULL, &write, NULL, &now) <= 0) {
            return 0;
        }
        if (getsockopt(conn->fd, SOL_SOCKET, SO_ERROR, &failed, &len) != 0) {
            failed = errno;
        }
        if (failed == 0) {
            conn->connected = true;
            break;
        }
        conn->last_error = failed;
        if (!dial_next(conn)) {
            say(error, size, "", conn->last_error);
            return -1;
        }
    }
#if CONFIG_SOCKEYE_TLS
    if (conn->tls != NULL) {
        return tls_continue(conn, error, size);
    }
#endif
    return 1;
}

static ptrdiff_t conn_read(void *of, uint8_t *bytes, size_t len, char *error, size_t size)
{
    struct esp_conn *conn = of;
    ssize_t n;
#if CONFIG_SOCKEYE_TLS
    if (conn->tls != NULL) {
        n = esp_tls_conn_read(conn->tls, bytes, len);
        if (n >= 0) {
            return n;
        }
        if (n == ESP_TLS_ERR_SSL_WANT_READ || n == ESP_TLS_ERR_SSL_WANT_WRITE) {
            return SOCKEYE_IO_AGAIN;
        }
        say_tls(conn, error, size, "TLS");
        return SOCKEYE_IO_ERROR;
    }
#endif
    do {
        n = recv(conn->fd, bytes, len, 0);
    } while (n < 0 && errno == EINTR);
    if (n >= 0) {
        return n;
    }
    if (errno == EAGAIN || errno == EWOULDBLOCK) {
        return SOCKEYE_IO_AGAIN;
    }
    say(error, size, "", errno);
    return SOCKEYE_IO_ERROR;
}

static ptrdiff_t conn_write(void *of, const uint8_t *bytes, size_t len, char *error, size_t size)
{
    struct esp_conn *conn = of;
    ssize_t n;
#if CONFIG_SOCKEYE_TLS
    if (conn->tls != NULL) {
        n = esp_tls_conn_write(conn->tls, bytes, len);
        conn->write_wants_read = n == ESP_TLS_ERR_SSL_WANT_READ;
        if (n > 0) {
            return n;
        }
        if (n == 0 || n == ESP_TLS_ERR_SSL_WANT_READ || n == ESP_TLS_ERR_SSL_WANT_WRITE) {
            return SOCKEYE_IO_AGAIN;
        }
        say_tls(conn, error, size, "TLS");
        return SOCKEYE_IO_ERROR;
    }
#endif
    do {
#ifdef MSG_NOSIGNAL
        n = send(conn->fd, bytes, len, MSG_NOSIGNAL);
#else
        n = send(conn->fd, bytes, len, 0);
#endif
    } while (n < 0 && errno == EINTR);
    if (n >= 0) {
        return n;
    }
    if (errno == EAGAIN || errno == EWOULDBLOCK) {
        return SOCKEYE_IO_AGAIN;
    }
    say(error, size, "", errno);
    return SOCKEYE_IO_ERROR;
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
        ESP_LOGE(TAG, "no eventfd: %s", esp_err_to_name(registered));
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
        const struct esp_conn *conn = waits[i].conn;
        bool read = (waits[i].want & SOCKEYE_WAIT_READ) != 0;
        bool write = (waits[i].want & SOCKEYE_WAIT_WRITE) != 0;
        if ((waits[i].want & SOCKEYE_WAIT_OPEN) != 0) {
            /* A TLS handshake mostly waits for the server. */
            read = conn->connected;
            write = !conn->connected;
        }
#if CONFIG_SOCKEYE_TLS
        if (write && conn->connected && conn->write_wants_read) {
            read = true;
            write = false;
        }
#endif
        if (tls_pending(conn) && (waits[i].want & SOCKEYE_WAIT_READ) != 0) {
            *at_once = true;
        }
        if (read) {
            FD_SET(conn->fd, reads);
        }
        if (write) {
            FD_SET(conn->fd, writes);
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
        const struct esp_conn *conn = waits[i].conn;
        const bool read = FD_ISSET(conn->fd, reads), write = FD_ISSET(conn->fd, writes);
        uint8_t ready = 0;
        if (read || tls_pending(conn)) {
            ready |= SOCKEYE_WAIT_READ;
        }
        if (write) {
            ready |= SOCKEYE_WAIT_WRITE;
        }
#if CONFIG_SOCKEYE_TLS
        if (read && conn->write_wants_read) {
            ready |= SOCKEYE_WAIT_WRITE;
        }
#endif
        if (read || write) {
            ready |= SOCKEYE_WAIT_OPEN;
        }
        waits[i].ready = ready & waits[i].want;
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
        if (highest >= 0 && select(highest + 1, &reads, &writes, NULL, &now) > 0 && collect(waits, count, &reads, &writes)) {
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
    .conn_open = conn_open,
    .conn_continue = conn_continue,
    .conn_read = conn_read,
    .conn_write = conn_write,
    .conn_close = conn_close,
};
