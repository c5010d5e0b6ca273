/*
 * What main.c asks of a client, and what it is told.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* The name of the task of the client that was made last. */
extern const char *client_task;
/* Whether client_free works; otherwise the clients stay, each with its connection. */
extern const bool client_can_be_freed;

/* Makes a client for the server, over TLS if there is an authority. */
void client_make(const char *host, int port, const char *ca);
void client_start(void);
/* Asks the server for so many events of that size each. */
void client_ask(int count, int size);
void client_free(void);

/* The namespace is joined. */
void on_joined(void);
/* One event of the burst has come; the server sends `done` after the last. */
void on_load(void);
void on_done(void);
