/*
 * TLS for `port_posix.c`, by OpenSSL 1.1.1 or later: compiled with -DSOCKEYE_POSIX_OPENSSL, and linked with -lssl -lcrypto.
 * Without that this file is empty, and `https` and `wss` are refused when the client connects.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#if defined(SOCKEYE_POSIX_OPENSSL)

#include "port_sockets.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

struct sockeye_tls {
    const sockeye_target_t *target;
    SSL_CTX *context;
    SSL *tls;
    /* What the handshake or the last write waits for. */
    uint8_t waits;
};

static const char STORE[] = "the system's certificates";

static void say(const struct sockeye_tls *tls, enum sockeye_tls_trouble trouble, char *error, size_t size)
{
    ERR_clear_error();
    sockeye_tls_say(trouble, tls->target, STORE, error, size);
}

/* What OpenSSL has against the certificate. */
static void say_refused(const struct sockeye_tls *tls, long verdict, char *error, size_t size)
{
    switch (verdict) {
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_CERT_SIGNATURE_FAILURE:
    case X509_V_ERR_CERT_UNTRUSTED:
    case X509_V_ERR_INVALID_CA:
        say(tls, SOCKEYE_TLS_AUTHORITY, error, size);
        break;
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
        say(tls, SOCKEYE_TLS_NAME, error, size);
        break;
    case X509_V_ERR_CERT_HAS_EXPIRED:
        say(tls, SOCKEYE_TLS_EXPIRED, error, size);
        break;
    case X509_V_ERR_CERT_NOT_YET_VALID:
        say(tls, SOCKEYE_TLS_NOT_YET, error, size);
        break;
    case X509_V_ERR_CERT_REVOKED:
        say(tls, SOCKEYE_TLS_REVOKED, error, size);
        break;
    case X509_V_ERR_EE_KEY_TOO_SMALL:
    case X509_V_ERR_CA_KEY_TOO_SMALL:
    case X509_V_ERR_CA_MD_TOO_WEAK:
        say(tls, SOCKEYE_TLS_WEAK, error, size);
        break;
    case X509_V_ERR_INVALID_PURPOSE:
        say(tls, SOCKEYE_TLS_PURPOSE, error, size);
        break;
    default:
        ERR_clear_error();
        snprintf(error, size, "certificate refused: %s", X509_verify_cert_error_string(verdict));
        break;
    }
}

/* What OpenSSL's queue of errors says; `broken` if that is nothing. */
static void say_failed(const struct sockeye_tls *tls, enum sockeye_tls_trouble broken, char *error, size_t size)
{
    /* Alerts that the peer has sent are reasons from here on. */
    const int alerts = SSL_AD_REASON_OFFSET;
    const unsigned long code = ERR_peek_error();
    const int reason = ERR_GET_REASON(code);
    char text[120];
    if (code == 0) {
        say(tls, broken, error, size);
    } else if (ERR_GET_LIB(code) != ERR_LIB_SSL) {
        ERR_error_string_n(code, text, sizeof text);
        ERR_clear_error();
        snprintf(error, size, "TLS: %s", text);
    } else if (reason == alerts + SSL_AD_PROTOCOL_VERSION || reason == SSL_R_UNSUPPORTED_PROTOCOL
        || reason == SSL_R_NO_SHARED_CIPHER) {
        say(tls, SOCKEYE_TLS_VERSION, error, size);
    } else if (reason >= alerts) {
        say(tls, SOCKEYE_TLS_ALERT, error, size);
    } else if (reason == SSL_R_WRONG_VERSION_NUMBER || reason == SSL_R_HTTP_REQUEST || reason == SSL_R_PACKET_LENGTH_TOO_LONG) {
        say(tls, SOCKEYE_TLS_NOT_TLS, error, size);
#if defined(SSL_R_UNEXPECTED_EOF_WHILE_READING)
    } else if (reason == SSL_R_UNEXPECTED_EOF_WHILE_READING) {
        say(tls, broken, error, size);
#endif
    } else {
        ERR_error_string_n(code, text, sizeof text);
        ERR_clear_error();
        snprintf(error, size, "TLS: %s", text);
    }
}

static bool trust(SSL_CTX *context, const char *pem)
{
    BIO *input;
    X509 *authority;
    int count = 0;
    if (pem == NULL) {
        return SSL_CTX_set_default_verify_paths(context) == 1;
    }
    input = BIO_new_mem_buf(pem, -1);
    while (input != NULL && (authority = PEM_read_bio_X509(input, NULL, NULL, NULL)) != NULL) {
        count += X509_STORE_add_cert(SSL_CTX_get_cert_store(context), authority) == 1;
        X509_free(authority);
    }
    BIO_free(input);
    ERR_clear_error();
    return count > 0;
}

/* A key with a password is not asked for on a terminal. */
static int no_password(char *text, int size, int writing, void *ctx)
{
    (void)text;
    (void)size;
    (void)writing;
    (void)ctx;
    return -1;
}

static bool identify(SSL_CTX *context, const sockeye_tls_config_t *config)
{
    BIO *certificate, *key;
    X509 *own;
    EVP_PKEY *secret;
    bool done;
    if (config->client_cert_pem == NULL && config->client_key_pem == NULL) {
        return true;
    }
    certificate = BIO_new_mem_buf(config->client_cert_pem != NULL ? config->client_cert_pem : "", -1);
    key = BIO_new_mem_buf(config->client_key_pem != NULL ? config->client_key_pem : "", -1);
    own = certificate != NULL ? PEM_read_bio_X509(certificate, NULL, no_password, NULL) : NULL;
    secret = key != NULL ? PEM_read_bio_PrivateKey(key, NULL, no_password, NULL) : NULL;
    done = own != NULL && secret != NULL && SSL_CTX_use_certificate(context, own) == 1
        && SSL_CTX_use_PrivateKey(context, secret) == 1;
    X509_free(own);
    EVP_PKEY_free(secret);
    BIO_free(certificate);
    BIO_free(key);
    return done;
}

/* Whom to expect at the other end; whether there was memory for that. */
static bool expect(SSL *tls, const sockeye_target_t *target)
{
    const sockeye_tls_config_t *config = target->tls;
    const char *name = config->common_name != NULL ? config->common_name : target->host;
    X509_VERIFY_PARAM *checks = SSL_get0_param(tls);
    SSL_set_verify(tls, SSL_VERIFY_PEER, NULL);
    if (!config->skip_common_name_check && X509_VERIFY_PARAM_set1_ip_asc(checks, name) != 1
        && X509_VERIFY_PARAM_set1_host(checks, name, 0) != 1) {
        return false;
    }
    SSL_set_tlsext_host_name(tls, name);
    ERR_clear_error();
    return true;
}

struct sockeye_tls *sockeye_tls_open(const sockeye_target_t *target, char *error, size_t size)
{
    struct sockeye_tls *made = (struct sockeye_tls *)calloc(1, sizeof *made);
    enum sockeye_tls_trouble trouble = SOCKEYE_TLS_NO_MEMORY;
    int fd = -1;
    if (made == NULL) {
        sockeye_tls_say(trouble, target, STORE, error, size);
        return NULL;
    }
    made->target = target;
    made->waits = SOCKEYE_WAIT_WRITE;
    made->context = SSL_CTX_new(TLS_client_method());
    if (made->context != NULL) {
        if (!trust(made->context, target->tls->ca_pem)) {
            trouble = SOCKEYE_TLS_BAD_CA;
        } else if (!identify(made->context, target->tls)) {
            trouble = SOCKEYE_TLS_BAD_IDENTITY;
        } else {
            SSL_CTX_set_min_proto_version(made->context, TLS1_2_VERSION);
            SSL_CTX_set_mode(made->context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
            made->tls = SSL_new(made->context);
            if (made->tls != NULL && expect(made->tls, target)) {
                return made;
            }
        }
    }
    say(made, trouble, error, size);
    sockeye_tls_close(made, &fd, false);
    return NULL;
}

int32_t sockeye_tls_handshake(struct sockeye_tls *tls, int fd, char *error, size_t size)
{
    int result;
    if (SSL_get_fd(tls->tls) != fd) {
        SSL_set_fd(tls->tls, fd);
    }
    ERR_clear_error();
    result = SSL_connect(tls->tls);
    if (result == 1) {
        tls->waits = SOCKEYE_WAIT_WRITE;
        return 1;
    }
    switch (SSL_get_error(tls->tls, result)) {
    case SSL_ERROR_WANT_READ:
        tls->waits = SOCKEYE_WAIT_READ;
        return 0;
    case SSL_ERROR_WANT_WRITE:
        tls->waits = SOCKEYE_WAIT_WRITE;
        return 0;
    default:
        break;
    }
    if (SSL_get_verify_result(tls->tls) != X509_V_OK) {
        say_refused(tls, SSL_get_verify_result(tls->tls), error, size);
    } else {
        say_failed(tls, SOCKEYE_TLS_BROKEN, error, size);
    }
    return -1;
}

/* A read or a write that did nothing: its end, an error with a text, or what it waits for. */
static ptrdiff_t idle(struct sockeye_tls *tls, int result, uint8_t *waits, char *error, size_t size)
{
    switch (SSL_get_error(tls->tls, result)) {
    case SSL_ERROR_WANT_READ:
        *waits = SOCKEYE_WAIT_READ;
        return SOCKEYE_IO_AGAIN;
    case SSL_ERROR_WANT_WRITE:
        *waits = SOCKEYE_WAIT_WRITE;
        return SOCKEYE_IO_AGAIN;
    case SSL_ERROR_ZERO_RETURN:
        return 0;
    default:
        break;
    }
    if (ERR_peek_error() == 0) {
        sockeye_say(error, size, "the TLS connection was cut", 0);
    } else {
        say_failed(tls, SOCKEYE_TLS_BROKEN, error, size);
    }
    return SOCKEYE_IO_ERROR;
}

ptrdiff_t sockeye_tls_read(struct sockeye_tls *tls, uint8_t *bytes, size_t len, char *error, size_t size)
{
    /* A read is waited for at the socket's readable end anyway: only writes need more than that. */
    uint8_t ignored;
    int result;
    ERR_clear_error();
    result = SSL_read(tls->tls, bytes, len > INT_MAX ? INT_MAX : (int)len);
    return result > 0 ? result : idle(tls, result, &ignored, error, size);
}

ptrdiff_t sockeye_tls_write(struct sockeye_tls *tls, const uint8_t *bytes, size_t len, char *error, size_t size)
{
    ptrdiff_t n;
    int result;
    ERR_clear_error();
    result = SSL_write(tls->tls, bytes, len > INT_MAX ? INT_MAX : (int)len);
    if (result > 0) {
        tls->waits = SOCKEYE_WAIT_WRITE;
        return result;
    }
    n = idle(tls, result, &tls->waits, error, size);
    if (n == 0) {
        sockeye_say(error, size, "the server has closed the TLS connection", 0);
        return SOCKEYE_IO_ERROR;
    }
    return n;
}

uint8_t sockeye_tls_waits(const struct sockeye_tls *tls)
{
    return tls->waits;
}

bool sockeye_tls_pending(const struct sockeye_tls *tls)
{
    return SSL_pending(tls->tls) > 0;
}

void sockeye_tls_close(struct sockeye_tls *tls, int *fd, bool connected)
{
    /* The socket stays the port's. */
    (void)fd;
    if (tls->tls != NULL) {
        if (connected) {
            SSL_shutdown(tls->tls);
            ERR_clear_error();
        }
        SSL_free(tls->tls);
    }
    SSL_CTX_free(tls->context);
    free(tls);
}

#else
/* ISO C wants something in every file. */
typedef int sockeye_no_tls;
#endif
