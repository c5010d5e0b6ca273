/*
 * The client as a test in Rust drives it: `play URI WAY OPTION…`. One command a line on the standard input, its fields between
 * tabs; each is answered by `= 0` or `= 1`. What the client tells comes as lines `! LINE`, with arguments as `@ HEAD TAB JSON TAB HEX…`.
 */
#include "check.h"

#define FIELDS 16

static sockeye_client_handle_t client;
/* Lines of several threads are whole. */
static pthread_mutex_t output = PTHREAD_MUTEX_INITIALIZER;
static unsigned auths;

static void say(const char *format, ...)
{
    va_list args;
    pthread_mutex_lock(&output);
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    putchar('\n');
    fflush(stdout);
    pthread_mutex_unlock(&output);
}

static void say_args(const char *kind, const char *nsp, const char *name, const sockeye_args_t *args)
{
    sockeye_json_t json = sockeye_args_json(args);
    sockeye_bytes_t bytes;
    size_t i, j;
    pthread_mutex_lock(&output);
    printf("@ %s%s%s %s\t%.*s", kind, nsp[0] != 0 ? " " : "", nsp, name, (int)json.len, json.data);
    for (i = 0; i < sockeye_args_attachment_count(args); i++) {
        CHECK_OK(sockeye_args_get_attachment(args, i, &bytes));
        putchar('\t');
        for (j = 0; j < bytes.len; j++) {
            printf("%02x", bytes.data[j]);
        }
    }
    putchar('\n');
    fflush(stdout);
    pthread_mutex_unlock(&output);
}

static void on_change(sockeye_client_handle_t of, const sockeye_event_t *event, void *ctx)
{
    (void)of;
    (void)ctx;
    if (event->id == SOCKEYE_EVENT_JOINED) {
        say("! joined %s%s", event->nsp, event->recovered ? " recovered" : "");
    } else if (event->id == SOCKEYE_EVENT_DISCONNECTED) {
        say("! left %s %s", event->nsp, event->reason);
    } else if (event->id == SOCKEYE_EVENT_CONNECT_ERROR && event->nsp == NULL) {
        say("! failed");
    } else if (event->id == SOCKEYE_EVENT_CONNECT_ERROR) {
        int len = (int)event->data.len;
        say("! refused %s %s %.*s", event->nsp, event->text, len > 0 ? len : 1, len > 0 ? event->data.data : "-");
    }
}

/* `ctx` is the answer, or null. */
static void on_heard(sockeye_client_handle_t of, const sockeye_message_t *message, void *ctx)
{
    char head[128];
    snprintf(head, sizeof head, "event %s", message->nsp);
    say_args(head, "", message->event, message->args);
    if (message->ack != 0 && ctx != NULL) {
        CHECK_OK(sockeye_client_ack(of, message->ack, (const char *)ctx));
    }
}

/* `ctx` is the number of the question. */
static void on_answer(sockeye_client_handle_t of, sockeye_err_t result, const sockeye_args_t *args, void *ctx)
{
    char number[16];
    (void)of;
    snprintf(number, sizeof number, "%u", (unsigned)(uintptr_t)ctx);
    if (result == SOCKEYE_OK) {
        say_args("answer", "", number, args);
    } else {
        say("! no answer %s %s", number,
            result == SOCKEYE_ERR_TIMEOUT            ? "timeout"
                : result == SOCKEYE_ERR_UNSENT       ? "timeout unsent"
                : result == SOCKEYE_ERR_DISCONNECTED ? "disconnected"
                : result == SOCKEYE_ERR_DROPPED      ? "dropped"
                                                     : sockeye_err_to_name(result));
    }
}

static void on_auth(sockeye_client_handle_t of, const char *nsp, sockeye_auth_t *auth, void *ctx)
{
    char json[32];
    (void)of;
    (void)nsp;
    (void)ctx;
    snprintf(json, sizeof json, "{\"n\":%u}", ++auths);
    CHECK_OK(sockeye_auth_set(auth, json));
}

/* Fields of a line, which is cut up; how many there are. */
static size_t cut(char *line, char **fields)
{
    size_t count = 0;
    line[strcspn(line, "\n")] = 0;
    while (count < FIELDS) {
        fields[count++] = line;
        line = strchr(line, '\t');
        if (line == NULL) {
            break;
        }
        *line++ = 0;
    }
    return count;
}

static int digit(char hex)
{
    return hex <= '9' ? hex - '0' : hex - 'a' + 10;
}

/* emit, volatile, ask: COMMAND NSP EVENT QUESTION TIMEOUT JSON HEX… */
static bool emit(char **fields, size_t count)
{
    static uint8_t buffer[4096];
    sockeye_bytes_t attachments[FIELDS];
    sockeye_packet_t packet;
    size_t used = 0, i, j;
    memset(&packet, 0, sizeof packet);
    CHECK(count >= 6);
    packet.nsp = fields[1];
    packet.event = fields[2];
    packet.args_json = fields[5];
    packet.attachments = attachments;
    packet.attachment_count = count - 6;
    for (i = 6; i < count; i++) {
        attachments[i - 6].data = buffer + used;
        attachments[i - 6].len = strlen(fields[i]) / 2;
        CHECK(used + attachments[i - 6].len <= sizeof buffer);
        for (j = 0; j < attachments[i - 6].len; j++) {
            buffer[used++] = (uint8_t)(digit(fields[i][2 * j]) * 16 + digit(fields[i][2 * j + 1]));
        }
    }
    packet.is_volatile = fields[0][0] == 'v';
    if (fields[0][0] == 'a') {
        packet.ack_cb = on_answer;
        packet.ack_ctx = (void *)(uintptr_t)strtoul(fields[3], NULL, 10);
        packet.timeout_ms = (uint32_t)strtoul(fields[4], NULL, 10);
    }
    return sockeye_client_emit_packet(client, &packet) == SOCKEYE_OK;
}

static bool command(char **fields, size_t count)
{
    /* Answers are kept to the end: handlers have them. */
    static char answers[8][128];
    static size_t kept;
    const char *name = fields[0];
    if (strcmp(name, "on") == 0) {
        CHECK(count >= 3 && kept < sizeof answers / sizeof answers[0]);
        if (count > 3) {
            snprintf(answers[kept], sizeof answers[kept], "%s", fields[3]);
        }
        CHECK_OK(sockeye_client_on(client, fields[1], fields[2], on_heard, count > 3 ? answers[kept++] : NULL));
        return true;
    }
    if (strcmp(name, "join") == 0) {
        return sockeye_client_join(client, fields[1]) == SOCKEYE_OK;
    }
    if (strcmp(name, "leave") == 0) {
        return sockeye_client_leave(client, fields[1]) == SOCKEYE_OK;
    }
    if (strcmp(name, "connected") == 0) {
        return sockeye_client_is_connected(client, fields[1]);
    }
    return emit(fields, count);
}

int main(int argc, char **argv)
{
    static char line[1 << 16];
    char *fields[FIELDS];
    int i;
    sockeye_client_config_t config = config_for(argc > 1 ? argv[1] : "", NULL);
    CHECK(argc > 2);
    config.event_cb = on_change;
    config.transports = (uint8_t)strtoul(argv[2], NULL, 10);
    config.max_packets = 32;
    for (i = 3; i < argc; i++) {
        if (strcmp(argv[i], "auth") == 0) {
            config.auth_cb = on_auth;
        } else if (strcmp(argv[i], "once") == 0) {
            config.reconnect = false;
        } else if (strcmp(argv[i], "patient") == 0) {
            config.reconnect_delay_ms = CONFIG_SOCKEYE_RECONNECT_DELAY_MS;
            config.reconnect_delay_max_ms = CONFIG_SOCKEYE_RECONNECT_DELAY_MAX_MS;
        } else if (strncmp(argv[i], "header=", 7) == 0) {
            config.headers = argv[i] + 7;
        } else if (strncmp(argv[i], "retries=", 8) == 0) {
            config.retries = (int32_t)strtol(argv[i] + 8, NULL, 10);
        } else if (strncmp(argv[i], "timeout=", 8) == 0) {
            config.ack_timeout_ms = (uint32_t)strtoul(argv[i] + 8, NULL, 10);
        } else {
            CHECK(false);
        }
    }
    CHECK_OK(sockeye_client_init(&config, &client));
    CHECK_OK(sockeye_client_start(client));
    /* To the end of the input. */
    while (fgets(line, sizeof line, stdin) != NULL) {
        size_t count = cut(line, fields);
        say("= %d", command(fields, count) ? 1 : 0);
    }
    sockeye_client_destroy(client);
    return 0;
}
