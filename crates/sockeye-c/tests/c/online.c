/*
 * The client against a server that runs: `online URI official|scripted`. The scripted one acknowledges every event with its
 * data and echoes `echo`; the official one has the contract of the scenario servers.
 */
#include "check.h"

static const char *uri;
static bool official;

struct peer {
    struct notebook notes;
    sockeye_client_handle_t client;
    sockeye_client_config_t config;
};

static void open_peer(struct peer *peer)
{
    notebook_open(&peer->notes);
    peer->config = config_for(uri, &peer->notes);
    peer->config.rx_buffer = 65536;
    peer->config.tx_buffer = 65536;
    peer->config.max_acks = 64;
    peer->config.max_packets = 128;
    peer->config.max_namespaces = 8;
}

static void start_peer(struct peer *peer)
{
    CHECK_OK(sockeye_client_init(&peer->config, &peer->client));
    CHECK_OK(sockeye_client_on(peer->client, NULL, "echo", on_message, &peer->notes));
    CHECK_OK(sockeye_client_start(peer->client));
    expect(&peer->notes, "joined /");
}

static void close_peer(struct peer *peer)
{
    sockeye_client_destroy(peer->client);
    expect(&peer->notes, "disconnected / io client disconnect");
    expect(&peer->notes, "stopped");
    notebook_close(&peer->notes);
}

/* ---- what is sent comes back, in every form ---- */

static void on_values(sockeye_client_handle_t client, const sockeye_message_t *message, void *ctx)
{
    const sockeye_args_t *args = message->args;
    sockeye_json_t object, value;
    sockeye_bytes_t bytes;
    char text[32];
    size_t len;
    int64_t whole;
    double number;
    bool truth;
    (void)client;
    CHECK(sockeye_args_count(args) >= 6);
    CHECK(sockeye_args_type(args, 0) == SOCKEYE_JSON_STRING);
    CHECK_OK(sockeye_args_get_string(args, 0, text, sizeof text, &len));
    CHECK_TEXT(text, "h\xc3\xa9\"\n");
    CHECK(len == 5);
    CHECK_ERR(sockeye_args_get_string(args, 0, text, 5, &len), SOCKEYE_ERR_BUFFER);
    CHECK_OK(sockeye_args_get_int(args, 1, &whole));
    CHECK(whole == -7);
    CHECK_OK(sockeye_args_get_double(args, 2, &number));
    CHECK(number == 21.5);
    CHECK_ERR(sockeye_args_get_int(args, 2, &whole), SOCKEYE_ERR_TYPE);
    CHECK_OK(sockeye_args_get_bool(args, 3, &truth));
    CHECK(truth);
    CHECK(sockeye_args_type(args, 4) == SOCKEYE_JSON_OBJECT);
    CHECK_OK(sockeye_args_get(args, 4, &object));
    CHECK_OK(sockeye_json_get_field(object, "list", &value));
    CHECK_OK(sockeye_json_get_item(value, 1, &value));
    CHECK_OK(sockeye_json_as_int(value, &whole));
    CHECK(whole == 2);
    CHECK_ERR(sockeye_json_get_field(object, "none", &value), SOCKEYE_ERR_NOT_FOUND);
    CHECK_OK(sockeye_args_get_binary(args, 5, &bytes));
    CHECK(bytes.len == 300 && bytes.data[0] == 0 && bytes.data[255] == 255);
    CHECK(sockeye_args_attachment_count(args) == 1);
    CHECK_ERR(sockeye_args_get_binary(args, 0, &bytes), SOCKEYE_ERR_TYPE);
    CHECK_ERR(sockeye_args_get_attachment(args, 1, &bytes), SOCKEYE_ERR_NOT_FOUND);
    CHECK_ERR(sockeye_args_get_int(args, 99, &whole), SOCKEYE_ERR_NOT_FOUND);
    CHECK(sockeye_args_type(args, 99) == SOCKEYE_JSON_NONE);
    note((struct notebook *)ctx, "values");
}

static void values(void)
{
    struct peer peer;
    char buffer[256];
    uint8_t binary[300];
    sockeye_writer_t args;
    char id[80], other[80];
    size_t i;
    open_peer(&peer);
    start_peer(&peer);
    CHECK_OK(sockeye_client_get_id(peer.client, NULL, id, sizeof id));
    CHECK_OK(sockeye_client_get_id(peer.client, "/", other, sizeof other));
    CHECK_TEXT(id, other);
    CHECK_ERR(sockeye_client_get_id(peer.client, NULL, other, 1), SOCKEYE_ERR_BUFFER);
    CHECK(sockeye_client_is_connected(peer.client, NULL));
    CHECK(sockeye_client_get_state(peer.client) == SOCKEYE_STATE_CONNECTED_WS);
    CHECK_OK(sockeye_client_emit(peer.client, NULL, "echo", "[1,\"x\",null]"));
    expect(&peer.notes, "/ echo [1,\"x\",null]");
    CHECK_OK(sockeye_client_off(peer.client, NULL, "echo", on_message));
    CHECK_OK(sockeye_client_on(peer.client, NULL, "echo", on_values, &peer.notes));
    for (i = 0; i < sizeof binary; i++) {
        binary[i] = (uint8_t)i;
    }
    CHECK_OK(sockeye_writer_init(&args, buffer, sizeof buffer));
    sockeye_writer_string(&args, "h\xc3\xa9\"\n");
    sockeye_writer_int(&args, -7);
    sockeye_writer_double(&args, 21.5);
    sockeye_writer_bool(&args, true);
    sockeye_writer_json(&args, "{\"list\":[1,2]}");
    sockeye_writer_binary(&args, binary, sizeof binary);
    for (i = 0; i < 3; i++) {
        CHECK_OK(sockeye_client_emit_args(peer.client, NULL, "echo", &args));
        expect(&peer.notes, "values");
    }
    close_peer(&peer);
}

/* ---- acknowledgements ---- */

static void acks(void)
{
    struct peer peer;
    open_peer(&peer);
    start_peer(&peer);
    CHECK_OK(sockeye_client_emit_with_ack(peer.client, NULL, "ack", "[5]", 0, on_ack, &peer.notes));
    expect(&peer.notes, official ? "ack SOCKEYE_OK [5]" : "ack SOCKEYE_OK [\"ack\",5]");
    if (official) {
        CHECK_OK(sockeye_client_emit_with_ack(peer.client, NULL, "silence", NULL, 20, on_ack, &peer.notes));
        expect(&peer.notes, "ack SOCKEYE_ERR_TIMEOUT");
        /* Lost with the connection. */
        CHECK_OK(sockeye_client_emit_with_ack(peer.client, NULL, "silence", NULL, 0, on_ack, &peer.notes));
        CHECK_OK(sockeye_client_flush(peer.client, 10000));
        CHECK_OK(sockeye_client_reconnect(peer.client));
        expect(&peer.notes, "ack SOCKEYE_ERR_DISCONNECTED");
        expect(&peer.notes, "joined /");
    }
    close_peer(&peer);
}

/* An acknowledgement that never comes is told at the stop, and only once. */
static void ack_at_the_end(void)
{
    struct peer peer;
    open_peer(&peer);
    start_peer(&peer);
    CHECK_OK(sockeye_client_stop(peer.client));
    CHECK_OK(sockeye_client_emit_with_ack(peer.client, NULL, "ack", NULL, 0, on_ack, &peer.notes));
    CHECK(!noted(&peer.notes, "ack"));
    sockeye_client_destroy(peer.client);
    expect(&peer.notes, "ack SOCKEYE_ERR_CLOSED");
    notebook_close(&peer.notes);
}

/* ---- answers of ours ---- */

struct question {
    struct peer *peer;
    pthread_t thread;
    sockeye_ack_t ack;
};

static void *answer_later(void *ctx)
{
    struct question *question = (struct question *)ctx;
    char buffer[32];
    sockeye_writer_t args;
    CHECK_OK(sockeye_writer_init(&args, buffer, sizeof buffer));
    sockeye_writer_int(&args, 42);
    CHECK_OK(sockeye_client_ack_args(question->peer->client, question->ack, &args));
    CHECK_ERR(sockeye_client_ack(question->peer->client, question->ack, NULL), SOCKEYE_ERR_STALE);
    return NULL;
}

static void on_question(sockeye_client_handle_t client, const sockeye_message_t *message, void *ctx)
{
    struct question *question = (struct question *)ctx;
    (void)client;
    CHECK(message->ack != 0);
    question->ack = message->ack;
    CHECK(pthread_create(&question->thread, NULL, answer_later, question) == 0);
}

static void on_question_at_once(sockeye_client_handle_t client, const sockeye_message_t *message, void *ctx)
{
    (void)ctx;
    CHECK_ERR(sockeye_client_ack(client, message->ack, "{}"), SOCKEYE_ERR_JSON);
    CHECK_OK(sockeye_client_ack(client, message->ack, "[\"now\"]"));
    CHECK_ERR(sockeye_client_ack(client, message->ack, "[\"twice\"]"), SOCKEYE_ERR_STALE);
}

static void answers(void)
{
    struct peer peer;
    struct question question;
    if (!official) {
        return;
    }
    open_peer(&peer);
    start_peer(&peer);
    question.peer = &peer;
    CHECK_OK(sockeye_client_on(peer.client, NULL, "answered", on_message, &peer.notes));
    CHECK_OK(sockeye_client_on(peer.client, NULL, "question", on_question, &question));
    CHECK_OK(sockeye_client_emit(peer.client, NULL, "ask", "[1]"));
    expect(&peer.notes, "/ answered [42]");
    CHECK(pthread_join(question.thread, NULL) == 0);
    CHECK_OK(sockeye_client_off(peer.client, NULL, "question", NULL));
    CHECK_OK(sockeye_client_on(peer.client, NULL, "question", on_question_at_once, NULL));
    CHECK_OK(sockeye_client_emit(peer.client, NULL, "ask", "[2]"));
    expect(&peer.notes, "/ answered [\"now\"]");
    close_peer(&peer);
}

/* ---- namespaces and auth ---- */

static void on_auth(sockeye_client_handle_t client, const char *nsp, sockeye_auth_t *auth, void *ctx)
{
    struct notebook *notes = (struct notebook *)ctx;
    (void)client;
    note(notes, "auth %s", nsp);
    if (strcmp(nsp, "/admin") == 0) {
        CHECK_ERR(sockeye_auth_set(auth, "[]"), SOCKEYE_ERR_JSON);
        CHECK_OK(sockeye_auth_set(auth, noted(notes, "refused /admin") ? "{\"token\":\"secret\"}" : "{\"token\":1}"));
    } else if (strcmp(nsp, "/chat") != 0) {
        CHECK_OK(sockeye_auth_set(auth, strcmp(nsp, "/slow") == 0 ? NULL : "{}"));
    }
}

static void namespaces(void)
{
    struct peer peer;
    open_peer(&peer);
    peer.config.auth_cb = on_auth;
    peer.config.auth_ctx = &peer.notes;
    start_peer(&peer);
    CHECK_ERR(sockeye_client_emit(peer.client, "/slow", "echo", NULL), SOCKEYE_ERR_NOT_FOUND);
    /* Handlers come before the join: what the server sends at once finds them. */
    CHECK_OK(sockeye_client_on(peer.client, "/slow", NULL, on_message, &peer.notes));
    CHECK(!sockeye_client_is_connected(peer.client, "/slow"));
    CHECK_OK(sockeye_client_join(peer.client, "slow"));
    /* Kept until the namespace is joined. */
    CHECK_OK(sockeye_client_emit(peer.client, "/slow", "echo", "[3]"));
    expect(&peer.notes, "joined /slow");
    expect(&peer.notes, "/slow echo [3]");
    /* The callback gives nothing there. */
    CHECK_OK(sockeye_client_join(peer.client, "/chat"));
    expect(&peer.notes, "refused /chat the auth callback gave no payload");
    if (official) {
        CHECK_OK(sockeye_client_join(peer.client, "/admin"));
        expect(&peer.notes, "refused /admin not authorized {\"code\":401}");
        CHECK_OK(sockeye_client_join(peer.client, "/admin"));
        expect(&peer.notes, "joined /admin");
        CHECK_OK(sockeye_client_join(peer.client, "/none"));
        expect(&peer.notes, "refused /none Invalid namespace");
    }
    CHECK_OK(sockeye_client_leave(peer.client, "/slow"));
    expect(&peer.notes, "disconnected /slow io client disconnect");
    CHECK(!sockeye_client_is_connected(peer.client, "/slow"));
    CHECK(sockeye_client_is_connected(peer.client, "/"));
    close_peer(&peer);
}

/* A namespace that is not joined makes room for another: what was emitted there is told. */
static void made_room(void)
{
    struct peer peer;
    open_peer(&peer);
    peer.config.max_acks = 8;
    peer.config.max_packets = 16;
    peer.config.max_namespaces = 2;
    start_peer(&peer);
    CHECK_OK(sockeye_client_on(peer.client, "/two", NULL, on_message, &peer.notes));
    CHECK_OK(sockeye_client_emit_with_ack(peer.client, "/two", "asked", NULL, 0, on_ack, &peer.notes));
    CHECK_OK(sockeye_client_emit(peer.client, "/two", "lost", "[1]"));
    CHECK_OK(sockeye_client_join(peer.client, "/slow"));
    expect(&peer.notes, "ack SOCKEYE_ERR_DROPPED");
    expect(&peer.notes, "unsent: lost was not sent: its namespace");
    expect(&peer.notes, "joined /slow");
    close_peer(&peer);
}

/* ---- what a configuration says arrives ---- */

static void on_description(
    sockeye_client_handle_t client, sockeye_err_t result, const sockeye_args_t *args, void *ctx)
{
    sockeye_json_t all, part;
    char text[64];
    (void)client;
    CHECK_OK(result);
    CHECK_OK(sockeye_args_get(args, 0, &all));
    CHECK_OK(sockeye_json_get_field(all, "query", &part));
    CHECK_OK(sockeye_json_get_field(part, "room", &part));
    CHECK_OK(sockeye_json_as_string(part, text, sizeof text, NULL));
    CHECK_TEXT(text, "a b");
    CHECK_OK(sockeye_json_get_field(all, "headers", &part));
    CHECK_OK(sockeye_json_get_field(part, "x-device", &part));
    CHECK_OK(sockeye_json_as_string(part, text, sizeof text, NULL));
    CHECK_TEXT(text, "7");
    CHECK_OK(sockeye_json_get_field(all, "auth", &part));
    CHECK_OK(sockeye_json_get_field(part, "token", &part));
    CHECK_OK(sockeye_json_as_string(part, text, sizeof text, NULL));
    CHECK_TEXT(text, "t");
    CHECK_OK(sockeye_json_get_field(all, "transport", &part));
    note((struct notebook *)ctx, "description %.*s", (int)part.len, part.data);
}

static void configured(uint8_t transports, const char *opened, const char *transport)
{
    struct peer peer;
    open_peer(&peer);
    peer.config.transports = transports;
    peer.config.query = "room=a%20b";
    peer.config.headers = "X-Device: 7\r\nX-Other: 8\r\n";
    peer.config.auth_json = "{\"token\":\"t\"}";
    CHECK_OK(sockeye_client_init(&peer.config, &peer.client));
    CHECK_OK(sockeye_client_start(peer.client));
    expect(&peer.notes, opened);
    if (transports == SOCKEYE_TRANSPORTS_POLLING_FIRST) {
        expect(&peer.notes, "connected ws");
    } else {
        expect(&peer.notes, "joined /");
    }
    if (official) {
        char wanted[64];
        snprintf(wanted, sizeof wanted, "description \"%s\"", transport);
        CHECK_OK(sockeye_client_emit_with_ack(peer.client, NULL, "describe", NULL, 0, on_description, &peer.notes));
        expect(&peer.notes, wanted);
    }
    CHECK_OK(sockeye_client_stop(peer.client));
    expect(&peer.notes, "stopped");
    sockeye_client_destroy(peer.client);
    notebook_close(&peer.notes);
}

/* ---- callbacks that call back ---- */

static void on_anything(sockeye_client_handle_t client, const sockeye_message_t *message, void *ctx)
{
    struct notebook *notes = (struct notebook *)ctx;
    char id[80];
    size_t packets;
    if (strcmp(message->event, "echo") != 0) {
        return;
    }
    CHECK(sockeye_client_is_connected(client, message->nsp));
    CHECK_OK(sockeye_client_get_id(client, NULL, id, sizeof id));
    CHECK_OK(sockeye_client_get_send_queue(client, &packets, NULL));
    /* Nothing is queued, or it would wait for itself. */
    CHECK(sockeye_client_flush(client, 0) == (packets == 0 ? SOCKEYE_OK : SOCKEYE_ERR_INVALID_STATE));
    CHECK_ERR(sockeye_client_start(client), SOCKEYE_ERR_INVALID_STATE);
    CHECK_OK(sockeye_client_off(client, NULL, NULL, on_anything));
    CHECK_OK(sockeye_client_on(client, NULL, "echo", on_message, notes));
    CHECK_OK(sockeye_client_emit_with_ack(client, NULL, "ack", "[\"from inside\"]", 0, on_ack, notes));
    CHECK_OK(sockeye_client_join(client, "/slow"));
    CHECK_OK(sockeye_client_emit(client, "/slow", "x", NULL));
    CHECK_ERR(sockeye_client_flush(client, 1000), SOCKEYE_ERR_INVALID_STATE);
    CHECK_OK(sockeye_client_leave(client, "/slow"));
    note(notes, "inside");
}

static void calls_from_callbacks(void)
{
    struct peer peer;
    open_peer(&peer);
    CHECK_OK(sockeye_client_init(&peer.config, &peer.client));
    CHECK_OK(sockeye_client_on(peer.client, NULL, NULL, on_anything, &peer.notes));
    CHECK_OK(sockeye_client_start(peer.client));
    expect(&peer.notes, "joined /");
    CHECK_OK(sockeye_client_emit(peer.client, NULL, "echo", "[1]"));
    expect(&peer.notes, "inside");
    expect(&peer.notes, "ack SOCKEYE_OK");
    /* A handler that was added by the first one gets the events after it. */
    CHECK(!noted(&peer.notes, "/ echo [1]"));
    CHECK_OK(sockeye_client_emit(peer.client, NULL, "echo", "[2]"));
    expect(&peer.notes, "/ echo [2]");
    close_peer(&peer);
}

static void on_message_stop(sockeye_client_handle_t client, const sockeye_message_t *message, void *ctx)
{
    (void)message;
    CHECK_OK(sockeye_client_stop(client));
    CHECK_ERR(sockeye_client_start(client), SOCKEYE_ERR_INVALID_STATE);
    note((struct notebook *)ctx, "asked to stop");
}

static void stop_in_a_callback(void)
{
    struct peer peer;
    open_peer(&peer);
    CHECK_OK(sockeye_client_init(&peer.config, &peer.client));
    CHECK_OK(sockeye_client_on(peer.client, NULL, "echo", on_message_stop, &peer.notes));
    CHECK_OK(sockeye_client_start(peer.client));
    CHECK_OK(sockeye_client_emit(peer.client, NULL, "echo", NULL));
    expect(&peer.notes, "asked to stop");
    expect(&peer.notes, "disconnected / io client disconnect");
    expect(&peer.notes, "stopped");
    CHECK_OK(sockeye_client_stop(peer.client));
    CHECK_OK(sockeye_client_start(peer.client));
    expect(&peer.notes, "joined /");
    close_peer(&peer);
}

/* ---- destroy in every kind of callback ---- */

static void on_message_destroy(sockeye_client_handle_t client, const sockeye_message_t *message, void *ctx)
{
    (void)message;
    /* Cannot be answered any more, and is told so, once. */
    CHECK_OK(sockeye_client_emit_with_ack(client, NULL, "ack", NULL, 0, on_ack, ctx));
    sockeye_client_destroy(client);
    note((struct notebook *)ctx, "destroyed");
}

static void on_message_never(sockeye_client_handle_t client, const sockeye_message_t *message, void *ctx)
{
    (void)client;
    (void)message;
    (void)ctx;
    CHECK(!"called after destroy");
}

static void on_ack_destroy(
    sockeye_client_handle_t client, sockeye_err_t result, const sockeye_args_t *args, void *ctx)
{
    (void)args;
    CHECK_OK(result);
    sockeye_client_destroy(client);
    note((struct notebook *)ctx, "destroyed");
}

static void on_event_destroy(sockeye_client_handle_t client, const sockeye_event_t *event, void *ctx)
{
    struct notebook *notes = (struct notebook *)ctx;
    CHECK(!noted(notes, "destroyed"));
    if (event->id == SOCKEYE_EVENT_JOINED) {
        sockeye_client_destroy(client);
        note(notes, "destroyed");
    }
}

static void on_auth_destroy(sockeye_client_handle_t client, const char *nsp, sockeye_auth_t *auth, void *ctx)
{
    (void)nsp;
    (void)auth;
    sockeye_client_destroy(client);
    note((struct notebook *)ctx, "destroyed");
}

/* The last thing the client's task says of itself: its resources are gone soon after, which only the sanitizers see. */
static void destroy_in_callbacks(void)
{
    struct peer peer;
    int kind;
    for (kind = 0; kind < 4; kind++) {
        struct notebook *notes = &peer.notes;
        open_peer(&peer);
        if (kind == 2) {
            peer.config.event_cb = on_event_destroy;
        } else if (kind == 3) {
            peer.config.auth_cb = on_auth_destroy;
            peer.config.auth_ctx = notes;
        }
        CHECK_OK(sockeye_client_init(&peer.config, &peer.client));
        if (kind == 0) {
            CHECK_OK(sockeye_client_on(peer.client, NULL, "echo", on_message_destroy, notes));
            CHECK_OK(sockeye_client_on(peer.client, NULL, "echo", on_message_never, notes));
            CHECK_OK(sockeye_client_emit(peer.client, NULL, "echo", NULL));
        } else if (kind == 1) {
            CHECK_OK(sockeye_client_emit_with_ack(peer.client, NULL, "ack", NULL, 0, on_ack_destroy, notes));
        } else {
            CHECK_OK(sockeye_client_on(peer.client, NULL, NULL, on_message_never, notes));
        }
        /* The last acknowledgement is told when the client is freed. */
        CHECK_OK(sockeye_client_join(peer.client, "/never"));
        CHECK_OK(sockeye_client_emit_with_ack(peer.client, "/never", "q", NULL, 0, on_ack, notes));
        CHECK_OK(sockeye_client_leave(peer.client, "/never"));
        CHECK_OK(sockeye_client_start(peer.client));
        expect(notes, "destroyed");
        if (kind == 0) {
            expect(notes, "ack SOCKEYE_ERR_DISCONNECTED");
        }
        expect(notes, "ack SOCKEYE_ERR_CLOSED");
        notebook_close(notes);
    }
}

/* ---- several ---- */

static void two_clients(void)
{
    struct peer a, b;
    if (!official) {
        return;
    }
    open_peer(&a);
    open_peer(&b);
    start_peer(&a);
    start_peer(&b);
    CHECK_OK(sockeye_client_on(b.client, NULL, "broadcast", on_message, &b.notes));
    CHECK_OK(sockeye_client_emit(a.client, NULL, "broadcast", "[\"hi\"]"));
    expect(&b.notes, "/ broadcast [\"hi\"]");
    close_peer(&a);
    CHECK_OK(sockeye_client_emit(b.client, NULL, "echo", "[2]"));
    expect(&b.notes, "/ echo [2]");
    close_peer(&b);
}

/* The server ends things: a namespace, then the connection. */
static void server_disconnects(void)
{
    struct peer peer;
    if (!official) {
        return;
    }
    open_peer(&peer);
    start_peer(&peer);
    CHECK_OK(sockeye_client_emit(peer.client, NULL, "leave", NULL));
    expect(&peer.notes, "disconnected / io server disconnect");
    CHECK_OK(sockeye_client_join(peer.client, "/"));
    expect(&peer.notes, "joined /");
    CHECK_OK(sockeye_client_reconnect(peer.client));
    expect(&peer.notes, "disconnected / forced close");
    expect(&peer.notes, "joined /");
    close_peer(&peer);
}

/* Larger than the receive buffer: skipped, told, and the connection goes on. */
static void too_large(void)
{
    struct peer peer;
    if (!official) {
        return;
    }
    open_peer(&peer);
    peer.config.rx_buffer = 2048;
    start_peer(&peer);
    CHECK_OK(sockeye_client_emit_with_ack(peer.client, NULL, "text", "[5000]", 200, on_ack, &peer.notes));
    expect(&peer.notes, "too large: a packet of");
    expect(&peer.notes, "ack SOCKEYE_ERR_TIMEOUT");
    CHECK_OK(sockeye_client_emit(peer.client, NULL, "echo", "[1]"));
    expect(&peer.notes, "/ echo [1]");
    close_peer(&peer);
}

int main(int argc, char **argv)
{
    CHECK(argc == 3);
    sockeye_posix_log_level = 0;
    uri = argv[1];
    official = strcmp(argv[2], "official") == 0;
    values();
    acks();
    ack_at_the_end();
    answers();
    namespaces();
    made_room();
    configured(SOCKEYE_TRANSPORTS_WEBSOCKET, "connected ws", "websocket");
    configured(SOCKEYE_TRANSPORTS_POLLING, "connected http", "polling");
    configured(SOCKEYE_TRANSPORTS_POLLING_FIRST, "connected http", "websocket");
    configured(SOCKEYE_TRANSPORTS_WEBSOCKET_FIRST, "connected ws", "websocket");
    calls_from_callbacks();
    stop_in_a_callback();
    destroy_in_callbacks();
    two_clients();
    server_disconnects();
    too_large();
    printf("%d passed\n", official ? 16 : 12);
    sockeye_posix_wait_for_tasks();
    return 0;
}
