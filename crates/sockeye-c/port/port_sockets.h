/*
 * What the ports over BSD sockets share: `port_posix.c` and, in the ESP-IDF component, `port_esp_idf.c`. For ports, not for
 * programs.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#ifndef SOCKEYE_PORT_SOCKETS_H
#define SOCKEYE_PORT_SOCKETS_H

#include "sockeye.h"

#if defined(ESP_PLATFORM)
#include "sdkconfig.h"
#if CONFIG_SOCKEYE_TLS
#define SOCKEYE_SOCKETS_TLS 1
#endif
#elif defined(SOCKEYE_POSIX_OPENSSL)
#define SOCKEYE_SOCKETS_TLS 1
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* ---- connections: the `conn_` functions of the port's table ---- */

struct addrinfo;
struct sockeye_tls;

/** What `conn_open` gives. */
struct sockeye_conn {
    int fd;
    /** The addresses that were found, and the first that has not been tried yet. */
    struct addrinfo *found, *next;
    bool connected;
    int last_error;
    const sockeye_target_t *target;
    /** Null for a plain connection. */
    struct sockeye_tls *tls;
};

void *sockeye_conn_open(void *net, const sockeye_target_t *target, char *error, size_t size);
int32_t sockeye_conn_continue(void *conn, char *error, size_t size);
ptrdiff_t sockeye_conn_read(void *conn, uint8_t *bytes, size_t len, char *error, size_t size);
ptrdiff_t sockeye_conn_write(void *conn, const uint8_t *bytes, size_t len, char *error, size_t size);
void sockeye_conn_close(void *conn);

/* ---- waiting: what a port's `net_wait` asks ---- */

/** What to wait for at the socket itself, `SOCKEYE_WAIT_READ` and `_WRITE`, when the client wants `want`. */
uint8_t sockeye_conn_interest(const struct sockeye_conn *conn, uint8_t want);

/** Whether there is something to read that the socket does not know of: TLS has taken it already. */
bool sockeye_conn_pending(const struct sockeye_conn *conn);

/** What of `want` is ready, when the socket can do `events`. */
uint8_t sockeye_conn_ready(const struct sockeye_conn *conn, uint8_t want, uint8_t events);

/* ---- TLS: `port_openssl.c`, or `port_esp_tls.c` of the component ---- */

/** Before anything is sent; null with a text if there can be no TLS. */
struct sockeye_tls *sockeye_tls_open(const sockeye_target_t *target, char *error, size_t size);
/** Goes on with the handshake over a connected socket: 1 done, 0 not yet, -1 failed, with a text. */
int32_t sockeye_tls_handshake(struct sockeye_tls *tls, int fd, char *error, size_t size);
/** As `conn_read` and `conn_write`. */
ptrdiff_t sockeye_tls_read(struct sockeye_tls *tls, uint8_t *bytes, size_t len, char *error, size_t size);
ptrdiff_t sockeye_tls_write(struct sockeye_tls *tls, const uint8_t *bytes, size_t len, char *error, size_t size);
/** What the handshake, or the last write, waits for at the socket: `SOCKEYE_WAIT_READ` or `_WRITE`. */
uint8_t sockeye_tls_waits(const struct sockeye_tls *tls);
bool sockeye_tls_pending(const struct sockeye_tls *tls);
/** Frees it. A socket that it took over is closed, and `*fd` is -1 then. */
void sockeye_tls_close(struct sockeye_tls *tls, int *fd, bool connected);

/** Why there is no TLS connection: what a person can do something about. */
enum sockeye_tls_trouble {
    /** The certificate: nobody who is trusted has signed it. */
    SOCKEYE_TLS_AUTHORITY,
    /** It is for another host. */
    SOCKEYE_TLS_NAME,
    SOCKEYE_TLS_EXPIRED,
    SOCKEYE_TLS_NOT_YET,
    SOCKEYE_TLS_REVOKED,
    SOCKEYE_TLS_WEAK,
    /** It is not one for servers. */
    SOCKEYE_TLS_PURPOSE,
    /** The handshake. */
    SOCKEYE_TLS_BROKEN,
    SOCKEYE_TLS_NOT_TLS,
    SOCKEYE_TLS_VERSION,
    /** The server ended it: often, because it wants a certificate from us. */
    SOCKEYE_TLS_ALERT,
    /** Our own side. */
    SOCKEYE_TLS_NO_MEMORY,
    SOCKEYE_TLS_BAD_CA,
    SOCKEYE_TLS_BAD_IDENTITY
};

/** One line for people: the cause, and what helps. `store` is what is trusted where `ca_pem` is null. */
void sockeye_tls_say(
    enum sockeye_tls_trouble trouble, const sockeye_target_t *target, const char *store, char *error, size_t size);

/** One line: `what`, and the words for the number `code` of `errno.h`, if that is not 0. */
void sockeye_say(char *error, size_t size, const char *what, int code);

#ifdef __cplusplus
}
#endif

#endif
