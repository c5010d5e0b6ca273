/*
 * TLS for `port_esp_idf.c`, by esp-tls over Mbed TLS.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#include "port_sockets.h"

#if CONFIG_SOCKEYE_TLS

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if CONFIG_IDF_TARGET_LINUX
#include <signal.h>
#endif

#include "esp_err.h"
#include "esp_tls.h"
#include "esp_tls_errors.h"

#if CONFIG_MBEDTLS_CERTIFICATE_BUNDLE
#include "esp_crt_bundle.h"
#endif

#if CONFIG_ESP_TLS_USING_MBEDTLS
#include "mbedtls/net_sockets.h"
#include "mbedtls/ssl.h"
#include "mbedtls/x509.h"
#endif

struct sockeye_tls {
    const sockeye_target_t *target;
    esp_tls_cfg_t config;
    esp_tls_t *tls;
    /* The handshake is done. */
    bool ready;
    /* What the handshake or the last write waits for. */
    uint8_t waits;
};

static const char STORE[] = "the certificate bundle";

#if CONFIG_ESP_TLS_USING_MBEDTLS
/*
 * What Mbed TLS may have against a certificate, what says most first. The dates come before the authority: the bundle does
 * not look for the authority of a certificate whose dates are wrong, and calls it unknown as well.
 */
static const struct {
    uint32_t flags;
    enum sockeye_tls_trouble trouble;
} flaws[] = {
    {MBEDTLS_X509_BADCERT_FUTURE, SOCKEYE_TLS_NOT_YET},
    {MBEDTLS_X509_BADCERT_EXPIRED, SOCKEYE_TLS_EXPIRED},
    {MBEDTLS_X509_BADCERT_REVOKED, SOCKEYE_TLS_REVOKED},
    {MBEDTLS_X509_BADCERT_NOT_TRUSTED, SOCKEYE_TLS_AUTHORITY},
    {MBEDTLS_X509_BADCERT_CN_MISMATCH, SOCKEYE_TLS_NAME},
    {MBEDTLS_X509_BADCERT_BAD_MD | MBEDTLS_X509_BADCERT_BAD_KEY | MBEDTLS_X509_BADCERT_BAD_PK, SOCKEYE_TLS_WEAK},
    {MBEDTLS_X509_BADCERT_KEY_USAGE | MBEDTLS_X509_BADCERT_EXT_KEY_USAGE | MBEDTLS_X509_BADCERT_NS_CERT_TYPE,
        SOCKEYE_TLS_PURPOSE},
};

/*
 * Whether Mbed TLS says that the certificate was looked at and is not good. What is wrong with its usages alone has a number of
 * its own, which other faults share.
 */
static bool is_refusal(int code, int flags)
{
    return code == MBEDTLS_ERR_X509_CERT_VERIFY_FAILED || code == MBEDTLS_ERR_X509_FATAL_ERROR ||
        (code == MBEDTLS_ERR_SSL_BAD_CERTIFICATE && flags != 0 && flags != -1);
}

/*
 * What Mbed TLS has against the certificate. esp-tls does not hand that on in every version: 5.5.2 and those after it first
 * ask for a session that there is only when the handshake has succeeded.
 */
static int flags_of(esp_tls_t *tls)
{
    const mbedtls_ssl_context *ssl = esp_tls_get_ssl_context(tls);
    return ssl != NULL ? (int)mbedtls_ssl_get_verify_result(ssl) : 0;
}

/* The trouble behind a number of Mbed TLS's, if it is a known one. */
static bool is_known(int code, enum sockeye_tls_trouble *trouble)
{
    switch (code) {
    case MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE:
        *trouble = SOCKEYE_TLS_ALERT;
        return true;
    case MBEDTLS_ERR_SSL_INVALID_RECORD:
    case MBEDTLS_ERR_SSL_UNEXPECTED_MESSAGE:
        *trouble = SOCKEYE_TLS_NOT_TLS;
        return true;
    case MBEDTLS_ERR_SSL_BAD_PROTOCOL_VERSION:
    case MBEDTLS_ERR_SSL_HANDSHAKE_FAILURE:
        *trouble = SOCKEYE_TLS_VERSION;
        return true;
    case MBEDTLS_ERR_SSL_ALLOC_FAILED:
        *trouble = SOCKEYE_TLS_NO_MEMORY;
        return true;
    case MBEDTLS_ERR_SSL_CONN_EOF:
        *trouble = SOCKEYE_TLS_BROKEN;
        return true;
    default:
        return false;
    }
}
#endif

/* The trouble behind a number of esp-tls's, if it is a known one. */
static bool is_esp_known(esp_err_t code, const sockeye_tls_config_t *config, enum sockeye_tls_trouble *trouble)
{
    switch (code) {
    case ESP_ERR_NO_MEM:
        *trouble = SOCKEYE_TLS_NO_MEMORY;
        return true;
    case ESP_ERR_MBEDTLS_X509_CRT_PARSE_FAILED:
    case ESP_ERR_MBEDTLS_CERT_PARTLY_OK:
        /* esp-tls parses the authority first. */
        *trouble = config->client_cert_pem == NULL ? SOCKEYE_TLS_BAD_CA : SOCKEYE_TLS_BAD_IDENTITY;
        return true;
    case ESP_ERR_MBEDTLS_PK_PARSE_KEY_FAILED:
    case ESP_ERR_MBEDTLS_SSL_CONF_OWN_CERT_FAILED:
        *trouble = SOCKEYE_TLS_BAD_IDENTITY;
        return true;
    case ESP_ERR_ESP_TLS_TCP_CLOSED_FIN:
        *trouble = SOCKEYE_TLS_BROKEN;
        return true;
    default:
        return false;
    }
}

/* Why the handshake, a read or a write has failed. */
static void say_failed(const struct sockeye_tls *tls, const char *what, char *error, size_t size)
{
    esp_tls_error_handle_t handle = NULL;
    enum sockeye_tls_trouble trouble;
    esp_err_t first = ESP_OK;
    int code = 0, flags = 0;
    if (esp_tls_get_error_handle(tls->tls, &handle) == ESP_OK) {
        first = esp_tls_get_and_clear_last_error(handle, &code, &flags);
    }
#if CONFIG_ESP_TLS_USING_MBEDTLS
    /* esp-tls keeps the number without its sign. */
    code = code > 0 ? -code : code;
    if (flags == 0 && !tls->ready) {
        flags = flags_of(tls->tls);
    }
    if (is_refusal(code, flags)) {
        size_t i;
        for (i = 0; i < sizeof flaws / sizeof flaws[0]; i++) {
            /* All bits are set where the bundle has broken the check off: it did not find the authority. */
            if (flags == -1 ? flaws[i].trouble == SOCKEYE_TLS_AUTHORITY : ((uint32_t)flags & flaws[i].flags) != 0) {
                sockeye_tls_say(flaws[i].trouble, tls->target, STORE, error, size);
                return;
            }
        }
        snprintf(error, size, "certificate refused: flags 0x%x of Mbed TLS", (unsigned)flags);
        return;
    }
    if (code == MBEDTLS_ERR_NET_CONN_RESET || code == MBEDTLS_ERR_NET_RECV_FAILED || code == MBEDTLS_ERR_NET_SEND_FAILED) {
        /* The network below, which TLS only passes on. */
        if (tls->ready) {
            sockeye_say(error, size,
                code == MBEDTLS_ERR_NET_CONN_RESET ? "the other side has reset the connection" : "the network below TLS failed", 0);
        } else {
            sockeye_tls_say(SOCKEYE_TLS_BROKEN, tls->target, STORE, error, size);
        }
        return;
    }
    if (is_known(code, &trouble)) {
        sockeye_tls_say(trouble, tls->target, STORE, error, size);
        return;
    }
#endif
    if (is_esp_known(first, tls->target->tls, &trouble)) {
        sockeye_tls_say(trouble, tls->target, STORE, error, size);
        return;
    }
    if (first == ESP_OK) {
        snprintf(error, size, "%s: number -0x%04x of the TLS library", what, (unsigned)-code);
    } else {
        snprintf(error, size, "%s: %s, number -0x%04x of the TLS library", what, esp_err_to_name(first), (unsigned)-code);
    }
}

/* Whom to trust, and who we are; null, or what is wrong with that. */
static const char *configure(esp_tls_cfg_t *config, const sockeye_tls_config_t *from)
{
    if (from->ca_pem != NULL) {
        config->cacert_buf = (const unsigned char *)from->ca_pem;
        config->cacert_bytes = strlen(from->ca_pem) + 1;
    } else {
#if CONFIG_MBEDTLS_CERTIFICATE_BUNDLE
        config->crt_bundle_attach = esp_crt_bundle_attach;
#else
        return "no authority to trust: set tls.ca_pem, or enable MBEDTLS_CERTIFICATE_BUNDLE in menuconfig";
#endif
    }
    if ((from->client_cert_pem == NULL) != (from->client_key_pem == NULL)) {
        return "tls.client_cert_pem needs tls.client_key_pem, and the key its certificate";
    }
    if (from->client_cert_pem != NULL) {
        config->clientcert_buf = (const unsigned char *)from->client_cert_pem;
        config->clientcert_bytes = strlen(from->client_cert_pem) + 1;
        config->clientkey_buf = (const unsigned char *)from->client_key_pem;
        config->clientkey_bytes = strlen(from->client_key_pem) + 1;
    }
    config->common_name = from->common_name;
    config->skip_common_name = from->skip_common_name_check;
    return NULL;
}

struct sockeye_tls *sockeye_tls_open(const sockeye_target_t *target, char *error, size_t size)
{
    struct sockeye_tls *made = calloc(1, sizeof *made);
    const char *wrong;
    if (made == NULL) {
        sockeye_tls_say(SOCKEYE_TLS_NO_MEMORY, target, STORE, error, size);
        return NULL;
    }
#if CONFIG_IDF_TARGET_LINUX
    /* Mbed TLS writes without MSG_NOSIGNAL: a server that has closed would end the program. As its own net_prepare does. */
    signal(SIGPIPE, SIG_IGN);
#endif
    made->target = target;
    made->waits = SOCKEYE_WAIT_READ;
    wrong = configure(&made->config, target->tls);
    if (wrong != NULL) {
        sockeye_say(error, size, wrong, 0);
        free(made);
        return NULL;
    }
    made->tls = esp_tls_init();
    if (made->tls == NULL) {
        sockeye_tls_say(SOCKEYE_TLS_NO_MEMORY, target, STORE, error, size);
        free(made);
        return NULL;
    }
    return made;
}

int32_t sockeye_tls_handshake(struct sockeye_tls *tls, int fd, char *error, size_t size)
{
    const sockeye_target_t *target = tls->target;
    esp_tls_conn_state_t state = ESP_TLS_INIT;
    int result;
    esp_tls_get_conn_state(tls->tls, &state);
    if (state == ESP_TLS_INIT) {
        /* The connection stands already; esp-tls takes it over. */
        esp_tls_set_conn_sockfd(tls->tls, fd);
        esp_tls_set_conn_state(tls->tls, ESP_TLS_CONNECTING);
    }
    result = esp_tls_conn_new_async(target->host, (int)strlen(target->host), target->port, &tls->config, tls->tls);
    if (result < 0) {
        say_failed(tls, "TLS handshake failed", error, size);
    }
    tls->ready = result == 1;
    /* A handshake mostly waits for the server; afterwards a write waits for room. */
    tls->waits = result == 1 ? SOCKEYE_WAIT_WRITE : SOCKEYE_WAIT_READ;
    return result;
}

ptrdiff_t sockeye_tls_read(struct sockeye_tls *tls, uint8_t *bytes, size_t len, char *error, size_t size)
{
    const ssize_t n = esp_tls_conn_read(tls->tls, bytes, len);
    if (n >= 0) {
        return n;
    }
    if (n == ESP_TLS_ERR_SSL_WANT_READ || n == ESP_TLS_ERR_SSL_WANT_WRITE) {
        return SOCKEYE_IO_AGAIN;
    }
    say_failed(tls, "TLS", error, size);
    return SOCKEYE_IO_ERROR;
}

ptrdiff_t sockeye_tls_write(struct sockeye_tls *tls, const uint8_t *bytes, size_t len, char *error, size_t size)
{
    const ssize_t n = esp_tls_conn_write(tls->tls, bytes, len);
    tls->waits = n == ESP_TLS_ERR_SSL_WANT_READ ? SOCKEYE_WAIT_READ : SOCKEYE_WAIT_WRITE;
    if (n > 0) {
        return n;
    }
    if (n == 0 || n == ESP_TLS_ERR_SSL_WANT_READ || n == ESP_TLS_ERR_SSL_WANT_WRITE) {
        return SOCKEYE_IO_AGAIN;
    }
    say_failed(tls, "TLS", error, size);
    return SOCKEYE_IO_ERROR;
}

uint8_t sockeye_tls_waits(const struct sockeye_tls *tls)
{
    return tls->waits;
}

bool sockeye_tls_pending(const struct sockeye_tls *tls)
{
    return esp_tls_get_bytes_avail(tls->tls) > 0;
}

void sockeye_tls_close(struct sockeye_tls *tls, int *fd, bool connected)
{
    int taken = -1;
    (void)connected;
    if (esp_tls_get_conn_sockfd(tls->tls, &taken) == ESP_OK && taken >= 0) {
        /* Closed with the rest. */
        *fd = -1;
    }
    esp_tls_conn_destroy(tls->tls);
    free(tls);
}

#endif
