/*
 * monitor/options.h - the command line of sallyportd
 *
 * Runs in: monitor.                      Blocks: never.
 */
#ifndef SP_MONITOR_OPTIONS_H
#define SP_MONITOR_OPTIONS_H

#include <stdbool.h>
#include <stdio.h>

#include "base/err.h"

#ifndef SP_SYSCONFDIR
#define SP_SYSCONFDIR "/etc"
#endif
#define OPTIONS_FILE SP_SYSCONFDIR "/sallyport/sallyport.conf"

enum options_what { OPTIONS_RUN, OPTIONS_CHECK, OPTIONS_VERSION, OPTIONS_HELP };

struct options { enum options_what what; bool foreground; const char *file; };

/* SP_INPUT: what is wrong was written to complaints. Texts are those of argv. */
SP_CHECK enum sp_err
options_parse(struct options *o, int argc, char **argv, FILE *complaints);
void options_usage(FILE *to);

#endif
