/*
 * The port for POSIX systems: hosts, and any RTOS with BSD sockets, poll() and pthreads.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * TLS comes from OpenSSL 1.1.1 or later if this file is compiled with -DSOCKEYE_POSIX_OPENSSL, and linked with -lssl
 * -lcrypto. Without it, `https` and `wss` are refused when the client connects.
 */
#ifndef _POSIX_C_SOURCE
#define _POSIX_C_SOURCE 200809L
#endif
#define _DEFAULT_SOURCE 1

#include "sockeye.h"
#include "port_posix.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#if defined(SOCKEYE_POSIX_OPENSSL)
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#endif


int sockeye_posix_log_level = SOCKEYE_LOG_WARN;

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
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

static void port_random(uint8_t *bytes, size_t len)
{
    /* Opened once, and never closed: this must not fail later for lack of descriptors. */
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static int urandom = -1;
    pthread_mutex_lock(&lock);
    if (urandom < 0) {
        urandom = open("/dev/urandom", O_RDONLY | O_CLOEXEC);
    }
    while (len > 0) {
        ssize_t n = urandom < 0 ? -1 : read(urandom, bytes, len);
        if (n < 0 && urandom >= 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            fprintf(stderr, "sockeye: no random numbers from /dev/urandom\n");
            abort();
        }
        bytes += n;
        len -= (size_t)n;
    }
    pthread_mutex_unlock(&lock);
}

static void port_log(int32_t level, const char *line)
{
    static const char *const names[] = {"", "error", "warning", "info", "debug"};
    if (level >= SOCKEYE_LOG_ERROR && level <= SOCKEYE_LOG_DEBUG && level <= sockeye_posix_log_level) {
        fprintf(stderr, "sockeye: %s: %s\n", names[level], line);
    }
}

/* ---- locks, signals, tasks ---- */

static void *lock_create(void)
{
    pthread_mutex_t *lock = (pthread_mutex_t *)malloc(sizeof *lock);
    if (lock != NULL && pthread_mutex_init(lock, NULL) != 0) {
        free(lock);
        lock = NULL;
    }
    return lock;
}

static void lock_acquire(void *lock)
{
    if (pthread_mutex_lock((pthread_mutex_t *)lock) != 0) {
        abort();
    }
}

static void lock_release(void *lock)
{
    pthread_mutex_unlock((pthread_mutex_t *)lock);
}

static void lock_destroy(void *lock)
{
    pthread_mutex_destroy((pthread_mutex_t *)lock);
    free(lock);
}

struct posix_signal {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool given;
};

static void *signal_create(void)
{
    struct posix_signal *made = (struct posix_signal *)calloc(1, sizeof *made);
    pthread_condattr_t attributes;
    if (made == NULL) {
        return NULL;
    }
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_mutex_init(&made->lock, NULL);
    pthread_cond_init(&made->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    return made;
}

static bool signal_take(void *of, uint32_t timeout_ms)
{
    struct posix_signal *taken = (struct posix_signal *)of;
    struct timespec until;
    bool given;
    int result = 0;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += (time_t)(timeout_ms / 1000u);
    until.tv_nsec += (long)(timeout_ms % 1000u) * 1000000L;
    if (until.tv_nsec >= 1000000000L) {
        until.tv_nsec -= 1000000000L;
        until.tv_sec += 1;
    }
    pthread_mutex_lock(&taken->lock);
    while (!taken->given && result != ETIMEDOUT) {
        result = timeout_ms == UINT32_MAX ? pthread_cond_wait(&taken->changed, &taken->lock)
                                          : pthread_cond_timedwait(&taken->changed, &taken->lock, &until);
    }
    given = taken->given;
    taken->given = false;
    pthread_mutex_unlock(&taken->lock);
    return given;
}

static void signal_give(void *of)
{
    struct posix_signal *given = (struct posix_signal *)of;
    pthread_mutex_lock(&given->lock);
    given->given = true;
    /* Under the lock: the one who takes it destroys it after that. */
    pthread_cond_signal(&given->changed);
    pthread_mutex_unlock(&given->lock);
}

static void signal_destroy(void *of)
{
    struct posix_signal *destroyed = (struct posix_signal *)of;
    /* The one who gave it may still be inside of unlock. */
    pthread_mutex_lock(&destroyed->lock);
    pthread_mutex_unlock(&destroyed->lock);
    pthread_cond_destroy(&destroyed->changed);
    pthread_mutex_destroy(&destroyed->lock);
    free(destroyed);
}

struct posix_task {
    void (*entry)(void *arg);
    void *arg;
};

static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    unsigned long running;
} tasks = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0};

static void count_task(bool begins)
{
    pthread_mutex_lock(&tasks.lock);
    tasks.running = begins ? tasks.running + 1 : tasks.running - 1;
    pthread_cond_broadcast(&tasks.changed);
    pthread_mutex_unlock(&tasks.lock);
}

void sockeye_posix_wait_for_tasks(void)
{
    pthread_mutex_lock(&tasks.lock);
    while (tasks.running > 0) {
        pthread_cond_wait(&tasks.changed, &tasks.lock);
    }
    pthread_mutex_unlock(&tasks.lock);
}

static void *task_main(void *of)
{
    struct posix_task task = *(struct posix_task *)of;
    free(of);
    task.entry(task.arg);
#if defined(SOCKEYE_POSIX_OPENSSL)
    OPENSSL_thread_stop();
#endif
    count_task(false);
    return NULL;
}

static bool task_start(void (*entry)(void *arg), void *arg, const sockeye_task_config_t *config)
{
    struct posix_task *task = (struct posix_task *)malloc(sizeof *task);
    pthread_attr_t attributes;
    pthread_t thread;
    sigset_t all, before;
    size_t stack = config->stack;
    bool started;
    if (task == NULL) {
        return false;
    }
    task->entry = entry;
    task->arg = arg;
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    if (stack != 0) {
        /* What the system itself puts on a thread's stack comes on top of what the client needs. */
        pthread_attr_setstacksize(&attributes, (stack + (size_t)PTHREAD_STACK_MIN + 0xffff) & ~(size_t)0xffff);
    }
    /* The program's signals are the program's: none is handled on this thread, and no write raises SIGPIPE here. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    count_task(true);
    started = pthread_create(&thread, &attributes, task_main, task) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    if (!started) {
        count_task(false);
        free(task);
    }
    return started;
}

static size_t task_current(void)
{
    static __thread char marker;
    return (size_t)&marker;
}

/* ---- waiting ---- */

struct posix_net {
    int wake[2];
};

static void *net_create(void)
{
    struct posix_net *net = (struct posix_net *)malloc(sizeof *net);
    int i;
    if (net == NULL) {
        return NULL;
    }
    if (pipe(net->wake) != 0) {
        free(net);
        return NULL;
    }
    for (i = 0; i < 2; i++) {
        fcntl(net->wake[i], F_SETFL, O_NONBLOCK);
        fcntl(net->wake[i], F_SETFD, FD_CLOEXEC);
    }
    return net;
}

static void net_wake(void *of)
{
    struct posix_net *net = (struct posix_net *)of;
    /* A full pipe wakes as well. */
    while (write(net->wake[1], "", 1) < 0 && errno == EINTR) {
    }
}

static void net_destroy(void *of)
{
    struct posix_net *net = (struct posix_net *)of;
    close(net->wake[0]);
    close(net->wake[1]);
    free(net);
}

/* ---- connections ---- */

struct posix_conn {
    int fd;
    /* The addresses that have not been tried yet. */
    struct addrinfo *found, *next;
    bool connected;
    int last_error;
#if defined(SOCKEYE_POSIX_OPENSSL)
    SSL_CTX *context;
    SSL *tls;
    /* What TLS waits for, whatever the client wants to do: POLLIN or POLLOUT. */
    short tls_wants;
#endif
};

static void say(char *error, size_t size, const char *what, int code)
{
    char text[96];
    if (code == 0) {
        snprintf(error, size, "%s", what);
        return;
    }
    if (strerror_r(code, text, sizeof text) != 0) {
        snprintf(text, sizeof text, "error %d", code);
    }
    snprintf(error, size, "%s%s%s", what, what[0] != 0 ? ": " : "", text);
}

static bool tls_pending(const struct posix_conn *conn)
{
#if defined(SOCKEYE_POSIX_OPENSSL)
    return conn->tls != NULL && SSL_pending(conn->tls) > 0;
#else
    (void)conn;
    return false;
#endif
}

static void net_wait(void *of, sockeye_wait_t *waits, size_t count, int64_t timeout_us)
{
    struct posix_net *net = (struct posix_net *)of;
    struct pollfd fds[4];
    char drained[64];
    size_t i;
    int timeout = -1;
    if (count > 3) {
        count = 3;
    }
    fds[0].fd = net->wake[0];
    fds[0].events = POLLIN;
    fds[0].revents = 0;
    if (timeout_us >= 0) {
        /* Rounded up: early would be a turn for nothing. */
        timeout = timeout_us > 3600000000LL ? 3600000 : (int)((timeout_us + 999) / 1000);
    }
    for (i = 0; i < count; i++) {
        const struct posix_conn *conn = (const struct posix_conn *)waits[i].conn;
        short events = 0;
        if ((waits[i].want & SOCKEYE_WAIT_READ) != 0) {
            events |= POLLIN;
        }
        if ((waits[i].want & SOCKEYE_WAIT_WRITE) != 0) {
            events |= POLLOUT;
        }
        if ((waits[i].want & SOCKEYE_WAIT_OPEN) != 0) {
            events |= POLLOUT;
        }
#if defined(SOCKEYE_POSIX_OPENSSL)
        if (conn->tls != NULL && conn->connected && (waits[i].want & (SOCKEYE_WAIT_OPEN | SOCKEYE_WAIT_WRITE)) != 0) {
            events = (short)((events & ~POLLOUT) | conn->tls_wants);
        }
#endif
        if (tls_pending(conn) && (waits[i].want & SOCKEYE_WAIT_READ) != 0) {
            timeout = 0;
        }
        fds[i + 1].fd = conn->fd;
        fds[i + 1].events = events;
        fds[i + 1].revents = 0;
    }
    if (poll(fds, (nfds_t)(count + 1), timeout) < 0) {
        return;
    }
    while (fds[0].revents != 0 && read(net->wake[0], drained, sizeof drained) == (ssize_t)sizeof drained) {
    }
    for (i = 0; i < count; i++) {
        const struct posix_conn *conn = (const struct posix_conn *)waits[i].conn;
        short found = fds[i + 1].revents;
        uint8_t ready = 0;
        if ((found & (POLLERR | POLLHUP | POLLNVAL)) != 0) {
            ready = SOCKEYE_WAIT_READ | SOCKEYE_WAIT_OPEN;
        }
        if ((found & POLLIN) != 0 || tls_pending(conn)) {
            ready |= SOCKEYE_WAIT_READ;
        }
        if (found != 0) {
            ready |= SOCKEYE_WAIT_OPEN;
        }
        if ((found & POLLOUT) != 0) {
            ready |= SOCKEYE_WAIT_WRITE;
        }
#if defined(SOCKEYE_POSIX_OPENSSL)
        /* A TLS write may wait for bytes to read. */
        if (conn->tls != NULL && (found & conn->tls_wants) != 0) {
            ready |= SOCKEYE_WAIT_WRITE;
        }
#endif
        waits[i].ready = ready;
    }
}

/* Begins with the next address; whether there was one that could be tried. */
static bool dial_next(struct posix_conn *conn)
{
    int yes = 1;
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
        fcntl(conn->fd, F_SETFL, O_NONBLOCK);
        fcntl(conn->fd, F_SETFD, FD_CLOEXEC);
        setsockopt(conn->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
        if (connect(conn->fd, at->ai_addr, at->ai_addrlen) == 0 || errno == EINPROGRESS || errno == EINTR) {
            conn->next = at->ai_next;
            return true;
        }
        conn->last_error = errno;
    }
    return false;
}

#if defined(SOCKEYE_POSIX_OPENSSL)
static void say_tls(char *error, size_t size, const char *what)
{
    char text[120];
    unsigned long code = ERR_get_error();
    ERR_error_string_n(code, text, sizeof text);
    snprintf(error, size, "%s: %s", what, code != 0 ? text : "the connection ended");
    ERR_clear_error();
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

static bool identify(SSL_CTX *context, const sockeye_tls_config_t *config)
{
    BIO *certificate, *key;
    X509 *own;
    EVP_PKEY *secret;
    bool done;
    if (config->client_cert_pem == NULL) {
        return true;
    }
    certificate = BIO_new_mem_buf(config->client_cert_pem, -1);
    key = BIO_new_mem_buf(config->client_key_pem != NULL ? config->client_key_pem : "", -1);
    own = certificate != NULL ? PEM_read_bio_X509(certificate, NULL, NULL, NULL) : NULL;
    secret = key != NULL ? PEM_read_bio_PrivateKey(key, NULL, NULL, NULL) : NULL;
    done = own != NULL && secret != NULL && SSL_CTX_use_certificate(context, own) == 1
        && SSL_CTX_use_PrivateKey(context, secret) == 1;
    X509_free(own);
    EVP_PKEY_free(secret);
    BIO_free(certificate);
    BIO_free(key);
    return done;
}

static bool tls_begin(struct posix_conn *conn, const sockeye_target_t *target, char *error, size_t size)
{
    const sockeye_tls_config_t *config = target->tls;
    const char *name = config->common_name != NULL ? config->common_name : target->host;
    X509_VERIFY_PARAM *checks;
    bool named = true;
    conn->context = SSL_CTX_new(TLS_client_method());
    if (conn->context == NULL || !trust(conn->context, config->ca_pem)) {
        say_tls(error, size, "no certificate authority could be read");
        return false;
    }
    if (!identify(conn->context, config)) {
        say_tls(error, size, "the client's certificate or key could not be read");
        return false;
    }
    SSL_CTX_set_min_proto_version(conn->context, TLS1_2_VERSION);
    SSL_CTX_set_mode(conn->context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    conn->tls = SSL_new(conn->context);
    if (conn->tls == NULL) {
        say_tls(error, size, "no memory for TLS");
        return false;
    }
    SSL_set_verify(conn->tls, SSL_VERIFY_PEER, NULL);
    checks = SSL_get0_param(conn->tls);
    if (!config->skip_common_name_check) {
        named = X509_VERIFY_PARAM_set1_ip_asc(checks, name) == 1 || X509_VERIFY_PARAM_set1_host(checks, name, 0) == 1;
    }
    ERR_clear_error();
    if (!named) {
        say(error, size, "no memory for TLS", 0);
        return false;
    }
    SSL_set_tlsext_host_name(conn->tls, name);
    conn->tls_wants = POLLOUT;
    return true;
}

/* Goes on with the TLS handshake: 1 done, 0 not yet, -1 failed. */
static int tls_continue(struct posix_conn *conn, char *error, size_t size)
{
    int result;
    if (SSL_get_fd(conn->tls) != conn->fd) {
        SSL_set_fd(conn->tls, conn->fd);
    }
    ERR_clear_error();
    result = SSL_connect(conn->tls);
    if (result == 1) {
        conn->tls_wants = POLLOUT;
        return 1;
    }
    switch (SSL_get_error(conn->tls, result)) {
    case SSL_ERROR_WANT_READ:
        conn->tls_wants = POLLIN;
        return 0;
    case SSL_ERROR_WANT_WRITE:
        conn->tls_wants = POLLOUT;
        return 0;
    default:
        break;
    }
    if (SSL_get_verify_result(conn->tls) != X509_V_OK) {
        snprintf(error, size, "the server's certificate is not accepted: %s",
            X509_verify_cert_error_string(SSL_get_verify_result(conn->tls)));
        ERR_clear_error();
    } else {
        say_tls(error, size, "TLS handshake failed");
    }
    return -1;
}
#endif

static void conn_close(void *of)
{
    struct posix_conn *conn = (struct posix_conn *)of;
#if defined(SOCKEYE_POSIX_OPENSSL)
    if (conn->tls != NULL) {
        if (conn->connected) {
            SSL_shutdown(conn->tls);
            ERR_clear_error();
        }
        SSL_free(conn->tls);
    }
    SSL_CTX_free(conn->context);
#endif
    if (conn->found != NULL) {
        freeaddrinfo(conn->found);
    }
    if (conn->fd >= 0) {
        close(conn->fd);
    }
    free(conn);
}

static void *conn_open(void *net, const sockeye_target_t *target, char *error, size_t size)
{
    struct posix_conn *conn = (struct posix_conn *)calloc(1, sizeof *conn);
    struct addrinfo hints;
    char port[8];
    int failed;
    (void)net;
    if (conn == NULL) {
        say(error, size, "no memory for a connection", 0);
        return NULL;
    }
    conn->fd = -1;
#if defined(SOCKEYE_POSIX_OPENSSL)
    if (target->tls != NULL && !tls_begin(conn, target, error, size)) {
        conn_close(conn);
        return NULL;
    }
#else
    if (target->tls != NULL) {
        say(error, size, "this program was built without TLS: compile port_posix.c with SOCKEYE_POSIX_OPENSSL", 0);
        conn_close(conn);
        return NULL;
    }
#endif
    memset(&hints, 0, sizeof hints);
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_NUMERICSERV;
    snprintf(port, sizeof port, "%u", (unsigned)target->port);
    failed = getaddrinfo(target->host, port, &hints, &conn->found);
    if (failed != 0) {
        snprintf(error, size, "%.80s: %s", target->host, gai_strerror(failed));
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
    struct posix_conn *conn = (struct posix_conn *)of;
    while (!conn->connected) {
        struct pollfd fd;
        int failed = 0;
        socklen_t len = sizeof failed;
        fd.fd = conn->fd;
        fd.events = POLLOUT;
        fd.revents = 0;
        if (poll(&fd, 1, 0) == 0) {
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
#if defined(SOCKEYE_POSIX_OPENSSL)
    if (conn->tls != NULL) {
        return tls_continue(conn, error, size);
    }
#endif
    return 1;
}

#if defined(SOCKEYE_POSIX_OPENSSL)
/* What a TLS read or write that did nothing means. */
static ptrdiff_t tls_result(struct posix_conn *conn, int result, char *error, size_t size)
{
    switch (SSL_get_error(conn->tls, result)) {
    case SSL_ERROR_WANT_READ:
        conn->tls_wants = POLLIN;
        return SOCKEYE_IO_AGAIN;
    case SSL_ERROR_WANT_WRITE:
        conn->tls_wants = POLLOUT;
        return SOCKEYE_IO_AGAIN;
    case SSL_ERROR_ZERO_RETURN:
        return 0;
    default:
        say_tls(error, size, "TLS");
        return SOCKEYE_IO_ERROR;
    }
}
#endif

static ptrdiff_t conn_read(void *of, uint8_t *bytes, size_t len, char *error, size_t size)
{
    struct posix_conn *conn = (struct posix_conn *)of;
    ssize_t n;
#if defined(SOCKEYE_POSIX_OPENSSL)
    if (conn->tls != NULL) {
        int result;
        ERR_clear_error();
        result = SSL_read(conn->tls, bytes, len > INT_MAX ? INT_MAX : (int)len);
        return result > 0 ? result : tls_result(conn, result, error, size);
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
    struct posix_conn *conn = (struct posix_conn *)of;
    ssize_t n;
#if defined(SOCKEYE_POSIX_OPENSSL)
    if (conn->tls != NULL) {
        int result;
        ERR_clear_error();
        result = SSL_write(conn->tls, bytes, len > INT_MAX ? INT_MAX : (int)len);
        if (result > 0) {
            return result;
        }
        n = tls_result(conn, result, error, size);
        if (n == 0) {
            say(error, size, "the server has closed the TLS connection", 0);
            return SOCKEYE_IO_ERROR;
        }
        return n;
    }
#endif
    do {
        n = send(conn->fd, bytes, len, MSG_NOSIGNAL);
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
