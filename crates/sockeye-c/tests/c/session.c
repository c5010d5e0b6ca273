/*
 * The C client for random sessions beside the official one (crates/sockeye-testkit/servers/differential): commands come in lines,
 * what happens goes out in lines, each a word and fields behind tabs, in hexadecimal digits so that they can hold anything.
 *
 *   session URI TRANSPORTS RETRIES ACK_TIMEOUT_MS
 *
 * Events with an odd number go out by the writer or the short calls, the others by sockeye_client_emit_packet.
 */
#include "check.h"

#define PLACES 8
#define FIELDS 4096

struct place {
    char *nsp;
    char *auth;
    bool joined;
    /* It was joined or asked for, and has not been left or refused since. */
    bool wanted;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct place places[PLACES];
static size_t place_count;
static bool retrying;
static sockeye_ack_t questions[4096];
static size_t question_count;
static sockeye_client_handle_t client;

/* ---- lines ---- */

static void put_word(const char *word)
{
    flockfile(stdout);
    fputs(word, stdout);
}

static void put_field(const void *bytes, size_t len)
{
    static const char digits[] = "0123456789abcdef";
    const unsigned char *at = bytes;
    putc_unlocked('\t', stdout);
    for (; len > 0; len--, at++) {
        putc_unlocked(digits[*at >> 4], stdout);
        putc_unlocked(digits[*at & 15], stdout);
    }
}

static void put_text(const char *text)
{
    put_field(text, strlen(text));
}

static void put_end(void)
{
    putc_unlocked('\n', stdout);
    fflush(stdout);
    funlockfile(stdout);
}

static void put_error(const char *id, sockeye_err_t error)
{
    put_word("error");
    put_text(id);
    put_text(sockeye_err_to_name(error));
    put_end();
}

static void put_args(const sockeye_args_t *args)
{
    sockeye_json_t json = sockeye_args_json(args);
    sockeye_bytes_t bytes;
    size_t i;
    put_field(json.data, json.len);
    for (i = 0; i < sockeye_args_attachment_count(args); i++) {
        CHECK_OK(sockeye_args_get_attachment(args, i, &bytes));
        put_field(bytes.data, bytes.len);
    }
}

static int digit(char c)
{
    return c <= '9' ? c - '0' : c - 'a' + 10;
}

/* Takes a line apart, in place: each field ends with a zero. */
static size_t split(char *line, char **fields, size_t *lens)
{
    size_t count = 0;
    char *from = line, *to = line;
    while (*from != '\0' && *from != '\n') {
        CHECK(count < FIELDS);
        fields[count] = to;
        while (*from != '\0' && *from != '\n' && *from != '\t') {
            if (count == 0) {
                *to++ = *from++;
            } else {
                *to++ = (char)(digit(from[0]) << 4 | digit(from[1]));
                from += 2;
            }
        }
        lens[count] = (size_t)(to - fields[count]);
        count++;
        if (*from == '\t') {
            from++;
            /* An empty field at the end is one, too. */
            if (*from == '\0' || *from == '\n') {
                CHECK(count < FIELDS);
                *to++ = '\0';
                fields[count] = to;
                lens[count++] = 0;
            }
        }
        *to++ = '\0';
    }
    return count;
}

/* ---- what happens ---- */

static struct place *place_of(const char *nsp)
{
    size_t i;
    for (i = 0; i < place_count; i++) {
        if (strcmp(places[i].nsp, nsp) == 0) {
            return &places[i];
        }
    }
    return NULL;
}

static void on_auth(sockeye_client_handle_t of, const char *nsp, struct sockeye_auth_t *auth, void *ctx)
{
    struct place *place;
    (void)of;
    (void)ctx;
    pthread_mutex_lock(&lock);
    place = place_of(nsp);
    CHECK(place != NULL);
    CHECK_OK(sockeye_auth_set(auth, place->auth));
    pthread_mutex_unlock(&lock);
}

static void put_connect_error(const char *nsp, const sockeye_event_t *event, bool active)
{
    put_word(active ? "connect_error\t31" : "connect_error\t30");
    put_text(nsp);
    put_text(event->text);
    put_field(event->data.data, event->data.len);
    put_end();
}

/* An attempt has failed, or the connection is lost: those that wait for it are told. */
static void failed(const sockeye_event_t *event)
{
    size_t i;
    retrying = event->will_retry;
    for (i = 0; i < place_count; i++) {
        if (places[i].wanted && !places[i].joined) {
            places[i].wanted = event->will_retry;
            put_connect_error(places[i].nsp, event, event->will_retry);
        }
    }
}

static void on_happening(sockeye_client_handle_t of, const sockeye_event_t *event, void *ctx)
{
    struct place *place;
    bool active;
    (void)of;
    (void)ctx;
    pthread_mutex_lock(&lock);
    place = event->nsp == NULL ? NULL : place_of(event->nsp);
    switch (event->id) {
    case SOCKEYE_EVENT_JOINED:
        CHECK(place != NULL);
        place->joined = true;
        put_word(event->recovered ? "connect\t31" : "connect\t30");
        put_text(event->nsp);
        put_text(event->text);
        put_end();
        break;
    case SOCKEYE_EVENT_CONNECT_ERROR:
        if (place == NULL) {
            failed(event);
        } else {
            place->wanted = false;
            put_connect_error(event->nsp, event, false);
        }
        break;
    case SOCKEYE_EVENT_CLOSED:
        failed(event);
        break;
    case SOCKEYE_EVENT_DISCONNECTED:
        CHECK(place != NULL && event->reason != NULL);
        active = retrying && strncmp(event->reason, "io ", 3) != 0;
        place->joined = false;
        place->wanted = place->wanted && active;
        put_word(active ? "disconnect\t31" : "disconnect\t30");
        put_text(event->nsp);
        put_text(event->reason);
        put_text(event->text);
        put_end();
        break;
    case SOCKEYE_EVENT_UNSENT:
    case SOCKEYE_EVENT_TOO_LARGE:
    case SOCKEYE_EVENT_NO_MEM:
        put_word("lost");
        put_text(event->nsp == NULL ? "" : event->nsp);
        put_text(event->text);
        put_end();
        break;
    default:
        break;
    }
    pthread_mutex_unlock(&lock);
}

static void on_any(sockeye_client_handle_t of, const sockeye_message_t *message, void *ctx)
{
    char number[24] = "";
    (void)of;
    (void)ctx;
    pthread_mutex_lock(&lock);
    if (message->ack != 0) {
        CHECK(question_count < sizeof questions / sizeof questions[0]);
        snprintf(number, sizeof number, "%u", (unsigned)question_count);
        questions[question_count++] = message->ack;
    }
    pthread_mutex_unlock(&lock);
    put_word("event");
    put_text(message->nsp);
    put_field(message->event, message->event_len);
    put_text(number);
    put_args(message->args);
    put_end();
}

struct asked {
    char *id;
    char *nsp;
};

static void on_answer(sockeye_client_handle_t of, sockeye_err_t result, const sockeye_args_t *args, void *ctx)
{
    struct asked *asked = ctx;
    (void)of;
    put_word(result == SOCKEYE_OK ? "ack" : "ack_error");
    put_text(asked->nsp);
    put_text(asked->id);
    if (result == SOCKEYE_OK) {
        put_args(args);
    } else {
        put_text(result == SOCKEYE_ERR_TIMEOUT || result == SOCKEYE_ERR_UNSENT ? "timeout"
                 : result == SOCKEYE_ERR_DISCONNECTED                         ? "disconnected"
                                                                              : "dropped");
    }
    put_end();
    free(asked->id);
    free(asked->nsp);
    free(asked);
}

/* ---- what is to be done ---- */

/* connect NSP AUTH */
static void connect(char **fields, size_t *lens)
{
    struct place *place;
    bool first, is_new;
    pthread_mutex_lock(&lock);
    first = place_count == 0;
    place = place_of(fields[1]);
    is_new = place == NULL;
    if (place == NULL) {
        CHECK(place_count < PLACES);
        place = &places[place_count++];
        CHECK((place->nsp = strdup(fields[1])) != NULL);
    }
    if (lens[2] > 0) {
        free(place->auth);
        CHECK((place->auth = strdup(fields[2])) != NULL);
    }
    place->wanted = true;
    pthread_mutex_unlock(&lock);
    if (is_new) {
        CHECK_OK(sockeye_client_on(client, fields[1], NULL, on_any, NULL));
    }
    if (first) {
        CHECK_OK(sockeye_client_start(client));
    } else {
        const sockeye_err_t done = sockeye_client_join(client, fields[1]);
        if (done != SOCKEYE_OK) {
            put_error("", done);
        }
    }
}

static void leave(const char *nsp)
{
    struct place *place;
    pthread_mutex_lock(&lock);
    place = place_of(nsp);
    if (place != NULL) {
        place->wanted = false;
    }
    pthread_mutex_unlock(&lock);
    if (place != NULL) {
        CHECK_OK(sockeye_client_leave(client, nsp));
    }
}

/* Writes what operations say: a word, and for some an operand. */
static void write_ops(sockeye_writer_t *writer, char **fields, size_t *lens, size_t count)
{
    size_t i;
    for (i = 0; i < count; i++) {
        if (strcmp(fields[i], "[") == 0) {
            sockeye_writer_begin_array(writer);
        } else if (strcmp(fields[i], "{") == 0) {
            sockeye_writer_begin_object(writer);
        } else if (strcmp(fields[i], "end") == 0) {
            sockeye_writer_end(writer);
        } else {
            CHECK(i + 1 < count);
            if (strcmp(fields[i], "key") == 0) {
                sockeye_writer_key(writer, fields[i + 1]);
            } else if (strcmp(fields[i], "text") == 0) {
                sockeye_writer_string_n(writer, fields[i + 1], lens[i + 1]);
            } else if (strcmp(fields[i], "json") == 0) {
                sockeye_writer_json(writer, fields[i + 1]);
            } else {
                CHECK_TEXT(fields[i], "binary");
                sockeye_writer_binary(writer, (const uint8_t *)fields[i + 1], lens[i + 1]);
            }
            i++;
        }
    }
}

/* emit NSP EVENT ID plain|ack|volatile TIMEOUT ARGS ATTACHMENT… */
static void emit_packet(char **fields, size_t *lens, size_t count)
{
    sockeye_bytes_t attachments[SOCKEYE_MAX_ATTACHMENTS];
    sockeye_packet_t packet = { 0 };
    struct asked *asked = NULL;
    sockeye_err_t done;
    packet.nsp = fields[1];
    packet.event = fields[2];
    packet.args_json = fields[6];
    packet.is_volatile = strcmp(fields[4], "volatile") == 0;
    packet.timeout_ms = (uint32_t)atol(fields[5]);
    packet.attachments = attachments;
    for (; 7 + packet.attachment_count < count; packet.attachment_count++) {
        const size_t at = 7 + packet.attachment_count;
        CHECK(packet.attachment_count < SOCKEYE_MAX_ATTACHMENTS);
        attachments[packet.attachment_count].data = (const uint8_t *)fields[at];
        attachments[packet.attachment_count].len = lens[at];
    }
    if (strcmp(fields[4], "ack") == 0) {
        CHECK((asked = malloc(sizeof *asked)) != NULL);
        CHECK((asked->id = strdup(fields[3])) != NULL && (asked->nsp = strdup(fields[1])) != NULL);
        packet.ack_cb = on_answer;
        packet.ack_ctx = asked;
    }
    done = sockeye_client_emit_packet(client, &packet);
    if (done != SOCKEYE_OK) {
        if (asked != NULL) {
            free(asked->id);
            free(asked->nsp);
            free(asked);
        }
        /* A volatile one that cannot be written at once is not sent: that is what was asked for. */
        if (done != SOCKEYE_ERR_NOT_WRITABLE) {
            put_error(fields[3], done);
        }
    }
}

/* write NSP EVENT ID OPERATION… and answer NUMBER OPERATION… */
static void emit_written(char **fields, size_t *lens, size_t count, bool answer)
{
    static char buffer[4 << 20];
    sockeye_writer_t writer;
    sockeye_err_t done;
    const size_t begin = answer ? 2 : 4;
    CHECK_OK(sockeye_writer_init(&writer, buffer, sizeof buffer));
    write_ops(&writer, fields + begin, lens + begin, count - begin);
    if (answer) {
        sockeye_ack_t ack;
        pthread_mutex_lock(&lock);
        ack = questions[atol(fields[1])];
        pthread_mutex_unlock(&lock);
        done = sockeye_client_ack_args(client, ack, &writer);
        if (done != SOCKEYE_OK && done != SOCKEYE_ERR_STALE) {
            put_error("", done);
        }
    } else {
        done = sockeye_client_emit_args(client, fields[1], fields[2], &writer);
        if (done != SOCKEYE_OK) {
            put_error(fields[3], done);
        }
    }
}

/* status ID: whether each namespace is joined, and whether it is, or is on its way. */
static void status(const char *id)
{
    size_t i, count;
    pthread_mutex_lock(&lock);
    count = place_count;
    put_word("status");
    put_text(id);
    for (i = 0; i < count; i++) {
        const bool joined = sockeye_client_is_connected(client, places[i].nsp);
        put_text(places[i].nsp);
        put_text(joined ? "1" : "0");
        put_text(joined || places[i].wanted ? "1" : "0");
    }
    put_end();
    pthread_mutex_unlock(&lock);
}

static bool command(char **fields, size_t *lens, size_t count)
{
    const char *word = fields[0];
    if (strcmp(word, "connect") == 0) {
        connect(fields, lens);
    } else if (strcmp(word, "disconnect") == 0) {
        leave(fields[1]);
    } else if (strcmp(word, "reconnect") == 0) {
        CHECK_OK(sockeye_client_reconnect(client));
    } else if (strcmp(word, "emit") == 0) {
        emit_packet(fields, lens, count);
    } else if (strcmp(word, "write") == 0) {
        emit_written(fields, lens, count, false);
    } else if (strcmp(word, "answer") == 0) {
        emit_written(fields, lens, count, true);
    } else if (strcmp(word, "status") == 0) {
        status(fields[1]);
    } else {
        return false;
    }
    return true;
}

int main(int argc, char **argv)
{
    static char *fields[FIELDS];
    static size_t lens[FIELDS];
    sockeye_client_config_t config = SOCKEYE_CLIENT_CONFIG_DEFAULT();
    char *line = NULL;
    size_t size = 0, i;
    CHECK(argc == 5);
    config.uri = argv[1];
    config.transports = (uint8_t)atoi(argv[2]);
    config.retries = atoi(argv[3]);
    config.ack_timeout_ms = (uint32_t)atol(argv[4]);
    config.reconnect_delay_ms = 1;
    config.reconnect_delay_max_ms = 1;
    config.reconnect_jitter_permille = 0;
    config.rx_buffer = 4 << 20;
    config.tx_buffer = 4 << 20;
    config.head_buffer = 4096;
    config.max_acks = 256;
    config.max_packets = 1024;
    config.max_namespaces = 32;
    config.auth_cb = on_auth;
    config.event_cb = on_happening;
    CHECK_OK(sockeye_client_init(&config, &client));
    while (getline(&line, &size, stdin) > 0 && command(fields, lens, split(line, fields, lens))) {
    }
    free(line);
    sockeye_client_destroy(client);
    for (i = 0; i < place_count; i++) {
        free(places[i].nsp);
        free(places[i].auth);
    }
    return 0;
}
