/*
 * Connections over BSD sockets, plain or with TLS, and the words for what goes wrong with them.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#if !defined(ESP_PLATFORM)
#ifndef _POSIX_C_SOURCE
#define _POSIX_C_SOURCE 200809L
#endif
#define _DEFAULT_SOURCE 1
#endif

#include "port_sockets.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* ESP-IDF has it at its old place alone. */
#if defined(ESP_PLATFORM)
#include <sys/poll.h>
#else
#include <poll.h>
#endif

void sockeye_say(char *error, size_t size, const char *what, int code)
{
    const char *colon = what[0] != 0 ? ": " : "";
    if (code == 0) {
        snprintf(error, size, "%s", what);
        return;
    }
#if defined(ESP_PLATFORM)
    /* lwIP has numbers of its own, for which the C library has no words. */
    snprintf(error, size, "%s%s%s (errno %d)", what, colon, strerror(code), code);
#else
    {
        char text[96];
        if (strerror_r(code, text, sizeof text) != 0) {
            snprintf(text, sizeof text, "error %d", code);
        }
        snprintf(error, size, "%s%s%s", what, colon, text);
    }
#endif
}

/* ---- connecting ---- */

/* Begins with the next address; whether there was one that could be tried. */
static bool dial_next(struct sockeye_conn *conn)
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
#if !defined(ESP_PLATFORM)
        fcntl(conn->fd, F_SETFD, FD_CLOEXEC);
#endif
        setsockopt(conn->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
        if (connect(conn->fd, at->ai_addr, at->ai_addrlen) == 0 || errno == EINPROGRESS || errno == EINTR) {
            conn->next = at->ai_next;
            return true;
        }
        conn->last_error = errno;
    }
    return false;
}

/* Looks the name up; whether it has an address. */
static bool resolve(struct sockeye_conn *conn, char *error, size_t size)
{
    const char *host = conn->target->host;
    struct addrinfo hints;
    char port[8];
    int failed;
    memset(&hints, 0, sizeof hints);
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_family = AF_UNSPEC;
    snprintf(port, sizeof port, "%u", (unsigned)conn->target->port);
    failed = getaddrinfo(host, port, &hints, &conn->found);
    if (failed == 0) {
        conn->next = conn->found;
        return true;
    }
    conn->found = NULL;
#if defined(ESP_PLATFORM)
    snprintf(error, size, "%.80s: the name was not found (%d); is the network up?", host, failed);
#else
    snprintf(error, size, "%.80s: %s", host, gai_strerror(failed));
#endif
    return false;
}

/* Whether TLS is ready, where the target wants it. */
static bool secure(struct sockeye_conn *conn, char *error, size_t size)
{
    if (conn->target->tls == NULL) {
        return true;
    }
#if SOCKEYE_SOCKETS_TLS
    conn->tls = sockeye_tls_open(conn->target, error, size);
    return conn->tls != NULL;
#elif defined(ESP_PLATFORM)
    sockeye_say(error, size, "TLS is not compiled in: enable SOCKEYE_TLS in menuconfig, or use http:// or ws://", 0);
    return false;
#else
    sockeye_say(error, size, "this program was built without TLS: compile the port with SOCKEYE_POSIX_OPENSSL", 0);
    return false;
#endif
}

void *sockeye_conn_open(void *net, const sockeye_target_t *target, char *error, size_t size)
{
    struct sockeye_conn *conn = (struct sockeye_conn *)calloc(1, sizeof *conn);
    (void)net;
    if (conn == NULL) {
        sockeye_say(error, size, "no memory for a connection", 0);
        return NULL;
    }
    conn->fd = -1;
    conn->target = target;
    if (!secure(conn, error, size) || !resolve(conn, error, size)) {
        sockeye_conn_close(conn);
        return NULL;
    }
    if (!dial_next(conn)) {
        sockeye_say(error, size, "", conn->last_error);
        sockeye_conn_close(conn);
        return NULL;
    }
    return conn;
}

int32_t sockeye_conn_continue(void *of, char *error, size_t size)
{
    struct sockeye_conn *conn = (struct sockeye_conn *)of;
    while (!conn->connected) {
        struct pollfd fd;
        int failed = 0;
        socklen_t len = sizeof failed;
        fd.fd = conn->fd;
        fd.events = POLLOUT;
        fd.revents = 0;
        /* A signal may end it early, and then nothing is known yet. */
        if (poll(&fd, 1, 0) <= 0) {
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
            sockeye_say(error, size, "", conn->last_error);
            return -1;
        }
    }
#if SOCKEYE_SOCKETS_TLS
    if (conn->tls != NULL) {
        return sockeye_tls_handshake(conn->tls, conn->fd, error, size);
    }
#endif
    return 1;
}

void sockeye_conn_close(void *of)
{
    struct sockeye_conn *conn = (struct sockeye_conn *)of;
#if SOCKEYE_SOCKETS_TLS
    if (conn->tls != NULL) {
        sockeye_tls_close(conn->tls, &conn->fd, conn->connected);
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

/* ---- reading, writing, waiting ---- */

/* What a read or a write that failed means. */
static ptrdiff_t failed_io(char *error, size_t size)
{
    if (errno == EAGAIN || errno == EWOULDBLOCK) {
        return SOCKEYE_IO_AGAIN;
    }
    sockeye_say(error, size, "", errno);
    return SOCKEYE_IO_ERROR;
}

ptrdiff_t sockeye_conn_read(void *of, uint8_t *bytes, size_t len, char *error, size_t size)
{
    const struct sockeye_conn *conn = (const struct sockeye_conn *)of;
    ssize_t n;
#if SOCKEYE_SOCKETS_TLS
    if (conn->tls != NULL) {
        return sockeye_tls_read(conn->tls, bytes, len, error, size);
    }
#endif
    do {
        n = recv(conn->fd, bytes, len, 0);
    } while (n < 0 && errno == EINTR);
    return n >= 0 ? n : failed_io(error, size);
}

ptrdiff_t sockeye_conn_write(void *of, const uint8_t *bytes, size_t len, char *error, size_t size)
{
    const struct sockeye_conn *conn = (const struct sockeye_conn *)of;
    ssize_t n;
#if SOCKEYE_SOCKETS_TLS
    if (conn->tls != NULL) {
        return sockeye_tls_write(conn->tls, bytes, len, error, size);
    }
#endif
    do {
#ifdef MSG_NOSIGNAL
        n = send(conn->fd, bytes, len, MSG_NOSIGNAL);
#else
        n = send(conn->fd, bytes, len, 0);
#endif
    } while (n < 0 && errno == EINTR);
    return n >= 0 ? n : failed_io(error, size);
}

uint8_t sockeye_conn_interest(const struct sockeye_conn *conn, uint8_t want)
{
    uint8_t events = want & SOCKEYE_WAIT_READ;
    if ((want & (SOCKEYE_WAIT_OPEN | SOCKEYE_WAIT_WRITE)) != 0) {
#if SOCKEYE_SOCKETS_TLS
        if (conn->tls != NULL && conn->connected) {
            return events | sockeye_tls_waits(conn->tls);
        }
#else
        (void)conn;
#endif
        events |= SOCKEYE_WAIT_WRITE;
    }
    return events;
}

bool sockeye_conn_pending(const struct sockeye_conn *conn)
{
#if SOCKEYE_SOCKETS_TLS
    return conn->tls != NULL && conn->connected && sockeye_tls_pending(conn->tls);
#else
    (void)conn;
    return false;
#endif
}

uint8_t sockeye_conn_ready(const struct sockeye_conn *conn, uint8_t want, uint8_t events)
{
    uint8_t ready = events;
    if (sockeye_conn_pending(conn)) {
        ready |= SOCKEYE_WAIT_READ;
    }
    if (events != 0) {
        ready |= SOCKEYE_WAIT_OPEN;
    }
#if SOCKEYE_SOCKETS_TLS
    /* A write of TLS may wait for something to read. */
    if (conn->tls != NULL && conn->connected && (events & sockeye_tls_waits(conn->tls)) != 0) {
        ready |= SOCKEYE_WAIT_WRITE;
    }
#endif
    return ready & want;
}

/* ---- why there is no TLS ---- */

#if SOCKEYE_SOCKETS_TLS
/* The date that certificates are held against. By snprintf: strftime brings time zones and sscanf along, 10 KB and more of flash. */
static const char *today(char *text, size_t size)
{
    const time_t now = time(NULL);
    struct tm date;
    if (gmtime_r(&now, &date) == NULL) {
        snprintf(text, size, "?");
        return text;
    }
    snprintf(text, size, "%04u-%02u-%02u", (unsigned)(date.tm_year + 1900) % 10000u, (unsigned)(date.tm_mon + 1) % 100u,
        (unsigned)date.tm_mday % 100u);
    return text;
}

void sockeye_tls_say(
    enum sockeye_tls_trouble trouble, const sockeye_target_t *target, const char *store, char *error, size_t size)
{
    const sockeye_tls_config_t *config = target->tls;
    const char *name = config->common_name != NULL ? config->common_name : target->host;
    char date[16];
    switch (trouble) {
    case SOCKEYE_TLS_AUTHORITY:
        if (config->ca_pem != NULL) {
            sockeye_say(error, size, "certificate refused: not signed by the authority in tls.ca_pem; is that this server's?", 0);
        } else {
            snprintf(error, size, "certificate refused: its authority is not in %s; set tls.ca_pem to that authority's certificate", store);
        }
        break;
    case SOCKEYE_TLS_NAME:
        snprintf(error, size, "certificate refused: it is not for %.48s; connect by a name that it has, or set tls.common_name", name);
        break;
    case SOCKEYE_TLS_EXPIRED:
        snprintf(error, size, "certificate refused: expired; the server needs a new one, unless the clock is wrong: it says %s",
            today(date, sizeof date));
        break;
    case SOCKEYE_TLS_NOT_YET:
        snprintf(error, size, "certificate refused: not valid yet; set the clock (by SNTP) before the start: it says %s",
            today(date, sizeof date));
        break;
    case SOCKEYE_TLS_REVOKED:
        sockeye_say(error, size, "certificate refused: revoked; the server needs a new one", 0);
        break;
    case SOCKEYE_TLS_WEAK:
        sockeye_say(error, size, "certificate refused: weak key or hash; the server needs a stronger one", 0);
        break;
    case SOCKEYE_TLS_PURPOSE:
        sockeye_say(error, size, "certificate refused: not made for a TLS server; the server needs one with that usage", 0);
        break;
    case SOCKEYE_TLS_BROKEN:
        if (config->client_cert_pem != NULL) {
            sockeye_say(error, size,
                "the connection broke during the TLS handshake; does the server trust the authority of tls.client_cert_pem?", 0);
        } else {
            sockeye_say(error, size,
                "the connection broke during the TLS handshake; is that a TLS server? if it wants a client certificate, "
                "set tls.client_cert_pem", 0);
        }
        break;
    case SOCKEYE_TLS_NOT_TLS:
        sockeye_say(error, size, "what answers there is not TLS; use http:// or ws://, or the server's TLS port", 0);
        break;
    case SOCKEYE_TLS_VERSION:
        sockeye_say(error, size, "no TLS version or cipher in common; the server must offer TLS 1.2 or 1.3", 0);
        break;
    case SOCKEYE_TLS_ALERT:
        if (config->client_cert_pem != NULL) {
            sockeye_say(error, size, "the server ended TLS with an alert; does it trust the authority of tls.client_cert_pem?", 0);
        } else {
            sockeye_say(error, size, "the server ended TLS with an alert; if it wants a client certificate, set tls.client_cert_pem", 0);
        }
        break;
    case SOCKEYE_TLS_NO_MEMORY:
        sockeye_say(error, size, "no memory for TLS; a handshake takes some 40 KB of heap", 0);
        break;
    case SOCKEYE_TLS_BAD_CA:
        sockeye_say(error, size, "tls.ca_pem cannot be read; it must be PEM, ended by a zero", 0);
        break;
    case SOCKEYE_TLS_BAD_IDENTITY:
        sockeye_say(error, size, "tls.client_cert_pem and client_key_pem cannot be read; both must be PEM, the key without a password", 0);
        break;
    }
}
#endif
