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

#ifdef __cplusplus
}
#endif

#endif
