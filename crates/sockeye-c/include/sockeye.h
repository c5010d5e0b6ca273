/*
 * Sockeye: a Socket.IO client.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * Made by cbindgen from crates/sockeye-c: `SOCKEYE_BLESS=1 cargo test -p sockeye-c --test header` writes it anew.
 *
 * In short: fill a sockeye_client_config_t, then sockeye_client_init, sockeye_client_on, sockeye_client_start. All
 * functions that take a handle may be called from any task, and from callbacks. Callbacks run on the client's task,
 * without a lock held; what they are given is valid until they return. Texts that go in end with a zero and are copied;
 * values that come out are a pointer and a length. A function that returns a sockeye_err_t does nothing when it fails.
 */

#ifndef SOCKEYE_H
#define SOCKEYE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/**
 * Packets begin over HTTP long-polling, and move to a WebSocket where that works: what browsers do.
 */
#define SOCKEYE_TRANSPORTS_POLLING_FIRST 0

/**
 * WebSocket alone: one socket, no sticky sessions needed. The default of this library.
 */
#define SOCKEYE_TRANSPORTS_WEBSOCKET 1

/**
 * HTTP long-polling alone.
 */
#define SOCKEYE_TRANSPORTS_POLLING 2

/**
 * A WebSocket, and HTTP long-polling where that cannot be had.
 */
#define SOCKEYE_TRANSPORTS_WEBSOCKET_FIRST 3

/**
 * For `reconnect_attempts`: never give up.
 */
#define SOCKEYE_FOREVER UINT32_MAX

/**
 * Attachments that one packet may carry: official servers close the connection on more.
 */
#define SOCKEYE_MAX_ATTACHMENTS 10

/**
 * `sockeye_wait_t`: bytes, the end of the stream or an error can be read.
 */
#define SOCKEYE_WAIT_READ 1

/**
 * `sockeye_wait_t`: bytes can be written.
 */
#define SOCKEYE_WAIT_WRITE 2

/**
 * `sockeye_wait_t`: `conn_continue` can make progress.
 */
#define SOCKEYE_WAIT_OPEN 4

/**
 * `conn_read`, `conn_write`: nothing now.
 */
#define SOCKEYE_IO_AGAIN -1

/**
 * `conn_read`, `conn_write`: the connection broke.
 */
#define SOCKEYE_IO_ERROR -2

/**
 * Levels of `log`.
 */
#define SOCKEYE_LOG_ERROR 1

/**
 * Levels of `log`.
 */
#define SOCKEYE_LOG_WARN 2

/**
 * Levels of `log`.
 */
#define SOCKEYE_LOG_INFO 3

/**
 * Levels of `log`.
 */
#define SOCKEYE_LOG_DEBUG 4

/**
 * The arguments of an event, or of an answer. Valid as long as the callback that got them. They are read in any order,
 * any number of times; reading one walks over those before it.
 */
typedef struct sockeye_args_t sockeye_args_t;

/**
 * The question for an `auth` payload, while its callback runs.
 */
typedef struct sockeye_auth_t sockeye_auth_t;

/**
 * A client: one connection to one server. Opaque; all functions that take one may be called from any task at any time,
 * until `sockeye_client_destroy`.
 */
typedef struct sockeye_client sockeye_client;

/**
 * What a function says: `SOCKEYE_OK`, or why it failed. The general codes have the numbers of `esp_err_t`, so that a
 * `sockeye_err_t` can be returned where ESP-IDF expects one; `sockeye_err_to_name` knows them all.
 */
typedef int32_t sockeye_err_t;

/**
 * The client's task, as the configuration wants it.
 */
typedef struct sockeye_task_config_t {
    /**
     * Bytes of stack; 0 for the port's default.
     */
    uint32_t stack;
    /**
     * The RTOS's priority; 0 for the port's default.
     */
    uint32_t priority;
    /**
     * The core to run on; -1 for any.
     */
    int32_t core;
} sockeye_task_config_t;

/**
 * One connection in `net_wait`.
 */
typedef struct sockeye_wait_t {
    /**
     * From `conn_open`.
     */
    void *conn;
    /**
     * What to wait for: `SOCKEYE_WAIT_` bits.
     */
    uint8_t want;
    /**
     * What is there: the port sets the bits.
     */
    uint8_t ready;
} sockeye_wait_t;

/**
 * How TLS checks the server, and what it shows to it. The texts are PEM, not copied: they stay valid until the client
 * is destroyed. What a port cannot do, it refuses when it connects.
 */
typedef struct sockeye_tls_config_t {
    /**
     * The authorities that are trusted. Null: those of the platform (the certificate bundle of ESP-IDF, the system's
     * store on hosts).
     */
    const char *ca_pem;
    /**
     * The client's own certificate, for servers that ask for one; null for none.
     */
    const char *client_cert_pem;
    /**
     * Its private key; null for none.
     */
    const char *client_key_pem;
    /**
     * The name that the server's certificate must have, where that is not the host of the URI; null for the host.
     */
    const char *common_name;
    /**
     * Do not compare the certificate's name with the host. The chain is still checked. Only for private networks whose
     * certificates name nothing useful: with a public authority, anyone with a certificate is then the server.
     */
    bool skip_common_name_check;
} sockeye_tls_config_t;

/**
 * Where to connect to. Everything in it is valid until `conn_close`.
 */
typedef struct sockeye_target_t {
    /**
     * A name or an address (IPv6 without brackets).
     */
    const char *host;
    /**
     * The port number.
     */
    uint16_t port;
    /**
     * Null for a plain connection.
     */
    const struct sockeye_tls_config_t *tls;
} sockeye_target_t;

/**
 * The platform: what a port implements. The library comes with `port_posix.c` and, in the ESP-IDF component,
 * `port_esp_idf.c`; each defines `sockeye_port_platform`.
 *
 * All functions are called from any task at any time, except where it says otherwise, and none may call the library.
 * Texts for errors are one line for people, cut to the size given, ended by a zero, without secrets.
 */
typedef struct sockeye_port_t {
    /**
     * Memory for any type of up to 16 bytes' alignment, or null. Used only where the library is built without `std`.
     */
    void *(*alloc)(size_t size);
    /**
     * Gives back what `alloc` gave.
     */
    void (*free)(void *memory);
    /**
     * Microseconds on a clock that never runs backwards.
     */
    uint64_t (*now_us)(void);
    /**
     * Fills with unpredictable bytes.
     */
    void (*random)(uint8_t *bytes, size_t len);
    /**
     * One line for the log, ended by a zero; the level is a `SOCKEYE_LOG_` number.
     */
    void (*log)(int32_t level, const char *line);
    /**
     * A mutex that is not recursive, or null.
     */
    void *(*lock_create)(void);
    /**
     * Waits for the mutex.
     */
    void (*lock_acquire)(void *lock);
    /**
     * Gives the mutex back, on the task that has it.
     */
    void (*lock_release)(void *lock);
    /**
     * Frees the mutex, which nobody holds.
     */
    void (*lock_destroy)(void *lock);
    /**
     * A binary semaphore that is not given, or null.
     */
    void *(*signal_create)(void);
    /**
     * Takes the semaphore, waiting for so long at most (`UINT32_MAX`: for ever); whether it was given.
     */
    bool (*signal_take)(void *signal, uint32_t timeout_ms);
    /**
     * Gives the semaphore. The one who takes it may destroy it at once.
     */
    void (*signal_give)(void *signal);
    /**
     * Frees the semaphore.
     */
    void (*signal_destroy)(void *signal);
    /**
     * Runs `entry(arg)` on a task of its own; whether it could be started. The task frees itself when `entry` returns.
     */
    bool (*task_start)(void (*entry)(void *arg), void *arg, const struct sockeye_task_config_t *config);
    /**
     * A number that is not 0 and tells the calling task from all others alive.
     */
    size_t (*task_current)(void);
    /**
     * What one client waits with, or null.
     */
    void *(*net_create)(void);
    /**
     * Ends the `net_wait` under way, or the next one, at once. Many calls before one wait count as one.
     */
    void (*net_wake)(void *net);
    /**
     * Waits until a connection is ready, `net_wake`, or so many microseconds have passed (negative: for ever). Sets
     * `ready` of each connection. May return early. On the client's task only.
     */
    void (*net_wait)(void *net, struct sockeye_wait_t *conns, size_t count, int64_t timeout_us);
    /**
     * Frees it.
     */
    void (*net_destroy)(void *net);
    /**
     * Begins to connect; null with a text if that failed at once. May block while a name is looked up. The `conn_`
     * functions are called on the client's task only.
     */
    void *(*conn_open)(void *net, const struct sockeye_target_t *target, char *error, size_t error_size);
    /**
     * Goes on connecting: 1 connected, 0 not yet, -1 failed, with a text.
     */
    int32_t (*conn_continue)(void *conn, char *error, size_t error_size);
    /**
     * Reads without blocking: the number of bytes, 0 at the end of the stream, `SOCKEYE_IO_AGAIN`, or
     * `SOCKEYE_IO_ERROR` with a text.
     */
    ptrdiff_t (*conn_read)(void *conn, uint8_t *bytes, size_t len, char *error, size_t error_size);
    /**
     * Writes without blocking: the number of bytes, `SOCKEYE_IO_AGAIN`, or `SOCKEYE_IO_ERROR` with a text. After
     * `SOCKEYE_IO_AGAIN` the next call has the same bytes at its front.
     */
    ptrdiff_t (*conn_write)(void *conn, const uint8_t *bytes, size_t len, char *error, size_t error_size);
    /**
     * Closes and frees a connection, in whatever state it is.
     */
    void (*conn_close)(void *conn);
} sockeye_port_t;

/**
 * Called on the client's task before each CONNECT, also those after a reconnection: answer with `sockeye_auth_set`
 * before returning. Without an answer the namespace is not joined, which `SOCKEYE_EVENT_CONNECT_ERROR` tells.
 */
typedef void (*sockeye_auth_cb_t)(struct sockeye_client *client, const char *nsp, struct sockeye_auth_t *auth, void *ctx);

/**
 * What happened to the connection.
 */
typedef uint8_t sockeye_event_id_t;

/**
 * A JSON value: a piece of a received packet, valid as long as the callback that got it. Not ended by a zero.
 */
typedef struct sockeye_json_t {
    /**
     * The first byte.
     */
    const char *data;
    /**
     * How many there are.
     */
    size_t len;
} sockeye_json_t;

/**
 * What happened to the connection. Everything in it is valid until the callback returns.
 */
typedef struct sockeye_event_t {
    /**
     * A `SOCKEYE_EVENT_` number.
     */
    sockeye_event_id_t id;
    /**
     * The namespace; null for what concerns the whole connection.
     */
    const char *nsp;
    /**
     * One line for people; never null.
     */
    const char *text;
    /**
     * `transport close`, `io server disconnect`, …: the official client's words; null except for `SOCKEYE_EVENT_CLOSED`
     * and `SOCKEYE_EVENT_DISCONNECTED`.
     */
    const char *reason;
    /**
     * What a server's refusal says beside its message; without length if nothing.
     */
    struct sockeye_json_t data;
    /**
     * The number of the attempt, from 1.
     */
    uint32_t attempt;
    /**
     * Until the attempt.
     */
    uint32_t delay_ms;
    /**
     * Bytes of the packet that was too large, or given up.
     */
    uint64_t bytes;
    /**
     * The largest that can be received.
     */
    uint64_t limit;
    /**
     * Whether the server kept the session: what was missed follows.
     */
    bool recovered;
    /**
     * Whether another attempt follows by itself.
     */
    bool will_retry;
} sockeye_event_t;

/**
 * Called on the client's task for everything that happens to the connection.
 */
typedef void (*sockeye_event_cb_t)(struct sockeye_client *client, const struct sockeye_event_t *event, void *ctx);

/**
 * How to reach the server and how to behave. Begin with `SOCKEYE_CLIENT_CONFIG_DEFAULT()` and set what differs; the
 * defaults are named at each field. Everything is copied, except where it says otherwise.
 */
typedef struct sockeye_client_config_t {
    /**
     * The platform: `&sockeye_port_platform`, the default, or a table of your own that outlives the client.
     */
    const struct sockeye_port_t *port;
    /**
     * `http://`, `https://`, `ws://` or `wss://`, host, and if needed port, namespace and query. Needed.
     */
    const char *uri;
    /**
     * The namespace that is joined by `sockeye_client_start`; null for the URI's path, which is `/` without one.
     */
    const char *nsp;
    /**
     * The path of requests; null for `/socket.io/`.
     */
    const char *path;
    /**
     * More query, percent-encoded, without `?`; null for none.
     */
    const char *query;
    /**
     * More header lines, each ended by CRLF; null for none.
     */
    const char *headers;
    /**
     * The `auth` payload of the namespace joined first, a JSON object; null for none.
     */
    const char *auth_json;
    /**
     * Asked for the `auth` payload of every namespace at every CONNECT, instead of `auth_json`; null for none.
     */
    sockeye_auth_cb_t auth_cb;
    /**
     * For `auth_cb`.
     */
    void *auth_ctx;
    /**
     * Told what happens to the connection; null for none.
     */
    sockeye_event_cb_t event_cb;
    /**
     * For `event_cb`.
     */
    void *event_ctx;
    /**
     * For `https` and `wss`.
     */
    struct sockeye_tls_config_t tls;
    /**
     * A `SOCKEYE_TRANSPORTS_` number. Default `SOCKEYE_TRANSPORTS_WEBSOCKET`.
     */
    uint8_t transports;
    /**
     * Connect again after a loss or a failure. Default true.
     */
    bool reconnect;
    /**
     * How often in a row before giving up; `SOCKEYE_FOREVER`, the default, never does.
     */
    uint32_t reconnect_attempts;
    /**
     * The first delay; each further one is twice as long. Default 1000 ms.
     */
    uint32_t reconnect_delay_ms;
    /**
     * The longest delay. Default 5000 ms.
     */
    uint32_t reconnect_delay_max_ms;
    /**
     * How far the delays are spread, in thousandths. Default 500: from half to one and a half.
     */
    uint16_t reconnect_jitter_permille;
    /**
     * From dialing to the handshake, in ms; 0 for no limit. Default 20 000.
     */
    uint32_t connect_timeout_ms;
    /**
     * From a CONNECT packet to its answer, in ms; 0 for no limit. Default 20 000.
     */
    uint32_t join_timeout_ms;
    /**
     * For moving from polling to the WebSocket, in ms. Default 10 000.
     */
    uint32_t upgrade_timeout_ms;
    /**
     * For saying goodbye, in ms: the longest that `sockeye_client_stop` takes. Default 2000.
     */
    uint32_t close_timeout_ms;
    /**
     * For acknowledgements whose emit names no timeout, in ms; 0 (the default) waits until the connection is lost.
     */
    uint32_t ack_timeout_ms;
    /**
     * Every packet is sent again, at most so often, until the server acknowledges it, one packet at a time; set
     * `ack_timeout_ms` with it. Negative (the default): packets are sent once.
     */
    int32_t retries;
    /**
     * Bytes of the receive buffer: the largest packet, attachments included, is about 190 less. At least 512; default 4096.
     */
    uint32_t rx_buffer;
    /**
     * Bytes of the send buffer, for packets that wait. At least 256; default 4096.
     */
    uint32_t tx_buffer;
    /**
     * Bytes for the head of one HTTP request: path, query and headers. At least 256; default 512.
     */
    uint32_t head_buffer;
    /**
     * Acknowledgements waited for at one time, and events that wait for an answer of ours. Up to 256; default 8. This
     * and the next two numbers are rounded up together: to 8, 16 and 2; 16, 32 and 4; 64, 128 and 8; or 256, 1024 and 32.
     */
    uint16_t max_acks;
    /**
     * Packets that wait for being sent. Up to 1024; default 16.
     */
    uint16_t max_packets;
    /**
     * Namespaces on the connection. Up to 32; default 2.
     */
    uint16_t max_namespaces;
    /**
     * The client's task.
     */
    struct sockeye_task_config_t task;
} sockeye_client_config_t;

/**
 * The handle of a client.
 */
typedef struct sockeye_client *sockeye_client_handle_t;

/**
 * The state of the connection.
 */
typedef uint8_t sockeye_state_t;

/**
 * The types of JSON values.
 */
typedef uint8_t sockeye_json_type_t;

/**
 * Bytes, not ended by a zero.
 */
typedef struct sockeye_bytes_t {
    /**
     * The first byte; null if there are none.
     */
    const uint8_t *data;
    /**
     * How many there are.
     */
    size_t len;
} sockeye_bytes_t;

/**
 * Writes the arguments of an event into a buffer of the caller's: each value at the outer level is one argument.
 *
 * ```c
 * char buffer[128];
 * sockeye_writer_t args;
 * sockeye_writer_init(&args, buffer, sizeof buffer);
 * sockeye_writer_string(&args, "kitchen");
 * sockeye_writer_begin_object(&args);
 * sockeye_writer_key(&args, "celsius");
 * sockeye_writer_double(&args, 21.5);
 * sockeye_writer_end(&args);
 * sockeye_client_emit_args(client, NULL, "reading", &args);
 * ```
 *
 * The first error stays, further calls do nothing, and the emit gives it: so the calls between need no checks. What is
 * out of turn (a value in an object without a key, a key in an array, an end without a beginning) is
 * `SOCKEYE_ERR_INVALID_STATE`, what does not fit is `SOCKEYE_ERR_BUFFER`. A writer belongs to one task at a time. Its
 * fields are the library's.
 */
typedef struct sockeye_writer_t {
    /**
     * The caller's buffer.
     */
    char *buffer;
    /**
     * Bytes of it.
     */
    size_t size;
    /**
     * Bytes written.
     */
    size_t len;
    /**
     * The first error.
     */
    sockeye_err_t error;
    /**
     * One bit a level: an object.
     */
    uint64_t objects;
    /**
     * Levels open.
     */
    uint8_t depth;
    /**
     * The next value is the first of its level.
     */
    bool first;
    /**
     * A key has been written.
     */
    bool keyed;
    /**
     * Bytes are not copied before the emit.
     */
    struct sockeye_bytes_t attachments[SOCKEYE_MAX_ATTACHMENTS];
    /**
     * How many there are.
     */
    size_t attachment_count;
} sockeye_writer_t;

/**
 * Called exactly once for each `sockeye_client_emit_with_ack` that returned `SOCKEYE_OK`, on the client's task: with
 * `SOCKEYE_OK` and the answer, or without (`args` is null) and why: `SOCKEYE_ERR_TIMEOUT`, `SOCKEYE_ERR_UNSENT`, `SOCKEYE_ERR_DISCONNECTED`,
 * `SOCKEYE_ERR_DROPPED`, or `SOCKEYE_ERR_CLOSED` when the client is destroyed: then on the task that destroys it, with
 * a null `client` if the client's task does not run any more. It may call every function of this library.
 */
typedef void (*sockeye_ack_cb_t)(struct sockeye_client *client,
                                 sockeye_err_t result,
                                 const struct sockeye_args_t *args,
                                 void *ctx);

/**
 * An event with everything that can be said about it; zeroes and nulls are the defaults.
 */
typedef struct sockeye_packet_t {
    /**
     * The namespace; null for that of the configuration.
     */
    const char *nsp;
    /**
     * The name. Needed.
     */
    const char *event;
    /**
     * The arguments, a JSON array, with `{"_placeholder":true,"num":0}` where the first attachment belongs; null for none.
     */
    const char *args_json;
    /**
     * What the placeholders stand for; each attachment needs its own.
     */
    const struct sockeye_bytes_t *attachments;
    /**
     * How many there are: up to `SOCKEYE_MAX_ATTACHMENTS`.
     */
    size_t attachment_count;
    /**
     * Drop the packet where it cannot be written at once.
     */
    bool is_volatile;
    /**
     * For the acknowledgement, in ms; 0 for `ack_timeout_ms` of the configuration.
     */
    uint32_t timeout_ms;
    /**
     * Told the answer, or that there is none; null if none is wanted.
     */
    sockeye_ack_cb_t ack_cb;
    /**
     * For `ack_cb`.
     */
    void *ack_ctx;
} sockeye_packet_t;

/**
 * Names one event that wants an answer: see `sockeye_client_ack`. 0 names none.
 */
typedef uint64_t sockeye_ack_t;

/**
 * An event from the server. Everything in it is valid until the callback returns, except `ack`.
 */
typedef struct sockeye_message_t {
    /**
     * The namespace.
     */
    const char *nsp;
    /**
     * The name, unescaped and ended by a zero.
     */
    const char *event;
    /**
     * Bytes of the name without the zero.
     */
    size_t event_len;
    /**
     * The arguments.
     */
    const struct sockeye_args_t *args;
    /**
     * Not 0 if the server wants an answer: give it to `sockeye_client_ack`, here or later, on any task.
     */
    sockeye_ack_t ack;
} sockeye_message_t;

/**
 * Called on the client's task for an event from the server, without a lock held: it may call every function of this
 * library, `sockeye_client_destroy` included. While it runs nothing else of this client is told.
 */
typedef void (*sockeye_message_cb_t)(struct sockeye_client *client, const struct sockeye_message_t *message, void *ctx);

/**
 * Not started, or stopped.
 */
#define SOCKEYE_STATE_STOPPED 0

/**
 * There is no session: being made, or waited for.
 */
#define SOCKEYE_STATE_CONNECTING 1

/**
 * There is a session over HTTP long-polling.
 */
#define SOCKEYE_STATE_CONNECTED_HTTP 2

/**
 * There is a session over a WebSocket.
 */
#define SOCKEYE_STATE_CONNECTED_WS 3

/**
 * Nothing is connected, and nothing will be before `sockeye_client_join`.
 */
#define SOCKEYE_STATE_DOWN 4

/**
 * Done.
 */
#define SOCKEYE_OK 0

/**
 * No memory. Nothing of what was asked for has been done. (`ESP_ERR_NO_MEM`)
 */
#define SOCKEYE_ERR_NO_MEM 257

/**
 * A pointer is null, a number out of its bounds, or a text malformed. (`ESP_ERR_INVALID_ARG`)
 */
#define SOCKEYE_ERR_INVALID_ARG 258

/**
 * Not possible now: started already, not started yet, or it would wait for itself. (`ESP_ERR_INVALID_STATE`)
 */
#define SOCKEYE_ERR_INVALID_STATE 259

/**
 * There is no such namespace, handler, argument, field or attachment. (`ESP_ERR_NOT_FOUND`)
 */
#define SOCKEYE_ERR_NOT_FOUND 261

/**
 * Not compiled in. (`ESP_ERR_NOT_SUPPORTED`)
 */
#define SOCKEYE_ERR_NOT_SUPPORTED 262

/**
 * Not within the time. (`ESP_ERR_TIMEOUT`)
 */
#define SOCKEYE_ERR_TIMEOUT 263

/**
 * The URI is malformed, or its scheme is not `http`, `https`, `ws` or `wss`.
 */
#define SOCKEYE_ERR_URI 32257

/**
 * The send buffer is full: wait until packets have been written, see `sockeye_client_flush`.
 */
#define SOCKEYE_ERR_FULL 32258

/**
 * The packet is larger than the whole send buffer.
 */
#define SOCKEYE_ERR_TOO_LARGE 32259

/**
 * As many acknowledgements are being waited for as the configuration allows.
 */
#define SOCKEYE_ERR_TOO_MANY_ACKS 32260

/**
 * More than ten attachments in one packet: official servers close the connection then.
 */
#define SOCKEYE_ERR_TOO_MANY_ATTACHMENTS 32261

/**
 * The event name is reserved by Socket.IO.
 */
#define SOCKEYE_ERR_RESERVED 32262

/**
 * The event to answer has been answered, came over a connection that is gone, or lies too far back.
 */
#define SOCKEYE_ERR_STALE 32263

/**
 * The connection is not ready, so that the volatile packet was dropped.
 */
#define SOCKEYE_ERR_NOT_WRITABLE 32264

/**
 * The text is not valid JSON, or not of the kind that is asked for: arguments are an array, `auth` is an object.
 */
#define SOCKEYE_ERR_JSON 32265

/**
 * The text is not UTF-8.
 */
#define SOCKEYE_ERR_UTF8 32266

/**
 * The value is of another type, or a number does not fit.
 */
#define SOCKEYE_ERR_TYPE 32267

/**
 * The caller's buffer is too small.
 */
#define SOCKEYE_ERR_BUFFER 32268

/**
 * The connection was lost, or the namespace left, after the packet had been sent or while it was on its way out: whether
 * the server took it is not known.
 */
#define SOCKEYE_ERR_DISCONNECTED 32269

/**
 * The packet was dropped before all of it was sent, and will not be sent any more: the server cannot have got it.
 */
#define SOCKEYE_ERR_DROPPED 32270

/**
 * The client has been stopped or destroyed.
 */
#define SOCKEYE_ERR_CLOSED 32271

/**
 * As many namespaces are in use as the configuration allows.
 */
#define SOCKEYE_ERR_TOO_MANY_NAMESPACES 32272

/**
 * No acknowledgement within the time, and the event has not been sent, nor will it be: the server cannot have got it.
 * (`SOCKEYE_ERR_TIMEOUT`: it has been sent, or was on its way out.)
 */
#define SOCKEYE_ERR_UNSENT 32273

/**
 * A bug in this library: its log says more.
 */
#define SOCKEYE_ERR_INTERNAL 32511

/**
 * The client's task runs: it begins to connect.
 */
#define SOCKEYE_EVENT_READY 0

/**
 * There is a session over HTTP long-polling.
 */
#define SOCKEYE_EVENT_CONNECTED_HTTP 1

/**
 * There is a session over a WebSocket, or the session has moved to one.
 */
#define SOCKEYE_EVENT_CONNECTED_WS 2

/**
 * A namespace is joined: `nsp`, `text` (the id of the socket), `recovered`.
 */
#define SOCKEYE_EVENT_JOINED 3

/**
 * An event has come: `nsp`, `text` (its name). Its handlers are called after this.
 */
#define SOCKEYE_EVENT_RECEIVED 4

/**
 * An attempt to connect failed (`nsp` is null, `text` says why, `will_retry`), or a namespace was refused (`nsp`,
 * `text`, `data`) and is not tried again before `sockeye_client_join`.
 */
#define SOCKEYE_EVENT_CONNECT_ERROR 5

/**
 * The WebSocket cannot be used, HTTP long-polling goes on: `text` says why.
 */
#define SOCKEYE_EVENT_UPGRADE_ERROR 6

/**
 * Attempt `attempt` follows after `delay_ms`.
 */
#define SOCKEYE_EVENT_RECONNECTING 7

/**
 * There is a session again, after `attempt` attempts.
 */
#define SOCKEYE_EVENT_RECONNECTED 8

/**
 * All attempts are used up: nothing happens before `sockeye_client_join`.
 */
#define SOCKEYE_EVENT_RECONNECT_FAILED 9

/**
 * A namespace that was joined is no longer: `nsp`, `reason` (the official client's words), `text`.
 */
#define SOCKEYE_EVENT_DISCONNECTED 10

/**
 * The connection was lost or closed: `reason`, `text`, `will_retry`.
 */
#define SOCKEYE_EVENT_CLOSED 11

/**
 * A packet was larger than the receive buffer, and was skipped: `bytes` of it, `limit` of the buffer.
 */
#define SOCKEYE_EVENT_TOO_LARGE 12

/**
 * A ping of the server has been answered.
 */
#define SOCKEYE_EVENT_PING 13

/**
 * An event could not be told to its handlers for lack of memory: `nsp`.
 */
#define SOCKEYE_EVENT_NO_MEM 14

/**
 * The client's task ends. The last event before another `sockeye_client_start`.
 */
#define SOCKEYE_EVENT_STOPPED 15

/**
 * A packet that had been accepted was given up, and no acknowledgement can tell it: `nsp` (null for a namespace that has made
 * room for another), `text` (which event and why), `bytes`.
 */
#define SOCKEYE_EVENT_UNSENT 16

/**
 * Not there.
 */
#define SOCKEYE_JSON_NONE 0

/**
 * `null`
 */
#define SOCKEYE_JSON_NULL 1

/**
 * `true` or `false`
 */
#define SOCKEYE_JSON_BOOL 2

/**
 * A number.
 */
#define SOCKEYE_JSON_NUMBER 3

/**
 * A text.
 */
#define SOCKEYE_JSON_STRING 4

/**
 * An array.
 */
#define SOCKEYE_JSON_ARRAY 5

/**
 * An object; also the placeholder of an attachment.
 */
#define SOCKEYE_JSON_OBJECT 6

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * Makes a client, stopped, and takes all its memory but that of handlers and further namespaces. `*client` is null after
 * an error. A short-lived task does that, so that the caller's stack need not be large: with the stack of the client's
 * task.
 *
 * Errors, and one line in the log that says what is wrong with which field: `SOCKEYE_ERR_INVALID_ARG`, `SOCKEYE_ERR_URI`,
 * `SOCKEYE_ERR_JSON`, `SOCKEYE_ERR_UTF8`, `SOCKEYE_ERR_NOT_SUPPORTED` (a transport that is not compiled in). Also
 * `SOCKEYE_ERR_NO_MEM`, and `SOCKEYE_ERR_INVALID_ARG` for null.
 * Threads: any task, and callbacks.
 *
 * Conditions:
 * `config` and its texts can be read, `client` can be written.
 */
sockeye_err_t sockeye_client_init(const struct sockeye_client_config_t *config,
                                  sockeye_client_handle_t *client);

/**
 * Starts the client's task, which connects and joins the namespace of the configuration and those of
 * `sockeye_client_join`.
 *
 * Errors: `SOCKEYE_ERR_INVALID_STATE` if it has been started, also while its last task still ends (as in
 * `SOCKEYE_EVENT_STOPPED`: `sockeye_client_stop` on another task waits for that), `SOCKEYE_ERR_NO_MEM` if there is no room for
 * the task.
 * Threads: any task, and callbacks.
 *
 * Conditions:
 * `client` is null, or a handle that has not been destroyed.
 */
sockeye_err_t sockeye_client_start(sockeye_client_handle_t client);

/**
 * Sends what has been accepted, says goodbye, closes the connection and ends the client's task: at most
 * `close_timeout_ms` later, unless a callback or the look-up of a name takes longer. It can be started again; handlers and
 * the wish for namespaces stay, and so do packets for namespaces that were not joined. In a callback of this client it
 * returns at once, and the task ends after the callback: `SOCKEYE_EVENT_STOPPED`.
 *
 * Errors: `SOCKEYE_ERR_NO_MEM`, and then nothing has been done. A client that is stopped already is no error.
 * Threads: any task, and callbacks.
 *
 * Conditions:
 * `client` is null, or a handle that has not been destroyed.
 */
sockeye_err_t sockeye_client_stop(sockeye_client_handle_t client);

/**
 * Stops the client as `sockeye_client_stop` does, and frees it. Acknowledgements that are still waited for are told
 * `SOCKEYE_ERR_CLOSED`. In a callback of this client it returns at once; then no other callback but those of
 * acknowledgements is called any more, and the task frees the client. The handle is invalid from here on, also for
 * other tasks. Never fails; null is allowed.
 *
 * Errors: none.
 * Threads: any task, and callbacks.
 *
 * Conditions:
 * `client` is null, or a handle that has not been destroyed and that no other task uses any more.
 */
void sockeye_client_destroy(sockeye_client_handle_t client);

/**
 * Joins a namespace, now or as soon as there is a connection, and again after each reconnection. Also tries again where
 * the server has refused or disconnected it, or all attempts to connect were used up.
 *
 * Errors: `SOCKEYE_ERR_INVALID_ARG` for a name with a comma or a control character or of more than 48 bytes,
 * `SOCKEYE_ERR_TOO_MANY_NAMESPACES`, `SOCKEYE_ERR_NO_MEM`, `SOCKEYE_ERR_UTF8`.
 * Threads: any task, and callbacks.
 *
 * Conditions:
 * `client` is null, or a handle that has not been destroyed; `nsp` ends with a zero.
 */
sockeye_err_t sockeye_client_join(sockeye_client_handle_t client, const char *nsp);

/**
 * Leaves a namespace; null is that of the configuration. Packets that were accepted still go out. The connection ends with its
 * last namespace. Handlers stay, and what is emitted then is kept, until another namespace needs the place (see `max_namespaces`): what
 * was kept is told by `SOCKEYE_EVENT_UNSENT` then.
 *
 * Errors: `SOCKEYE_ERR_NOT_FOUND` for one that was never joined.
 * Threads: any task, and callbacks.
 *
 * Conditions:
 * `client` is null, or a handle that has not been destroyed; `nsp` is null or ends with a zero.
 */
sockeye_err_t sockeye_client_leave(sockeye_client_handle_t client,
                                   const char *nsp);

/**
 * Drops the connection and makes a new one at once; a wait for the next attempt ends now.
 *
 * Errors: none but those of a wrong handle.
 * Threads: any task, and callbacks.
 *
 * Conditions:
 * `client` is null, or a handle that has not been destroyed.
 */
sockeye_err_t sockeye_client_reconnect(sockeye_client_handle_t client);

/**
 * Whether a namespace is joined: events flow. Null is that of the configuration.
 *
 * Errors: none; false for null or a namespace that was never joined.
 * Threads: any task, and callbacks.
 *
 * Conditions:
 * `client` is null, or a handle that has not been destroyed; `nsp` is null or ends with a zero.
 */
bool sockeye_client_is_connected(sockeye_client_handle_t client, const char *nsp);

/**
 * Copies the id of the socket in a namespace, ended by a zero: up to 65 bytes. Null is the namespace of the configuration.
 *
 * Errors: `SOCKEYE_ERR_NOT_FOUND` for a namespace that was never joined, `SOCKEYE_ERR_INVALID_STATE` for one that is not
 * joined now, `SOCKEYE_ERR_BUFFER`.
 * Threads: any task, and callbacks.
 *
 * Conditions:
 * `client` is null, or a handle that has not been destroyed; `nsp` is null or ends with a zero; `size` bytes can be
 * written at `id`.
 */
sockeye_err_t sockeye_client_get_id(sockeye_client_handle_t client,
                                    const char *nsp,
                                    char *id,
                                    size_t size);

/**
 * The state of the connection; `SOCKEYE_STATE_STOPPED` for null.
 *
 * Errors: none.
 * Threads: any task, and callbacks.
 *
 * Conditions:
 * `client` is null, or a handle that has not been destroyed.
 */
sockeye_state_t sockeye_client_get_state(sockeye_client_handle_t client);

/**
 * How much has been accepted and is not written yet: packets, and their bytes with framing. Either may be null.
 *
 * Errors: none but those of a wrong handle.
 * Threads: any task, and callbacks.
 *
 * Conditions:
 * `client` is null, or a handle that has not been destroyed; the others are null or can be written.
 */
sockeye_err_t sockeye_client_get_send_queue(sockeye_client_handle_t client, size_t *packets, size_t *bytes);

/**
 * Waits until everything accepted so far has been written to the network, at most so long (`UINT32_MAX`: for ever).
 *
 * Errors: `SOCKEYE_ERR_TIMEOUT`, `SOCKEYE_ERR_CLOSED` if the client was stopped meanwhile, `SOCKEYE_ERR_INVALID_STATE` in a
 * callback of this client or while it is stopped, `SOCKEYE_ERR_NO_MEM`.
 * Threads: any task, but no callback of this client.
 *
 * Conditions:
 * `client` is null, or a handle that is not destroyed meanwhile.
 */
sockeye_err_t sockeye_client_flush(sockeye_client_handle_t client,
                                   uint32_t timeout_ms);

/**
 * How many arguments there are; 0 for null. With connection state recovery servers add one at the end.
 *
 * Errors: none.
 * Threads: the callback, or a task that it waits for.
 *
 * Conditions:
 * `args` is null, or came from this library in a callback that has not returned.
 */
size_t sockeye_args_count(const struct sockeye_args_t *args);

/**
 * All arguments as they came: a JSON array, with `{"_placeholder":true,"num":0}` where the first attachment belongs.
 *
 * Errors: none; an empty array for null.
 * Threads: the callback, or a task that it waits for.
 * What comes out points into what came in: valid until the callback returns, not to be freed.
 *
 * Conditions:
 * `args` is null, or came from this library in a callback that has not returned.
 */
struct sockeye_json_t sockeye_args_json(const struct sockeye_args_t *args);

/**
 * The type of argument `index`, from 0. `SOCKEYE_JSON_NONE` behind the last one.
 *
 * Errors: none.
 * Threads: the callback, or a task that it waits for.
 *
 * Conditions:
 * `args` is null, or came from this library in a callback that has not returned.
 */
sockeye_json_type_t sockeye_args_type(const struct sockeye_args_t *args, size_t index);

/**
 * Argument `index` as raw JSON, for `sockeye_json_get_field` and its like, or for another JSON library.
 *
 * Errors: `SOCKEYE_ERR_NOT_FOUND` behind the last argument.
 * Threads: the callback, or a task that it waits for.
 * What comes out points into what came in: valid until the callback returns, not to be freed.
 *
 * Conditions:
 * `args` came from this library in a callback that has not returned; `out` can be written.
 */
sockeye_err_t sockeye_args_get(const struct sockeye_args_t *args, size_t index, struct sockeye_json_t *out);

/**
 * Argument `index` as a whole number; `7.0` counts as one.
 *
 * Errors: `SOCKEYE_ERR_NOT_FOUND` behind the last argument, `SOCKEYE_ERR_TYPE` if it is something else or out of the range.
 * Threads: the callback, or a task that it waits for.
 *
 * Conditions:
 * `args` came from this library in a callback that has not returned; `out` can be written.
 */
sockeye_err_t sockeye_args_get_int(const struct sockeye_args_t *args,
                                   size_t index,
                                   int64_t *out);

/**
 * Argument `index` as a number.
 *
 * Errors: `SOCKEYE_ERR_NOT_FOUND` behind the last argument, `SOCKEYE_ERR_TYPE` if it is something else.
 * Threads: the callback, or a task that it waits for.
 *
 * Conditions:
 * `args` came from this library in a callback that has not returned; `out` can be written.
 */
sockeye_err_t sockeye_args_get_double(const struct sockeye_args_t *args, size_t index, double *out);

/**
 * Argument `index` as a truth value.
 *
 * Errors: `SOCKEYE_ERR_NOT_FOUND` behind the last argument, `SOCKEYE_ERR_TYPE` if it is something else.
 * Threads: the callback, or a task that it waits for.
 *
 * Conditions:
 * `args` came from this library in a callback that has not returned; `out` can be written.
 */
sockeye_err_t sockeye_args_get_bool(const struct sockeye_args_t *args, size_t index, bool *out);

/**
 * Argument `index` as a text, as `sockeye_json_as_string` copies it.
 *
 * Errors: `SOCKEYE_ERR_NOT_FOUND` behind the last argument, `SOCKEYE_ERR_TYPE` if it is something else,
 * `SOCKEYE_ERR_BUFFER` if `size` is not more than the length.
 * Threads: the callback, or a task that it waits for.
 *
 * Conditions:
 * `args` came from this library in a callback that has not returned; `size` bytes can be written at `out`.
 */
sockeye_err_t sockeye_args_get_string(const struct sockeye_args_t *args,
                                      size_t index,
                                      char *out,
                                      size_t size,
                                      size_t *len);

/**
 * Argument `index` as the bytes of the attachment that it stands for.
 *
 * Errors: `SOCKEYE_ERR_NOT_FOUND` behind the last argument, `SOCKEYE_ERR_TYPE` if it stands for none.
 * Threads: the callback, or a task that it waits for.
 * What comes out points into what came in: valid until the callback returns, not to be freed.
 *
 * Conditions:
 * `args` came from this library in a callback that has not returned; `out` can be written.
 */
sockeye_err_t sockeye_args_get_binary(const struct sockeye_args_t *args, size_t index, struct sockeye_bytes_t *out);

/**
 * How many attachments came with the arguments; 0 for null.
 *
 * Errors: none.
 * Threads: the callback, or a task that it waits for.
 *
 * Conditions:
 * `args` is null, or came from this library in a callback that has not returned.
 */
size_t sockeye_args_attachment_count(const struct sockeye_args_t *args);

/**
 * Attachment `number`, from 0: the one whose placeholder has this `num`.
 *
 * Errors: `SOCKEYE_ERR_NOT_FOUND` behind the last one.
 * Threads: the callback, or a task that it waits for.
 * What comes out points into what came in: valid until the callback returns, not to be freed.
 *
 * Conditions:
 * `args` came from this library in a callback that has not returned; `out` can be written.
 */
sockeye_err_t sockeye_args_get_attachment(const struct sockeye_args_t *args,
                                          size_t number,
                                          struct sockeye_bytes_t *out);

/**
 * Emits an event. While its namespace is not joined it is kept in the send buffer, and sent after the next join, in order.
 * `args_json` is a JSON array, one item an argument: `["on", 3]`; null for none. Everything is copied.
 *
 * Errors, and then nothing is sent: `SOCKEYE_ERR_JSON`, `SOCKEYE_ERR_UTF8`, `SOCKEYE_ERR_RESERVED`, `SOCKEYE_ERR_FULL`,
 * `SOCKEYE_ERR_TOO_LARGE`, `SOCKEYE_ERR_NOT_FOUND` for a namespace that `sockeye_client_join` has not been called for.
 * Threads: any task, and callbacks.
 *
 * Conditions:
 * `client` is null, or a handle that has not been destroyed; the texts are null or end with a zero.
 */
sockeye_err_t sockeye_client_emit(sockeye_client_handle_t client,
                                  const char *nsp,
                                  const char *event,
                                  const char *args_json);

/**
 * Emits an event whose arguments were written by a `sockeye_writer_t`, attachments included. The writer stays as it is.
 *
 * Errors: the writer's first one; `SOCKEYE_ERR_INVALID_STATE` if an array or object is still open; else as
 * `sockeye_client_emit`.
 * Threads: any task, and callbacks.
 *
 * Conditions:
 * `client` is null, or a handle that has not been destroyed; the texts are null or end with a zero; `writer` was begun by
 * `sockeye_writer_init`.
 */
sockeye_err_t sockeye_client_emit_args(sockeye_client_handle_t client,
                                       const char *nsp,
                                       const char *event,
                                       struct sockeye_writer_t *writer);

/**
 * Emits an event and asks for an answer, which `ack_cb` is told exactly once, or that there is none. `timeout_ms` counts
 * from now, with `retries` until the first try and then from each one; 0 is `ack_timeout_ms` of the configuration, which
 * with `retries` is the time of a try alone. `ctx` must stay usable until `ack_cb` has been called.
 *
 * Errors, and then nothing is sent and `ack_cb` is not called: as `sockeye_client_emit`, and `SOCKEYE_ERR_TOO_MANY_ACKS`.
 * Threads: any task, and callbacks.
 *
 * Conditions:
 * As `sockeye_client_emit`.
 */
sockeye_err_t sockeye_client_emit_with_ack(sockeye_client_handle_t client,
                                           const char *nsp,
                                           const char *event,
                                           const char *args_json,
                                           uint32_t timeout_ms,
                                           sockeye_ack_cb_t ack_cb,
                                           void *ctx);

/**
 * Emits an event with everything that can be said about it. Everything is copied.
 *
 * Errors, and then nothing is sent and `ack_cb` is not called: as `sockeye_client_emit`, and `SOCKEYE_ERR_TOO_MANY_ACKS`,
 * `SOCKEYE_ERR_TOO_MANY_ATTACHMENTS`, `SOCKEYE_ERR_NOT_WRITABLE` for a volatile packet that was dropped.
 * Threads: any task, and callbacks.
 *
 * Conditions:
 * `client` is null, or a handle that has not been destroyed; everything in `packet` can be read.
 */
sockeye_err_t sockeye_client_emit_packet(sockeye_client_handle_t client,
                                         const struct sockeye_packet_t *packet);

/**
 * Answers an event that wanted it, once: in its handler or later, on any task. `args_json` as for `sockeye_client_emit`.
 *
 * Errors: `SOCKEYE_ERR_STALE` if it has been answered, its connection is gone, or `max_acks` newer ones came since;
 * `SOCKEYE_ERR_JSON`, `SOCKEYE_ERR_UTF8`, `SOCKEYE_ERR_TOO_LARGE`; `SOCKEYE_ERR_FULL`, after which it can be tried again.
 * Threads: any task, and callbacks.
 *
 * Conditions:
 * `client` is null, or a handle that has not been destroyed; `args_json` is null or ends with a zero.
 */
sockeye_err_t sockeye_client_ack(sockeye_client_handle_t client,
                                 sockeye_ack_t ack,
                                 const char *args_json);

/**
 * Answers an event as `sockeye_client_ack` does, with arguments that were written by a `sockeye_writer_t`.
 *
 * Errors: the writer's first one; `SOCKEYE_ERR_INVALID_STATE` if an array or object is still open; else as
 * `sockeye_client_ack`.
 * Threads: any task, and callbacks.
 *
 * Conditions:
 * `client` is null, or a handle that has not been destroyed; `writer` was begun by `sockeye_writer_init`.
 */
sockeye_err_t sockeye_client_ack_args(sockeye_client_handle_t client,
                                      sockeye_ack_t ack,
                                      struct sockeye_writer_t *writer);

/**
 * Calls `call(client, message, ctx)` for each event of this name in a namespace (null: that of the configuration), or, with a
 * null `event`, for all events. Several handlers are called in the order in which they were added; one that is added while an event is told
 * gets those after it. Joins nothing: call it before `sockeye_client_join`, and what the server sends at once finds its handler.
 *
 * Errors: `SOCKEYE_ERR_RESERVED`, `SOCKEYE_ERR_NO_MEM`, `SOCKEYE_ERR_UTF8`; for a namespace that is not known yet those of
 * `sockeye_client_join`.
 * Threads: any task, and callbacks.
 *
 * Conditions:
 * `client` is null, or a handle that has not been destroyed; the texts are null or end with a zero; `call` may be called
 * with `ctx` until it is taken off, on the client's task.
 */
sockeye_err_t sockeye_client_on(sockeye_client_handle_t client,
                                const char *nsp,
                                const char *event,
                                sockeye_message_cb_t call,
                                void *ctx);

/**
 * Takes handlers off: those of this name (null: those for all events) that call `call` (null: whatever they call). In a
 * callback of this client they are not called any more when this returns; on another task, one may still be running.
 *
 * Errors: `SOCKEYE_ERR_NOT_FOUND` if there are none.
 * Threads: any task, and callbacks.
 *
 * Conditions:
 * `client` is null, or a handle that has not been destroyed; the texts are null or end with a zero.
 */
sockeye_err_t sockeye_client_off(sockeye_client_handle_t client,
                                 const char *nsp,
                                 const char *event,
                                 sockeye_message_cb_t call);

/**
 * The name of a code, for logs: `SOCKEYE_ERR_FULL`. Static text; any task may call it.
 *
 * Errors: none; a code that is none has a text too.
 * Threads: any task, and callbacks.
 */
const char *sockeye_err_to_name(sockeye_err_t code);

/**
 * Answers the question for an `auth` payload, in its callback: a JSON object, or null for a namespace that wants none. The text is
 * copied. A callback that answers nothing has the namespace refused: see `SOCKEYE_EVENT_CONNECT_ERROR`.
 *
 * Errors: `SOCKEYE_ERR_JSON` if it is not a JSON object; `SOCKEYE_ERR_TOO_LARGE` if it does not fit the send buffer,
 * `SOCKEYE_ERR_FULL` if it does not fit now: then the callback is called again when there is room.
 * Threads: the callback alone.
 *
 * Conditions:
 * `auth` is the callback's own, and the callback has not returned; `json` is null or ends with a zero.
 */
sockeye_err_t sockeye_auth_set(struct sockeye_auth_t *auth,
                               const char *json);

/**
 * The type of a value. `SOCKEYE_JSON_NONE` for one that is not there.
 *
 * Errors: none.
 * Threads: the callback, or a task that it waits for.
 *
 * Conditions:
 * The value came from this library, in a callback that has not returned.
 */
sockeye_json_type_t sockeye_json_type(struct sockeye_json_t value);

/**
 * The member `key` of an object. Of several with one name, the last.
 *
 * Errors: `SOCKEYE_ERR_TYPE` if it is no object, `SOCKEYE_ERR_NOT_FOUND`. Walks over the object; any task may call it,
 * while the value is valid.
 * Threads: the callback, or a task that it waits for.
 * What comes out points into what came in: valid until the callback returns, not to be freed.
 *
 * Conditions:
 * The value came from this library, in a callback that has not returned; `out` can be written.
 */
sockeye_err_t sockeye_json_get_field(struct sockeye_json_t value, const char *key, struct sockeye_json_t *out);

/**
 * The item `index` of an array, from 0.
 *
 * Errors: `SOCKEYE_ERR_TYPE` if it is no array, `SOCKEYE_ERR_NOT_FOUND` behind its end. Walks over the array; any task
 * may call it, while the value is valid.
 * Threads: the callback, or a task that it waits for.
 * What comes out points into what came in: valid until the callback returns, not to be freed.
 *
 * Conditions:
 * The value came from this library, in a callback that has not returned; `out` can be written.
 */
sockeye_err_t sockeye_json_get_item(struct sockeye_json_t value, size_t index, struct sockeye_json_t *out);

/**
 * The whole number that a value is; `7.0` counts as one.
 *
 * Errors: `SOCKEYE_ERR_TYPE` if it is something else, or out of the range.
 * Threads: the callback, or a task that it waits for.
 *
 * Conditions:
 * The value came from this library, in a callback that has not returned; `out` can be written.
 */
sockeye_err_t sockeye_json_as_int(struct sockeye_json_t value, int64_t *out);

/**
 * The number that a value is.
 *
 * Errors: `SOCKEYE_ERR_TYPE` if it is something else.
 * Threads: the callback, or a task that it waits for.
 *
 * Conditions:
 * The value came from this library, in a callback that has not returned; `out` can be written.
 */
sockeye_err_t sockeye_json_as_double(struct sockeye_json_t value, double *out);

/**
 * The truth value that a value is.
 *
 * Errors: `SOCKEYE_ERR_TYPE` if it is something else.
 * Threads: the callback, or a task that it waits for.
 *
 * Conditions:
 * The value came from this library, in a callback that has not returned; `out` can be written.
 */
sockeye_err_t sockeye_json_as_bool(struct sockeye_json_t value, bool *out);

/**
 * The text that a value is, unescaped and ended by a zero, copied to `out`. `len` (null: not wanted) gets its length
 * without the zero, also where it does not fit; a text may contain zeroes.
 *
 * Errors: `SOCKEYE_ERR_TYPE` if it is something else, `SOCKEYE_ERR_BUFFER` if `size` is not more than the length.
 * Threads: the callback, or a task that it waits for.
 *
 * Conditions:
 * The value came from this library, in a callback that has not returned; `size` bytes can be written at `out`.
 */
sockeye_err_t sockeye_json_as_string(struct sockeye_json_t value, char *out, size_t size, size_t *len);

/**
 * Begins to write arguments into `buffer`, which stays the caller's and must live as long as the writer is used.
 *
 * Errors: `SOCKEYE_ERR_INVALID_ARG` for a null pointer, `SOCKEYE_ERR_BUFFER` for less than 3 bytes.
 * Threads: any task, one at a time for one writer.
 *
 * Conditions:
 * `writer` can be written, and `size` bytes at `buffer`.
 */
sockeye_err_t sockeye_writer_init(struct sockeye_writer_t *writer, char *buffer, size_t size);

/**
 * Writes `null`.
 *
 * Errors: `SOCKEYE_ERR_BUFFER` if the buffer is full, `SOCKEYE_ERR_INVALID_STATE` where no value may stand, and the first error again after one.
 * Threads: any task, one at a time for one writer.
 *
 * Conditions:
 * `writer` is null or was begun by `sockeye_writer_init`; so for all functions of the writer.
 */
sockeye_err_t sockeye_writer_null(struct sockeye_writer_t *writer);

/**
 * Writes `true` or `false`.
 *
 * Errors: as `sockeye_writer_null`.
 * Threads: any task, one at a time for one writer.
 *
 * Conditions:
 * As `sockeye_writer_null`.
 */
sockeye_err_t sockeye_writer_bool(struct sockeye_writer_t *writer, bool value);

/**
 * Writes a whole number. JavaScript rounds those beyond 2^53.
 *
 * Errors: as `sockeye_writer_null`.
 * Threads: any task, one at a time for one writer.
 *
 * Conditions:
 * As `sockeye_writer_null`.
 */
sockeye_err_t sockeye_writer_int(struct sockeye_writer_t *writer, int64_t value);

/**
 * Writes a whole number. JavaScript rounds those beyond 2^53.
 *
 * Errors: as `sockeye_writer_null`.
 * Threads: any task, one at a time for one writer.
 *
 * Conditions:
 * As `sockeye_writer_null`.
 */
sockeye_err_t sockeye_writer_uint(struct sockeye_writer_t *writer, uint64_t value);

/**
 * Writes a number, with as many digits as it takes to read the same one back. What is not finite has no JSON:
 * `SOCKEYE_ERR_TYPE`.
 *
 * Errors: as `sockeye_writer_null`.
 * Threads: any task, one at a time for one writer.
 *
 * Conditions:
 * As `sockeye_writer_null`.
 */
sockeye_err_t sockeye_writer_double(struct sockeye_writer_t *writer, double value);

/**
 * Writes a text. What is not UTF-8 is `SOCKEYE_ERR_UTF8`.
 *
 * Errors: as `sockeye_writer_null`.
 * Threads: any task, one at a time for one writer.
 *
 * Conditions:
 * As `sockeye_writer_null`; `value` ends with a zero.
 */
sockeye_err_t sockeye_writer_string(struct sockeye_writer_t *writer, const char *value);

/**
 * Writes a text of so many bytes, zeroes included.
 *
 * Errors: as `sockeye_writer_null`.
 * Threads: any task, one at a time for one writer.
 *
 * Conditions:
 * As `sockeye_writer_null`; `len` bytes can be read at `value`.
 */
sockeye_err_t sockeye_writer_string_n(struct sockeye_writer_t *writer, const char *value, size_t len);

/**
 * Writes JSON that is there already, such as what another library made: exactly one value, without placeholders.
 * Anything else is `SOCKEYE_ERR_JSON`.
 *
 * Errors: as `sockeye_writer_null`.
 * Threads: any task, one at a time for one writer.
 *
 * Conditions:
 * As `sockeye_writer_null`; `json` ends with a zero.
 */
sockeye_err_t sockeye_writer_json(struct sockeye_writer_t *writer, const char *json);

/**
 * Writes bytes: they travel as an attachment. They are copied by the emit, not before. More than
 * `SOCKEYE_MAX_ATTACHMENTS` are `SOCKEYE_ERR_TOO_MANY_ATTACHMENTS`.
 *
 * Errors: as `sockeye_writer_null`.
 * Threads: any task, one at a time for one writer.
 *
 * Conditions:
 * As `sockeye_writer_null`; `len` bytes can be read at `data` until the last emit by this writer.
 */
sockeye_err_t sockeye_writer_binary(struct sockeye_writer_t *writer, const uint8_t *data, size_t len);

/**
 * Begins an array. More than 62 levels are `SOCKEYE_ERR_JSON`.
 *
 * Errors: as `sockeye_writer_null`.
 * Threads: any task, one at a time for one writer.
 *
 * Conditions:
 * As `sockeye_writer_null`.
 */
sockeye_err_t sockeye_writer_begin_array(struct sockeye_writer_t *writer);

/**
 * Begins an object: each of its values is named by `sockeye_writer_key` before. More than 62 levels are
 * `SOCKEYE_ERR_JSON`.
 *
 * Errors: as `sockeye_writer_null`.
 * Threads: any task, one at a time for one writer.
 *
 * Conditions:
 * As `sockeye_writer_null`.
 */
sockeye_err_t sockeye_writer_begin_object(struct sockeye_writer_t *writer);

/**
 * Names the next value of an object.
 *
 * Errors: as `sockeye_writer_null`.
 * Threads: any task, one at a time for one writer.
 *
 * Conditions:
 * As `sockeye_writer_null`; `name` ends with a zero.
 */
sockeye_err_t sockeye_writer_key(struct sockeye_writer_t *writer, const char *name);

/**
 * Ends the array or object that was begun last.
 *
 * Errors: as `sockeye_writer_null`.
 * Threads: any task, one at a time for one writer.
 *
 * Conditions:
 * As `sockeye_writer_null`.
 */
sockeye_err_t sockeye_writer_end(struct sockeye_writer_t *writer);

/**
 * What has been written, as a JSON array; the buffer is ended by a zero too. The writer can go on after it.
 *
 * Errors: the first one; `SOCKEYE_ERR_INVALID_STATE` if an array or object is still open.
 * Threads: any task, one at a time for one writer.
 *
 * Conditions:
 * As `sockeye_writer_null`; `json` can be written.
 */
sockeye_err_t sockeye_writer_get(struct sockeye_writer_t *writer, struct sockeye_json_t *json);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* SOCKEYE_H */

/* What cbindgen puts behind its own guard: this one makes the header fit to be included twice. */
#ifndef SOCKEYE_DEFAULTS_H
#define SOCKEYE_DEFAULTS_H

/** The platform: defined by the port that is linked in (port_posix.c, port_esp_idf.c). */
#ifdef __cplusplus
extern "C"
#else
extern
#endif
const struct sockeye_port_t sockeye_port_platform;

#if defined(ESP_PLATFORM)
#include "sdkconfig.h"
#endif
#ifndef CONFIG_SOCKEYE_PATH
#define CONFIG_SOCKEYE_PATH "/socket.io/"
#endif
#ifndef CONFIG_SOCKEYE_TRANSPORTS
#define CONFIG_SOCKEYE_TRANSPORTS SOCKEYE_TRANSPORTS_WEBSOCKET
#endif
#ifndef CONFIG_SOCKEYE_RECONNECT_ATTEMPTS
#define CONFIG_SOCKEYE_RECONNECT_ATTEMPTS 0
#endif
#ifndef CONFIG_SOCKEYE_RECONNECT_DELAY_MS
#define CONFIG_SOCKEYE_RECONNECT_DELAY_MS 1000
#endif
#ifndef CONFIG_SOCKEYE_RECONNECT_DELAY_MAX_MS
#define CONFIG_SOCKEYE_RECONNECT_DELAY_MAX_MS 5000
#endif
#ifndef CONFIG_SOCKEYE_RECONNECT_JITTER_PERMILLE
#define CONFIG_SOCKEYE_RECONNECT_JITTER_PERMILLE 500
#endif
#ifndef CONFIG_SOCKEYE_CONNECT_TIMEOUT_MS
#define CONFIG_SOCKEYE_CONNECT_TIMEOUT_MS 20000
#endif
#ifndef CONFIG_SOCKEYE_JOIN_TIMEOUT_MS
#define CONFIG_SOCKEYE_JOIN_TIMEOUT_MS 20000
#endif
#ifndef CONFIG_SOCKEYE_UPGRADE_TIMEOUT_MS
#define CONFIG_SOCKEYE_UPGRADE_TIMEOUT_MS 10000
#endif
#ifndef CONFIG_SOCKEYE_CLOSE_TIMEOUT_MS
#define CONFIG_SOCKEYE_CLOSE_TIMEOUT_MS 2000
#endif
#ifndef CONFIG_SOCKEYE_ACK_TIMEOUT_MS
#define CONFIG_SOCKEYE_ACK_TIMEOUT_MS 0
#endif
#ifndef CONFIG_SOCKEYE_RETRIES
#define CONFIG_SOCKEYE_RETRIES -1
#endif
#ifndef CONFIG_SOCKEYE_RX_BUFFER
#define CONFIG_SOCKEYE_RX_BUFFER 4096
#endif
#ifndef CONFIG_SOCKEYE_TX_BUFFER
#define CONFIG_SOCKEYE_TX_BUFFER 4096
#endif
#ifndef CONFIG_SOCKEYE_HEAD_BUFFER
#define CONFIG_SOCKEYE_HEAD_BUFFER 512
#endif
#ifndef CONFIG_SOCKEYE_MAX_ACKS
#define CONFIG_SOCKEYE_MAX_ACKS 8
#endif
#ifndef CONFIG_SOCKEYE_MAX_PACKETS
#define CONFIG_SOCKEYE_MAX_PACKETS 16
#endif
#ifndef CONFIG_SOCKEYE_MAX_NAMESPACES
#define CONFIG_SOCKEYE_MAX_NAMESPACES 2
#endif
#ifndef CONFIG_SOCKEYE_TASK_STACK
#define CONFIG_SOCKEYE_TASK_STACK 0
#endif
#ifndef CONFIG_SOCKEYE_TASK_PRIORITY
#define CONFIG_SOCKEYE_TASK_PRIORITY 0
#endif
#ifndef CONFIG_SOCKEYE_TASK_CORE
#define CONFIG_SOCKEYE_TASK_CORE -1
#endif

/** A configuration with all defaults: those of menuconfig on ESP-IDF, else those named at the fields. Only `uri` is missing. */
static inline sockeye_client_config_t sockeye_client_config_default(void)
{
    sockeye_client_config_t config;
    memset(&config, 0, sizeof config);
    config.port = &sockeye_port_platform;
    config.path = CONFIG_SOCKEYE_PATH;
#ifdef CONFIG_SOCKEYE_NAMESPACE
    config.nsp = CONFIG_SOCKEYE_NAMESPACE[0] ? CONFIG_SOCKEYE_NAMESPACE : NULL;
#endif
    config.transports = CONFIG_SOCKEYE_TRANSPORTS;
#if defined(CONFIG_SOCKEYE_NAMESPACE) && !defined(CONFIG_SOCKEYE_RECONNECT)
    /* Switched off in menuconfig. */
    config.reconnect = false;
#else
    config.reconnect = true;
#endif
    /* 0 in menuconfig: for ever. */
    config.reconnect_attempts = CONFIG_SOCKEYE_RECONNECT_ATTEMPTS ? CONFIG_SOCKEYE_RECONNECT_ATTEMPTS : SOCKEYE_FOREVER;
    config.reconnect_delay_ms = CONFIG_SOCKEYE_RECONNECT_DELAY_MS;
    config.reconnect_delay_max_ms = CONFIG_SOCKEYE_RECONNECT_DELAY_MAX_MS;
    config.reconnect_jitter_permille = CONFIG_SOCKEYE_RECONNECT_JITTER_PERMILLE;
    config.connect_timeout_ms = CONFIG_SOCKEYE_CONNECT_TIMEOUT_MS;
    config.join_timeout_ms = CONFIG_SOCKEYE_JOIN_TIMEOUT_MS;
    config.upgrade_timeout_ms = CONFIG_SOCKEYE_UPGRADE_TIMEOUT_MS;
    config.close_timeout_ms = CONFIG_SOCKEYE_CLOSE_TIMEOUT_MS;
    config.ack_timeout_ms = CONFIG_SOCKEYE_ACK_TIMEOUT_MS;
    config.retries = CONFIG_SOCKEYE_RETRIES;
    config.rx_buffer = CONFIG_SOCKEYE_RX_BUFFER;
    config.tx_buffer = CONFIG_SOCKEYE_TX_BUFFER;
    config.head_buffer = CONFIG_SOCKEYE_HEAD_BUFFER;
    config.max_acks = CONFIG_SOCKEYE_MAX_ACKS;
    config.max_packets = CONFIG_SOCKEYE_MAX_PACKETS;
    config.max_namespaces = CONFIG_SOCKEYE_MAX_NAMESPACES;
    config.task.stack = CONFIG_SOCKEYE_TASK_STACK;
    config.task.priority = CONFIG_SOCKEYE_TASK_PRIORITY;
    config.task.core = CONFIG_SOCKEYE_TASK_CORE;
    return config;
}

/** `sockeye_client_config_t config = SOCKEYE_CLIENT_CONFIG_DEFAULT();` */
#define SOCKEYE_CLIENT_CONFIG_DEFAULT() sockeye_client_config_default()

#endif  /* SOCKEYE_DEFAULTS_H */
