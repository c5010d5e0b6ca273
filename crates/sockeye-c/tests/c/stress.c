/*
 * Much at once, often, or with parts missing: `stress threads|cycles|dying|memory URI [N]`. The server echoes `echo` and
 * acknowledges every event.
 */
#include "check.h"

static const char *uri;

static void on_counted(sockeye_client_handle_t client, const sockeye_message_t *message, void *ctx)
{
    (void)client;
    (void)message;
    count((struct notebook *)ctx);
}

static void on_ack_counted(
    sockeye_client_handle_t client, sockeye_err_t result, const sockeye_args_t *args, void *ctx)
{
    (void)client;
    (void)args;
    CHECK_OK(result);
    count((struct notebook *)ctx);
}

/* A full buffer is waited for: nothing that was accepted may be lost. */
static void emit_patiently(sockeye_client_handle_t client, const char *event, struct notebook *notes)
{
    for (;;) {
        sockeye_err_t result = notes != NULL
            ? sockeye_client_emit_with_ack(client, NULL, event, "[1]", 0, on_ack_counted, notes)
            : sockeye_client_emit(client, NULL, event, "[1]");
        if (result == SOCKEYE_OK) {
            return;
        }
        CHECK(result == SOCKEYE_ERR_FULL || result == SOCKEYE_ERR_TOO_MANY_ACKS);
        CHECK_OK(sockeye_client_flush(client, PATIENCE_S * 1000));
    }
}

struct worker {
    sockeye_client_handle_t client;
    struct notebook *acked;
    int rounds;
};

static void *work(void *ctx)
{
    struct worker *worker = (struct worker *)ctx;
    int i;
    for (i = 0; i < worker->rounds; i++) {
        char id[80];
        size_t packets;
        emit_patiently(worker->client, "echo", NULL);
        if (i % 8 == 0) {
            emit_patiently(worker->client, "q", worker->acked);
            CHECK_OK(sockeye_client_on(worker->client, NULL, "never", on_counted, worker));
            CHECK(sockeye_client_is_connected(worker->client, NULL));
            CHECK_OK(sockeye_client_get_id(worker->client, NULL, id, sizeof id));
            CHECK_OK(sockeye_client_get_send_queue(worker->client, &packets, NULL));
            sockeye_client_off(worker->client, NULL, "never", on_counted);
        }
    }
    return NULL;
}

static void threads(int rounds)
{
    struct notebook notes, echoed, acked;
    sockeye_client_config_t config;
    sockeye_client_handle_t client;
    struct worker workers[4];
    pthread_t running[4];
    int i;
    notebook_open(&notes);
    notebook_open(&echoed);
    notebook_open(&acked);
    config = config_for(uri, &notes);
    config.max_packets = 64;
    config.max_acks = 16;
    CHECK_OK(sockeye_client_init(&config, &client));
    CHECK_OK(sockeye_client_on(client, NULL, "echo", on_counted, &echoed));
    CHECK_OK(sockeye_client_start(client));
    expect(&notes, "joined /");
    for (i = 0; i < 4; i++) {
        workers[i].client = client;
        workers[i].acked = &acked;
        workers[i].rounds = rounds;
        CHECK(pthread_create(&running[i], NULL, work, &workers[i]) == 0);
    }
    for (i = 0; i < 4; i++) {
        CHECK(pthread_join(running[i], NULL) == 0);
    }
    expect_count(&echoed, 4ul * (unsigned long)rounds);
    expect_count(&acked, 4ul * (unsigned long)((rounds + 7) / 8));
    sockeye_client_destroy(client);
    CHECK(!noted(&notes, "disconnected / transport"));
    notebook_close(&acked);
    notebook_close(&echoed);
    notebook_close(&notes);
}

static void cycles(int rounds)
{
    struct notebook notes;
    sockeye_client_config_t config;
    sockeye_client_handle_t client;
    int i;
    for (i = 0; i < rounds; i++) {
        notebook_open(&notes);
        config = config_for(uri, &notes);
        config.transports = i % 4 == 3 ? SOCKEYE_TRANSPORTS_POLLING_FIRST : SOCKEYE_TRANSPORTS_WEBSOCKET;
        CHECK_OK(sockeye_client_init(&config, &client));
        CHECK_OK(sockeye_client_on(client, NULL, "echo", on_counted, &notes));
        CHECK_OK(sockeye_client_emit(client, NULL, "echo", NULL));
        CHECK_OK(sockeye_client_start(client));
        expect(&notes, "joined /");
        expect_count(&notes, 1);
        if (i % 2 == 0) {
            CHECK_OK(sockeye_client_stop(client));
        }
        sockeye_client_destroy(client);
        notebook_close(&notes);
    }
    notebook_open(&notes);
    config = config_for(uri, &notes);
    config.max_packets = 128;
    config.tx_buffer = 16384;
    CHECK_OK(sockeye_client_init(&config, &client));
    CHECK_OK(sockeye_client_on(client, NULL, "echo", on_counted, &notes));
    CHECK_OK(sockeye_client_start(client));
    for (i = 0; i < rounds * 100; i++) {
        emit_patiently(client, "echo", NULL);
    }
    expect_count(&notes, (unsigned long)rounds * 100);
    sockeye_client_destroy(client);
    notebook_close(&notes);
}

static void on_done(sockeye_client_handle_t client, const sockeye_message_t *message, void *ctx)
{
    (void)client;
    (void)message;
    note((struct notebook *)ctx, "done");
}

static void on_ack_either(
    sockeye_client_handle_t client, sockeye_err_t result, const sockeye_args_t *args, void *ctx)
{
    (void)client;
    (void)args;
    CHECK(result == SOCKEYE_OK || result == SOCKEYE_ERR_DISCONNECTED || result == SOCKEYE_ERR_CLOSED);
    count((struct notebook *)ctx);
}

static struct {
    struct notebook *asked, *acked;
} dying_notes;

/* At each join a question: each is told exactly once that it was answered, or that it was not. */
static void on_dying_event(sockeye_client_handle_t client, const sockeye_event_t *event, void *ctx)
{
    (void)ctx;
    if (event->id == SOCKEYE_EVENT_JOINED) {
        if (sockeye_client_emit_with_ack(client, NULL, "q", NULL, 0, on_ack_either, dying_notes.acked) == SOCKEYE_OK) {
            count(dying_notes.asked);
        }
    }
}

/* The server cuts each connection after one byte more; the last one stays, and says `done`. */
static void dying(uint8_t transports)
{
    struct notebook notes, asked, acked;
    sockeye_client_config_t config;
    sockeye_client_handle_t client;
    notebook_open(&notes);
    notebook_open(&asked);
    notebook_open(&acked);
    dying_notes.asked = &asked;
    dying_notes.acked = &acked;
    config = config_for(uri, NULL);
    config.reconnect_delay_max_ms = 1;
    config.transports = transports;
    config.event_cb = on_dying_event;
    CHECK_OK(sockeye_client_init(&config, &client));
    CHECK_OK(sockeye_client_on(client, NULL, "done", on_done, &notes));
    CHECK_OK(sockeye_client_start(client));
    expect(&notes, "done");
    sockeye_client_destroy(client);
    CHECK(asked.counter > 1);
    CHECK(acked.counter == asked.counter);
    notebook_close(&acked);
    notebook_close(&asked);
    notebook_close(&notes);
}

#if defined(WRAP_MALLOC)
/* Linked with -Wl,--wrap=malloc and so on: everything that the library and the port allocate comes by here. */
void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
int __real_posix_memalign(void **out, size_t align, size_t size);

static pthread_mutex_t allocations_lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned long allocations, fail_from, fail_to;

static bool fails(void)
{
    bool failed;
    pthread_mutex_lock(&allocations_lock);
    allocations++;
    failed = allocations >= fail_from && allocations <= fail_to;
    pthread_mutex_unlock(&allocations_lock);
    return failed;
}

static void fail(unsigned long from, unsigned long to)
{
    pthread_mutex_lock(&allocations_lock);
    allocations = 0;
    fail_from = from;
    fail_to = to;
    pthread_mutex_unlock(&allocations_lock);
}

void *__wrap_malloc(size_t size);
void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t number, size_t size);
void *__wrap_calloc(size_t number, size_t size)
{
    return fails() ? NULL : __real_calloc(number, size);
}

void *__wrap_realloc(void *old, size_t size);
void *__wrap_realloc(void *old, size_t size)
{
    return fails() ? NULL : __real_realloc(old, size);
}

int __wrap_posix_memalign(void **out, size_t align, size_t size);
int __wrap_posix_memalign(void **out, size_t align, size_t size)
{
    return fails() ? ENOMEM : __real_posix_memalign(out, align, size);
}

static bool fine(sockeye_err_t result)
{
    CHECK(result == SOCKEYE_OK || result == SOCKEYE_ERR_NO_MEM);
    return result == SOCKEYE_OK;
}

static void on_stopped(sockeye_client_handle_t client, const sockeye_event_t *event, void *ctx)
{
    (void)client;
    if (event->id == SOCKEYE_EVENT_JOINED) {
        note((struct notebook *)ctx, "joined");
    }
}

/* One life of a client; what fails for lack of memory says so, and everything that works then still works. */
static bool live(void)
{
    struct notebook notes, acked;
    sockeye_client_config_t config;
    sockeye_client_handle_t client;
    bool all = true;
    notebook_open(&notes);
    notebook_open(&acked);
    config = config_for(uri, NULL);
    config.event_cb = on_stopped;
    config.event_ctx = &notes;
    config.reconnect_delay_max_ms = 1;
    config.auth_json = "{\"token\":1}";
    if (!fine(sockeye_client_init(&config, &client))) {
        CHECK(client == NULL);
        all = false;
    } else {
        all = fine(sockeye_client_on(client, NULL, "echo", on_counted, &notes)) && all;
        all = fine(sockeye_client_join(client, "/slow")) && all;
        /* Emitting takes no memory. */
        CHECK_OK(sockeye_client_emit_with_ack(client, NULL, "q", NULL, 0, on_ack_either, &acked));
        if (fine(sockeye_client_start(client))) {
            expect(&notes, "joined");
            expect_count(&acked, 1);
            all = fine(sockeye_client_flush(client, PATIENCE_S * 1000)) && all;
            all = fine(sockeye_client_stop(client)) && all;
        } else {
            all = false;
        }
        sockeye_client_destroy(client);
        CHECK(acked.counter == 1);
    }
    notebook_close(&acked);
    notebook_close(&notes);
    return all;
}

static void memory(int rounds)
{
    unsigned long n, needed;
    fail(0, 0);
    CHECK(live());
    needed = allocations;
    CHECK(needed > 10 && needed < (unsigned long)rounds);
    for (n = 1; n <= (unsigned long)rounds; n++) {
        bool all;
        /* The n-th allocation alone, so that the client goes on after it. */
        fail(n, n);
        all = live();
        /* Far behind what a life needs, everything must have worked. */
        CHECK(all || n <= needed + 64);
    }
    fail(0, 0);
    CHECK(live());
    printf("%lu allocations in one life of a client\n", needed);
}
#endif

int main(int argc, char **argv)
{
    int rounds;
    CHECK(argc >= 3);
    sockeye_posix_log_level = 0;
    uri = argv[2];
    rounds = argc > 3 ? atoi(argv[3]) : 100;
    if (strcmp(argv[1], "threads") == 0) {
        threads(rounds);
    } else if (strcmp(argv[1], "cycles") == 0) {
        cycles(rounds);
    } else if (strcmp(argv[1], "dying") == 0) {
        dying((uint8_t)rounds);
#if defined(WRAP_MALLOC)
    } else if (strcmp(argv[1], "memory") == 0) {
        memory(rounds);
#endif
    } else {
        CHECK(!"a mode");
    }
    puts("1 passed");
    sockeye_posix_wait_for_tasks();
    return 0;
}
