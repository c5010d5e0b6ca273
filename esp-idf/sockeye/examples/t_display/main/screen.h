/*
 * The screen of the LilyGO TTGO T-Display: 240 by 135 pixels behind an ST7789, lines of text.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#ifndef SCREEN_H
#define SCREEN_H

#include "esp_err.h"

/** Lines on the screen. */
#define SCREEN_LINES 5

/** Starts the panel, black, with its light on. */
esp_err_t screen_start(void);

/** Shows up to 20 characters of ASCII on a line from 0; what is longer is cut, what is shorter cleared. One task at a time. */
esp_err_t screen_show(int line, const char *text);

#endif
