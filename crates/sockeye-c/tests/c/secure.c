/*
 * TLS: `secure URI CA CERTIFICATE KEY NAME SKIP`, each `-` for none. Says `joined`, or why not.
 */
#include "check.h"

static char *slurp(const char *path)
{
    char *text;
    long size;
    FILE *file;
    if (strcmp(path, "-") == 0) {
        return NULL;
    }
    file = fopen(path, "rb");
    CHECK(file != NULL);
    CHECK(fseek(file, 0, SEEK_END) == 0);
    size = ftell(file);
    CHECK(size > 0);
    rewind(file);
    text = (char *)malloc((size_t)size + 1);
    CHECK(text != NULL && fread(text, 1, (size_t)size, file) == (size_t)size);
    text[size] = 0;
    fclose(file);
    return text;
}

static void on_bytes(sockeye_client_handle_t client, const sockeye_message_t *message, void *ctx)
{
    sockeye_bytes_t bytes;
    size_t i;
    (void)client;
    CHECK_OK(sockeye_args_get_binary(message->args, 0, &bytes));
    CHECK(bytes.len == 100000);
    for (i = 0; i < bytes.len; i++) {
        CHECK(bytes.data[i] == (uint8_t)(i * 7));
    }
    note((struct notebook *)ctx, "bytes");
}

int main(int argc, char **argv)
{
    struct notebook notes;
    sockeye_client_config_t config;
    sockeye_client_handle_t client;
    char *ca, *certificate, *key;
    const char *first;
    CHECK(argc == 7);
    sockeye_posix_log_level = 0;
    notebook_open(&notes);
    config = config_for(argv[1], &notes);
    config.tls.ca_pem = ca = slurp(argv[2]);
    config.tls.client_cert_pem = certificate = slurp(argv[3]);
    config.tls.client_key_pem = key = slurp(argv[4]);
    config.tls.common_name = strcmp(argv[5], "-") != 0 ? argv[5] : NULL;
    config.tls.skip_common_name_check = strcmp(argv[6], "-") != 0;
    config.reconnect = false;
    config.rx_buffer = 262144;
    config.tx_buffer = 262144;
    CHECK_OK(sockeye_client_init(&config, &client));
    CHECK_OK(sockeye_client_on(client, NULL, "echo", on_bytes, &notes));
    CHECK_OK(sockeye_client_start(client));
    expect(&notes, "ready");
    first = expect(&notes, "");
    if (strncmp(first, "connected", 9) == 0) {
        static uint8_t data[100000];
        char buffer[64];
        sockeye_writer_t args;
        size_t i;
        for (i = 0; i < sizeof data; i++) {
            data[i] = (uint8_t)(i * 7);
        }
        first = expect(&notes, "joined");
        CHECK_OK(sockeye_writer_init(&args, buffer, sizeof buffer));
        sockeye_writer_binary(&args, data, sizeof data);
        for (i = 0; i < 5; i++) {
            CHECK_OK(sockeye_client_emit_args(client, NULL, "echo", &args));
            expect(&notes, "bytes");
        }
    }
    puts(first);
    sockeye_client_destroy(client);
    notebook_close(&notes);
    free(ca);
    free(certificate);
    free(key);
    sockeye_posix_wait_for_tasks();
    return 0;
}
