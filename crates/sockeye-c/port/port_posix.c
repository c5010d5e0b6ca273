/*
 * The port for POSIX systems: hosts, and any RTOS with BSD sockets, poll() and pthreads.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * Compiled with port_sockets.c and port_openssl.c, and with -DSOCKEYE_POSIX_OPENSSL for TLS, which takes -lssl -lcrypto.
 */
#ifndef _POSIX_C_SOURCE
#define _POSIX_C_SOURCE 200809L
#endif
#define _DEFAULT_SOURCE 1

#include "sockeye.h"
#include "port_posix.h"
#include "port_sockets.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#if defined(SOCKEYE_POSIX_OPENSSL)
#include <openssl/crypto.h>
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
        const struct sockeye_conn *conn = (const struct sockeye_conn *)waits[i].conn;
        const uint8_t interest = sockeye_conn_interest(conn, waits[i].want);
        fds[i + 1].fd = conn->fd;
        fds[i + 1].events = (short)(((interest & SOCKEYE_WAIT_READ) != 0 ? POLLIN : 0)
            | ((interest & SOCKEYE_WAIT_WRITE) != 0 ? POLLOUT : 0));
        fds[i + 1].revents = 0;
        if ((waits[i].want & SOCKEYE_WAIT_READ) != 0 && sockeye_conn_pending(conn)) {
            timeout = 0;
        }
    }
    if (poll(fds, (nfds_t)(count + 1), timeout) < 0) {
        return;
    }
    while (fds[0].revents != 0 && read(net->wake[0], drained, sizeof drained) == (ssize_t)sizeof drained) {
    }
    for (i = 0; i < count; i++) {
        const struct sockeye_conn *conn = (const struct sockeye_conn *)waits[i].conn;
        const short found = fds[i + 1].revents;
        uint8_t events = 0;
        if ((found & (POLLIN | POLLERR | POLLHUP | POLLNVAL)) != 0) {
            events |= SOCKEYE_WAIT_READ;
        }
        if ((found & POLLOUT) != 0) {
            events |= SOCKEYE_WAIT_WRITE;
        }
        waits[i].ready = sockeye_conn_ready(conn, waits[i].want, events);
        if (waits[i].ready == 0 && (found & (POLLERR | POLLHUP | POLLNVAL)) != 0) {
            /* Whatever it wants ends with an error now. */
            waits[i].ready = waits[i].want;
        }
    }
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
