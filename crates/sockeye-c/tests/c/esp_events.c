/* Events on the event loop of ESP-IDF: `sockeye_esp.c` over a queue that fills up. What is left out is told. */
#include "check.h"

#include "sockeye_esp.h"

/* ---- ESP-IDF, as far as it goes ---- */

#define ROOM 2

static sockeye_esp_event_t queue[ROOM];
static size_t queued;
static TickType_t now;
/* What posting fails with, instead of asking the queue. */
static esp_err_t broken;
static TimerHandle_t timer;

const char *esp_err_to_name(esp_err_t code)
{
    (void)code;
    return "an error";
}

void vTaskDelay(TickType_t ticks)
{
    now += ticks;
}

void vTaskSetTimeOutState(TimeOut_t *since)
{
    since->from = now;
}

BaseType_t xTaskCheckForTimeOut(TimeOut_t *since, TickType_t *left)
{
    const TickType_t gone = now - since->from;
    if (gone >= *left) {
        return pdTRUE;
    }
    *left -= gone;
    since->from = now;
    return pdFALSE;
}

SemaphoreHandle_t xSemaphoreCreateMutexStatic(StaticSemaphore_t *memory)
{
    return memory;
}

BaseType_t xSemaphoreTake(SemaphoreHandle_t lock, TickType_t patience)
{
    CHECK(!lock->taken || patience == 0);
    if (lock->taken) {
        return pdFALSE;
    }
    lock->taken = true;
    return pdTRUE;
}

BaseType_t xSemaphoreGive(SemaphoreHandle_t lock)
{
    CHECK(lock->taken);
    lock->taken = false;
    return pdTRUE;
}

TimerHandle_t xTimerCreateStatic(const char *name, TickType_t period, BaseType_t reload, void *id, void (*call)(TimerHandle_t),
    StaticTimer_t *memory)
{
    (void)name;
    (void)id;
    CHECK(reload == pdTRUE && period > 0 && timer == NULL);
    memory->period = period;
    memory->call = call;
    timer = memory;
    return memory;
}

BaseType_t xTimerStart(TimerHandle_t of, TickType_t patience)
{
    (void)patience;
    of->runs = true;
    return pdTRUE;
}

BaseType_t xTimerStop(TimerHandle_t of, TickType_t patience)
{
    CHECK(patience == 0);
    of->runs = false;
    return pdTRUE;
}

esp_err_t esp_event_post(esp_event_base_t base, int32_t id, const void *data, size_t size, TickType_t patience)
{
    const sockeye_esp_event_t *event = data;
    CHECK(base == SOCKEYE_EVENTS && event->id == id && size == sizeof *event);
    if (broken != ESP_OK) {
        return broken;
    }
    if (queued == ROOM) {
        now += patience;
        return ESP_ERR_TIMEOUT;
    }
    queue[queued++] = *event;
    return ESP_OK;
}

esp_err_t esp_event_handler_register(esp_event_base_t base, int32_t id, esp_event_handler_t handler, void *arg)
{
    (void)id;
    (void)arg;
    return base == SOCKEYE_EVENTS && handler != NULL ? ESP_OK : ESP_ERR_INVALID_ARG;
}

/* ---- the tests ---- */

static char one, other;
#define ONE ((sockeye_client_handle_t)(void *)&one)
#define OTHER ((sockeye_client_handle_t)(void *)&other)

static esp_err_t post(sockeye_client_handle_t client, sockeye_event_id_t id)
{
    const sockeye_event_t event = {.id = id, .nsp = "/home", .text = "light"};
    return sockeye_esp_post_event(client, &event);
}

static sockeye_esp_event_t take(void)
{
    sockeye_esp_event_t first;
    CHECK(queued > 0);
    first = queue[0];
    queue[0] = queue[1];
    queued--;
    return first;
}

static void empty(void)
{
    queued = 0;
}

static void tick(void)
{
    CHECK(timer->runs);
    now += timer->period;
    timer->call(timer);
}

static void fill(void)
{
    while (queued < ROOM) {
        CHECK(post(ONE, SOCKEYE_EVENT_RECEIVED) == ESP_OK);
    }
}

static void check_lost(sockeye_client_handle_t client, uint32_t count, uint32_t kinds)
{
    const sockeye_esp_event_t lost = take();
    CHECK(lost.id == SOCKEYE_EVENT_LOST && lost.client == client);
    CHECK(lost.lost == count && lost.lost_kinds == kinds);
}

static void the_next_event_comes_after_what_is_missing(void)
{
    sockeye_esp_event_t event;
    fill();
    CHECK(post(ONE, SOCKEYE_EVENT_DISCONNECTED) == ESP_ERR_TIMEOUT);
    CHECK(post(ONE, SOCKEYE_EVENT_CLOSED) == ESP_ERR_TIMEOUT);
    CHECK(post(ONE, SOCKEYE_EVENT_CLOSED) == ESP_ERR_TIMEOUT);
    empty();
    CHECK(post(ONE, SOCKEYE_EVENT_RECONNECTING) == ESP_OK);
    check_lost(ONE, 3, SOCKEYE_LOST_KIND(SOCKEYE_EVENT_DISCONNECTED) | SOCKEYE_LOST_KIND(SOCKEYE_EVENT_CLOSED));
    event = take();
    CHECK(event.id == SOCKEYE_EVENT_RECONNECTING && event.lost == 0 && event.lost_kinds == 0);
    CHECK_TEXT(event.nsp, "/home");
    CHECK_TEXT(event.text, "light");
    /* Told once. */
    tick();
    CHECK(queued == 0 && !timer->runs);
    fill();
    CHECK(take().id == SOCKEYE_EVENT_RECEIVED);
    empty();
}

static void the_last_event_needs_no_other_to_be_told(void)
{
    fill();
    CHECK(post(ONE, SOCKEYE_EVENT_STOPPED) == ESP_ERR_TIMEOUT);
    tick();
    CHECK(timer->runs);
    empty();
    tick();
    check_lost(ONE, 1, SOCKEYE_LOST_KIND(SOCKEYE_EVENT_STOPPED));
    CHECK(queued == 0 && !timer->runs);
}

static void room_for_the_notice_alone(void)
{
    fill();
    CHECK(post(ONE, SOCKEYE_EVENT_CLOSED) == ESP_ERR_TIMEOUT);
    take();
    /* The notice takes the one place, and so this one is missing too. */
    CHECK(post(ONE, SOCKEYE_EVENT_RECONNECTING) == ESP_ERR_TIMEOUT);
    take();
    check_lost(ONE, 1, SOCKEYE_LOST_KIND(SOCKEYE_EVENT_CLOSED));
    tick();
    check_lost(ONE, 1, SOCKEYE_LOST_KIND(SOCKEYE_EVENT_RECONNECTING));
    CHECK(!timer->runs);
}

static void events_of_two_clients(void)
{
    fill();
    CHECK(post(ONE, SOCKEYE_EVENT_CLOSED) == ESP_ERR_TIMEOUT);
    CHECK(post(OTHER, SOCKEYE_EVENT_JOINED) == ESP_ERR_TIMEOUT);
    empty();
    tick();
    check_lost(NULL, 2, SOCKEYE_LOST_KIND(SOCKEYE_EVENT_CLOSED) | SOCKEYE_LOST_KIND(SOCKEYE_EVENT_JOINED));
    fill();
    CHECK(post(OTHER, SOCKEYE_EVENT_UNSENT) == ESP_ERR_TIMEOUT);
    empty();
    tick();
    check_lost(OTHER, 1, SOCKEYE_LOST_KIND(SOCKEYE_EVENT_UNSENT));
}

/* One event costs the client's task the time of menuconfig at most, its notice included. */
static void patience_is_bounded(void)
{
    TickType_t begun;
    fill();
    begun = now;
    CHECK(post(ONE, SOCKEYE_EVENT_CLOSED) == ESP_ERR_TIMEOUT);
    CHECK(now - begun == pdMS_TO_TICKS(1000));
    take();
    begun = now;
    CHECK(post(ONE, SOCKEYE_EVENT_RECONNECTING) == ESP_ERR_TIMEOUT);
    CHECK(now - begun == pdMS_TO_TICKS(1000));
    empty();
    tick();
    empty();
}

static void no_memory_and_no_loop(void)
{
    broken = ESP_ERR_NO_MEM;
    CHECK(post(ONE, SOCKEYE_EVENT_JOINED) == ESP_ERR_NO_MEM);
    tick();
    CHECK(timer->runs);
    broken = ESP_OK;
    tick();
    check_lost(ONE, 1, SOCKEYE_LOST_KIND(SOCKEYE_EVENT_JOINED));
    /* Without a loop there is nobody to tell before there is one. */
    broken = ESP_ERR_INVALID_STATE;
    CHECK(post(ONE, SOCKEYE_EVENT_READY) == ESP_ERR_INVALID_STATE);
    CHECK(!timer->runs);
    broken = ESP_OK;
    CHECK(post(ONE, SOCKEYE_EVENT_JOINED) == ESP_OK);
    check_lost(ONE, 1, SOCKEYE_LOST_KIND(SOCKEYE_EVENT_READY));
    CHECK(take().id == SOCKEYE_EVENT_JOINED);
}

static void pings_are_not_events(void)
{
    fill();
    CHECK(post(ONE, SOCKEYE_EVENT_PING) == ESP_OK);
    CHECK(queued == ROOM && !timer->runs);
    empty();
}

static void through_the_configuration(void)
{
    sockeye_client_config_t config = SOCKEYE_CLIENT_CONFIG_DEFAULT();
    const sockeye_event_t event = {.id = SOCKEYE_EVENT_READY, .text = ""};
    CHECK(sockeye_esp_post_events(NULL) == ESP_ERR_INVALID_ARG);
    CHECK(sockeye_esp_post_events(&config) == ESP_OK);
    config.event_cb(ONE, &event, config.event_ctx);
    CHECK(take().id == SOCKEYE_EVENT_READY);
}

int main(void)
{
    through_the_configuration();
    fill();
    empty();
    the_next_event_comes_after_what_is_missing();
    the_last_event_needs_no_other_to_be_told();
    room_for_the_notice_alone();
    events_of_two_clients();
    patience_is_bounded();
    no_memory_and_no_loop();
    pings_are_not_events();
    return 0;
}
