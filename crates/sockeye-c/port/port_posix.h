/*
 * What `port_posix.c` has beside `sockeye_port_platform`.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#ifndef SOCKEYE_PORT_POSIX_H
#define SOCKEYE_PORT_POSIX_H

#ifdef __cplusplus
extern "C" {
#endif

/** Lines above this `SOCKEYE_LOG_` level are not written to stderr; a program may change it before it makes a client. */
extern int sockeye_posix_log_level;

/**
 * Waits until the threads of all clients have ended. `sockeye_client_destroy` returns when a client's thread does nothing with
 * the client any more; this is for programs that unload the library after that, or look for leaks at their end. Not in a
 * callback.
 */
void sockeye_posix_wait_for_tasks(void);

#ifdef __cplusplus
}
#endif

#endif
