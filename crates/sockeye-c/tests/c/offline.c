/* What needs no server: the writer, the errors of the configuration, the life of a client that never connects. */
#include "check.h"

#include <math.h>

static void writes(void)
{
    char buffer[256];
    sockeye_writer_t args;
    sockeye_json_t json;
    CHECK_OK(sockeye_writer_init(&args, buffer, sizeof buffer));
    CHECK_OK(sockeye_writer_get(&args, &json));
    CHECK_TEXT(buffer, "[]");
    CHECK_OK(sockeye_writer_string(&args, "a\"\\\n\x01\xc3\xa9"));
    CHECK_OK(sockeye_writer_int(&args, INT64_MIN));
    CHECK_OK(sockeye_writer_uint(&args, UINT64_MAX));
    CHECK_OK(sockeye_writer_double(&args, 0.1));
    CHECK_OK(sockeye_writer_bool(&args, true));
    CHECK_OK(sockeye_writer_null(&args));
    CHECK_OK(sockeye_writer_begin_object(&args));
    CHECK_OK(sockeye_writer_key(&args, "k\""));
    CHECK_OK(sockeye_writer_begin_array(&args));
    CHECK_OK(sockeye_writer_int(&args, 1));
    CHECK_OK(sockeye_writer_json(&args, " {\"x\":[2,3]} "));
    CHECK_OK(sockeye_writer_end(&args));
    CHECK_OK(sockeye_writer_key(&args, "b"));
    CHECK_OK(sockeye_writer_binary(&args, (const uint8_t *)"xyz", 3));
    CHECK_ERR(sockeye_writer_get(&args, &json), SOCKEYE_ERR_INVALID_STATE);
    CHECK_OK(sockeye_writer_end(&args));
    CHECK_OK(sockeye_writer_string_n(&args, "a\0b", 3));
    CHECK_OK(sockeye_writer_get(&args, &json));
    CHECK(json.len == strlen(buffer) && json.data == buffer);
    CHECK_TEXT(buffer,
        "[\"a\\\"\\\\\\n\\u0001\xc3\xa9\",-9223372036854775808,18446744073709551615,0.1,true,null,"
        "{\"k\\\"\":[1, {\"x\":[2,3]} ],\"b\":{\"_placeholder\":true,\"num\":0}},\"a\\u0000b\"]");
}

/* Each of these is out of turn, or no JSON: the first error stays. */
static void refuses_to_write(void)
{
    char buffer[64];
    sockeye_writer_t args;
    sockeye_json_t json;
    int i;
    static const char *const bad[] = {"", "1,2", "]", "{", "[1", "01", "nul", "\"", "1]", "{\"_placeholder\":true,\"num\":0}", "1 2"};
#define REFUSED(wanted, ...)                                           \
    do {                                                               \
        CHECK_OK(sockeye_writer_init(&args, buffer, sizeof buffer));   \
        __VA_ARGS__;                                                   \
        CHECK_ERR(sockeye_writer_get(&args, &json), wanted);           \
        CHECK_ERR(sockeye_writer_null(&args), wanted);                 \
    } while (0)
    REFUSED(SOCKEYE_ERR_INVALID_STATE, sockeye_writer_end(&args));
    REFUSED(SOCKEYE_ERR_INVALID_STATE, sockeye_writer_key(&args, "k"));
    REFUSED(SOCKEYE_ERR_INVALID_STATE, sockeye_writer_begin_object(&args); sockeye_writer_int(&args, 1));
    REFUSED(SOCKEYE_ERR_INVALID_STATE, sockeye_writer_begin_object(&args); sockeye_writer_begin_array(&args));
    REFUSED(SOCKEYE_ERR_INVALID_STATE, sockeye_writer_begin_object(&args); sockeye_writer_key(&args, "k"); sockeye_writer_end(&args));
    REFUSED(SOCKEYE_ERR_INVALID_STATE, sockeye_writer_begin_object(&args); sockeye_writer_key(&args, "k"); sockeye_writer_key(&args, "k"));
    REFUSED(SOCKEYE_ERR_INVALID_STATE, sockeye_writer_begin_array(&args); sockeye_writer_key(&args, "k"));
    REFUSED(SOCKEYE_ERR_TYPE, sockeye_writer_double(&args, NAN));
    REFUSED(SOCKEYE_ERR_TYPE, sockeye_writer_double(&args, -INFINITY));
    REFUSED(SOCKEYE_ERR_UTF8, sockeye_writer_string(&args, "\xff"));
    REFUSED(SOCKEYE_ERR_UTF8, sockeye_writer_string_n(&args, "\xc3", 1));
    REFUSED(SOCKEYE_ERR_INVALID_ARG, sockeye_writer_string(&args, NULL));
    REFUSED(SOCKEYE_ERR_INVALID_ARG, sockeye_writer_string_n(&args, NULL, 1));
    REFUSED(SOCKEYE_ERR_INVALID_ARG, sockeye_writer_binary(&args, NULL, 1));
    for (i = 0; i < (int)(sizeof bad / sizeof bad[0]); i++) {
        REFUSED(SOCKEYE_ERR_JSON, sockeye_writer_json(&args, bad[i]));
    }
    CHECK_OK(sockeye_writer_init(&args, buffer, sizeof buffer));
    for (i = 0; i < 64; i++) {
        sockeye_writer_begin_array(&args);
    }
    CHECK(sockeye_writer_null(&args) != SOCKEYE_OK);
    CHECK_ERR(sockeye_writer_init(&args, buffer, 2), SOCKEYE_ERR_BUFFER);
    CHECK_ERR(sockeye_writer_null(&args), SOCKEYE_ERR_BUFFER);
    CHECK_ERR(sockeye_writer_init(&args, NULL, 9), SOCKEYE_ERR_INVALID_ARG);
    CHECK_ERR(sockeye_writer_init(NULL, buffer, 9), SOCKEYE_ERR_INVALID_ARG);
    CHECK_ERR(sockeye_writer_null(NULL), SOCKEYE_ERR_INVALID_ARG);
}

/* However small the buffer, nothing is written behind it, and what fits is whole. */
static void writes_into_every_size(void)
{
    size_t size;
    for (size = 3; size < 40; size++) {
        char *buffer = (char *)malloc(size);
        sockeye_writer_t args;
        sockeye_json_t json;
        CHECK_OK(sockeye_writer_init(&args, buffer, size));
        sockeye_writer_string(&args, "h\xc3\xa9\"");
        sockeye_writer_begin_object(&args);
        sockeye_writer_key(&args, "k");
        sockeye_writer_double(&args, 1.5);
        sockeye_writer_end(&args);
        if (sockeye_writer_get(&args, &json) == SOCKEYE_OK) {
            CHECK_TEXT(buffer, "[\"h\xc3\xa9\\\"\",{\"k\":1.5}]");
            CHECK(size >= strlen(buffer) + 1);
        } else {
            CHECK_ERR(args.error, SOCKEYE_ERR_BUFFER);
            CHECK(size < sizeof "[\"h\xc3\xa9\\\"\",{\"k\":1.5}]");
        }
        free(buffer);
    }
}

/* The last line of the log. The task that makes a client writes it, and has ended when sockeye_client_init returns. */
static char logged[256];

static void keep_log(int32_t level, const char *line)
{
    CHECK(level == SOCKEYE_LOG_ERROR);
    snprintf(logged, sizeof logged, "%s", line);
}

/* Each is refused, and the log says which field it is. */
static void refuses_configurations(void)
{
    sockeye_port_t port = sockeye_port_platform;
    sockeye_client_config_t good = config_for("http://127.0.0.1:1/nsp?a=b", NULL);
    sockeye_client_handle_t client = (sockeye_client_handle_t)&good;
    port.log = keep_log;
    good.port = &port;
#define BAD_AS(wanted, change, named)                              \
    do {                                                           \
        sockeye_client_config_t config = good;                     \
        config.change;                                             \
        logged[0] = 0;                                             \
        CHECK_ERR(sockeye_client_init(&config, &client), wanted);  \
        CHECK(client == NULL);                                     \
        if (strstr(logged, named) == NULL) {                       \
            CHECK_TEXT(logged, named);                             \
        }                                                          \
    } while (0)
#define BAD(wanted, field, value) BAD_AS(wanted, field = value, "config." #field)
    BAD(SOCKEYE_ERR_INVALID_ARG, uri, NULL);
    BAD_AS(SOCKEYE_ERR_INVALID_ARG, port = NULL, "");
    BAD_AS(SOCKEYE_ERR_URI, uri = "ftp://h", "the URL");
    BAD_AS(SOCKEYE_ERR_URI, uri = "http://", "the URL");
    BAD_AS(SOCKEYE_ERR_URI, uri = "http://h:0", "the URL");
    BAD(SOCKEYE_ERR_UTF8, uri, "http://\xff");
    BAD(SOCKEYE_ERR_INVALID_ARG, path, "no slash");
    BAD(SOCKEYE_ERR_INVALID_ARG, path, "/a b");
    BAD(SOCKEYE_ERR_INVALID_ARG, query, "a=\r\n");
    BAD(SOCKEYE_ERR_INVALID_ARG, headers, "X: y");
    BAD(SOCKEYE_ERR_INVALID_ARG, headers, "X\r\n");
    BAD(SOCKEYE_ERR_INVALID_ARG, headers, "X: \x01\r\n");
    BAD(SOCKEYE_ERR_JSON, auth_json, "[1]");
    BAD(SOCKEYE_ERR_INVALID_ARG, nsp, "/a,b");
    BAD(SOCKEYE_ERR_INVALID_ARG, nsp, "/a-name-that-is-much-longer-than-the-forty-eight-bytes-there-are");
    BAD(SOCKEYE_ERR_INVALID_ARG, rx_buffer, 511);
    BAD(SOCKEYE_ERR_INVALID_ARG, tx_buffer, 0);
    BAD(SOCKEYE_ERR_INVALID_ARG, head_buffer, 255);
    BAD(SOCKEYE_ERR_INVALID_ARG, max_acks, 257);
    BAD(SOCKEYE_ERR_INVALID_ARG, max_packets, 1025);
    BAD(SOCKEYE_ERR_INVALID_ARG, max_namespaces, 33);
    BAD(SOCKEYE_ERR_INVALID_ARG, transports, 4);
    BAD(SOCKEYE_ERR_INVALID_ARG, reconnect_jitter_permille, 1001);
    CHECK_ERR(sockeye_client_init(NULL, &client), SOCKEYE_ERR_INVALID_ARG);
    CHECK_ERR(sockeye_client_init(&good, NULL), SOCKEYE_ERR_INVALID_ARG);
}

/* A client that is never started: what is emitted waits; what waits for answers is told the end. */
static void lives_without_a_server(void)
{
    struct notebook notes;
    sockeye_client_config_t config;
    sockeye_client_handle_t client;
    sockeye_packet_t packet;
    sockeye_bytes_t bytes[11];
    size_t packets = 9, used = 9;
    char id[80];
    int i;
    notebook_open(&notes);
    config = config_for("http://127.0.0.1:1/chat", &notes);
    config.max_acks = 16;
    config.max_packets = 32;
    CHECK_OK(sockeye_client_init(&config, &client));
    CHECK(sockeye_client_get_state(client) == SOCKEYE_STATE_STOPPED);
    CHECK(!sockeye_client_is_connected(client, NULL));
    CHECK_ERR(sockeye_client_get_id(client, NULL, id, sizeof id), SOCKEYE_ERR_INVALID_STATE);
    CHECK_ERR(sockeye_client_get_id(client, "/other", id, sizeof id), SOCKEYE_ERR_NOT_FOUND);
    CHECK_OK(sockeye_client_get_send_queue(client, &packets, &used));
    CHECK(packets == 0 && used == 0);
    CHECK_OK(sockeye_client_flush(client, 0));

    CHECK_OK(sockeye_client_emit(client, NULL, "a", NULL));
    CHECK_OK(sockeye_client_emit(client, "/chat", "a", "[1,\"\xc3\xa9\",{}]"));
    CHECK_OK(sockeye_client_emit(client, "chat", "a", " [ ] "));
    CHECK_OK(sockeye_client_get_send_queue(client, &packets, NULL));
    CHECK(packets == 3);
    CHECK_ERR(sockeye_client_flush(client, 0), SOCKEYE_ERR_INVALID_STATE);
    CHECK_ERR(sockeye_client_emit(client, "/other", "a", NULL), SOCKEYE_ERR_NOT_FOUND);
    CHECK_ERR(sockeye_client_emit(client, NULL, NULL, NULL), SOCKEYE_ERR_INVALID_ARG);
    CHECK_ERR(sockeye_client_emit(NULL, NULL, "a", NULL), SOCKEYE_ERR_INVALID_ARG);
    CHECK_ERR(sockeye_client_emit(client, NULL, "disconnect", NULL), SOCKEYE_ERR_RESERVED);
    CHECK_ERR(sockeye_client_emit(client, NULL, "\xff", NULL), SOCKEYE_ERR_UTF8);
    CHECK_ERR(sockeye_client_emit(client, NULL, "a", "{}"), SOCKEYE_ERR_JSON);
    CHECK_ERR(sockeye_client_emit(client, NULL, "a", "[1"), SOCKEYE_ERR_JSON);
    CHECK_ERR(sockeye_client_emit(client, NULL, "a", "[],[]"), SOCKEYE_ERR_JSON);
    CHECK_ERR(sockeye_client_emit(client, NULL, "a", "[{\"_placeholder\":true,\"num\":0}]"), SOCKEYE_ERR_JSON);
    CHECK_ERR(sockeye_client_ack(client, 7, NULL), SOCKEYE_ERR_STALE);
    CHECK_ERR(sockeye_client_ack(client, 0, NULL), SOCKEYE_ERR_STALE);
    CHECK_ERR(sockeye_client_on(client, NULL, "connect", on_message, NULL), SOCKEYE_ERR_RESERVED);
    CHECK_ERR(sockeye_client_on(client, NULL, "a", NULL, NULL), SOCKEYE_ERR_INVALID_ARG);
    CHECK_ERR(sockeye_client_off(client, NULL, "a", NULL), SOCKEYE_ERR_NOT_FOUND);
    CHECK_OK(sockeye_client_on(client, NULL, "a", on_message, NULL));
    CHECK_OK(sockeye_client_on(client, NULL, NULL, on_message, NULL));
    CHECK_OK(sockeye_client_off(client, NULL, "a", on_message));
    CHECK_OK(sockeye_client_off(client, NULL, NULL, NULL));

    memset(&packet, 0, sizeof packet);
    memset(bytes, 0, sizeof bytes);
    packet.event = "b";
    packet.attachments = bytes;
    packet.attachment_count = 11;
    CHECK_ERR(sockeye_client_emit_packet(client, &packet), SOCKEYE_ERR_TOO_MANY_ATTACHMENTS);
    packet.attachment_count = 0;
    packet.is_volatile = true;
    CHECK_ERR(sockeye_client_emit_packet(client, &packet), SOCKEYE_ERR_NOT_WRITABLE);
    CHECK_ERR(sockeye_client_emit_packet(client, NULL), SOCKEYE_ERR_INVALID_ARG);

    CHECK_ERR(sockeye_client_emit_with_ack(client, NULL, "q", NULL, 0, NULL, NULL), SOCKEYE_ERR_INVALID_ARG);
    for (i = 0; i < 16; i++) {
        CHECK_OK(sockeye_client_emit_with_ack(client, NULL, "q", NULL, 0, on_ack, &notes));
    }
    CHECK_ERR(sockeye_client_emit_with_ack(client, NULL, "q", NULL, 0, on_ack, &notes), SOCKEYE_ERR_TOO_MANY_ACKS);
    while (sockeye_client_emit(client, NULL, "fill", NULL) == SOCKEYE_OK) {
    }
    CHECK_ERR(sockeye_client_emit(client, NULL, "fill", NULL), SOCKEYE_ERR_FULL);

    /* The numbers of the configuration are rounded up: here to four namespaces. */
    CHECK_OK(sockeye_client_join(client, "/two"));
    CHECK_OK(sockeye_client_join(client, "two"));
    CHECK_OK(sockeye_client_join(client, "/three"));
    CHECK_ERR(sockeye_client_on(client, "/fi,ve", "a", on_message, NULL), SOCKEYE_ERR_INVALID_ARG);
    CHECK_OK(sockeye_client_join(client, "/four"));
    CHECK_ERR(sockeye_client_join(client, "/five"), SOCKEYE_ERR_TOO_MANY_NAMESPACES);
    CHECK_ERR(sockeye_client_on(client, "/five", "a", on_message, NULL), SOCKEYE_ERR_TOO_MANY_NAMESPACES);
    CHECK_OK(sockeye_client_leave(client, "/two"));
    CHECK_OK(sockeye_client_join(client, "/five"));
    CHECK_ERR(sockeye_client_leave(client, "/two"), SOCKEYE_ERR_NOT_FOUND);
    CHECK_OK(sockeye_client_stop(client));
    sockeye_client_destroy(client);
    for (i = 0; i < 16; i++) {
        expect(&notes, "ack SOCKEYE_ERR_CLOSED");
    }
    CHECK(notes.count == 16);
    sockeye_client_destroy(NULL);
    notebook_close(&notes);
}

/* Nobody listens: attempts end after the number that was asked for, or with the stop. */
static void gives_up(void)
{
    struct notebook notes;
    sockeye_client_config_t config;
    sockeye_client_handle_t client;
    int turns;
    notebook_open(&notes);
    config = config_for("http://127.0.0.1:1", &notes);
    config.reconnect_attempts = 2;
    CHECK_OK(sockeye_client_init(&config, &client));
    CHECK_OK(sockeye_client_start(client));
    CHECK_ERR(sockeye_client_start(client), SOCKEYE_ERR_INVALID_STATE);
    expect(&notes, "ready");
    expect(&notes, "connect error: could not connect: Connection refused");
    expect(&notes, "reconnecting");
    expect(&notes, "connect error");
    expect(&notes, "reconnecting");
    expect(&notes, "connect error");
    expect(&notes, "reconnect failed");
    /* The state changes when the task comes to rest, right after it has told that. */
    for (turns = 0; sockeye_client_get_state(client) != SOCKEYE_STATE_DOWN; turns++) {
        struct timespec pause = {0, 1000000};
        CHECK(turns < PATIENCE_S * 1000);
        nanosleep(&pause, NULL);
    }
    CHECK_OK(sockeye_client_join(client, "/"));
    expect(&notes, "connect error");
    CHECK_OK(sockeye_client_stop(client));
    expect(&notes, "stopped");
    CHECK_OK(sockeye_client_start(client));
    expect(&notes, "ready");
    sockeye_client_destroy(client);
    expect(&notes, "stopped");
    config.uri = "https://127.0.0.1:1";
    CHECK_OK(sockeye_client_init(&config, &client));
    CHECK_OK(sockeye_client_start(client));
    expect(&notes, "connect error: could not connect: this program was built without TLS");
    sockeye_client_destroy(client);
    notebook_close(&notes);
}

int main(void)
{
    sockeye_posix_log_level = 0;
    writes();
    refuses_to_write();
    writes_into_every_size();
    refuses_configurations();
    lives_without_a_server();
    gives_up();
    CHECK_TEXT(sockeye_err_to_name(SOCKEYE_ERR_FULL), "SOCKEYE_ERR_FULL");
    CHECK_TEXT(sockeye_err_to_name(-77), "unknown to Sockeye");
    puts("6 passed");
    sockeye_posix_wait_for_tasks();
    return 0;
}
