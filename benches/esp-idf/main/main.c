/*
 * What every variant has, so that the difference between two of them is the client alone: the event loop, the network, a TLS
 * connection with the certificate bundle, a socket, a timer.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/select.h>
#include <unistd.h>

#include "esp_crt_bundle.h"
#include "esp_event.h"
#include "esp_log.h"
#include "esp_netif.h"
#include "esp_random.h"
#include "esp_timer.h"
#include "esp_tls.h"
#include "freertos/FreeRTOS.h"
#include "freertos/event_groups.h"
#include "freertos/queue.h"
#include "freertos/semphr.h"
#include "freertos/task.h"
#include "lwip/netdb.h"
#include "lwip/sockets.h"

void run_client(void);

static const char *TAG = "size";

static void on_timer(void *ctx)
{
    xSemaphoreGive((SemaphoreHandle_t)ctx);
}

/* A request over TLS, as any program that talks to a server makes it. */
static void ask(const char *host)
{
    static const char request[] = "GET / HTTP/1.1\r\nHost: example.org\r\n\r\n";
    const esp_tls_cfg_t config = {.crt_bundle_attach = esp_crt_bundle_attach, .non_block = true};
    esp_tls_t *tls = esp_tls_init();
    char answer[64];
    while (tls != NULL && esp_tls_conn_new_async(host, (int)strlen(host), 443, &config, tls) == 0) {
        vTaskDelay(1);
    }
    if (tls != NULL && esp_tls_conn_write(tls, request, sizeof request - 1) > 0) {
        const ssize_t n = esp_tls_conn_read(tls, answer, sizeof answer);
        ESP_LOGI(TAG, "%.*s", n > 0 ? (int)n : 0, answer);
    }
    esp_tls_conn_destroy(tls);
}

/* A socket that is waited for. */
static void wait_for(const char *host)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found = NULL;
    struct timeval second = {1, 0};
    fd_set reads;
    int fd;
    if (getaddrinfo(host, "80", &hints, &found) != 0) {
        return;
    }
    fd = socket(found->ai_family, SOCK_STREAM, 0);
    if (fd >= 0 && connect(fd, found->ai_addr, found->ai_addrlen) == 0) {
        char text[32];
        FD_ZERO(&reads);
        FD_SET(fd, &reads);
        select(fd + 1, &reads, NULL, NULL, &second);
        snprintf(text, sizeof text, "%u %lld %.2f", (unsigned)esp_random(), (long long)esp_timer_get_time(), 21.5);
        send(fd, text, strlen(text), 0);
        recv(fd, text, sizeof text, 0);
    }
    close(fd);
    freeaddrinfo(found);
}

void app_main(void)
{
    SemaphoreHandle_t due = xSemaphoreCreateBinary();
    const esp_timer_create_args_t args = {.callback = on_timer, .arg = due, .name = "due"};
    esp_timer_handle_t timer;
    ESP_ERROR_CHECK(esp_netif_init());
    ESP_ERROR_CHECK(esp_event_loop_create_default());
    ESP_ERROR_CHECK(esp_timer_create(&args, &timer));
    ESP_ERROR_CHECK(esp_timer_start_periodic(timer, 1000000));
    run_client();
    for (;;) {
        xSemaphoreTake(due, portMAX_DELAY);
        wait_for("example.org");
        ask("example.org");
    }
}
