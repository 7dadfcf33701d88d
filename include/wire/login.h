/*
 * wire/login.h - what a template of logins and the monitor count alike
 *
 * Runs in: login, monitor.               Blocks: never.
 */
#ifndef SP_WIRE_LOGIN_H
#define SP_WIRE_LOGIN_H

#define CLEAR_NAMES_MOST 1024   /* CLEAR_NAME messages of one template */

#endif
