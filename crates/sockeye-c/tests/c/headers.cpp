// The headers in C++17: they compile with all warnings, included twice as well, and a client can be made.
#include "sockeye.h"
#include "port_posix.h"
#include "port_sockets.h"
#include "sockeye.h"

int main()
{
    sockeye_client_config_t config = SOCKEYE_CLIENT_CONFIG_DEFAULT();
    sockeye_client_handle_t client = nullptr;
    config.uri = "http://127.0.0.1:1";
    if (sockeye_client_init(&config, &client) != SOCKEYE_OK) {
        return 1;
    }
    sockeye_client_destroy(client);
    return 0;
}
