/*
 * admin/help.h - the usage of the tool, and of each of its commands
 *
 * Runs in: the administrator's tool.     Blocks: on the terminal.
 */
#ifndef SP_ADMIN_HELP_H
#define SP_ADMIN_HELP_H

#include <stdbool.h>
#include <stdio.h>

/*
 * Is -h or --help among the words of a command? What follows "--" is no option. A value that
 * is spelled so is taken for it, too: nothing is done then, and nothing is lost.
 */
bool help_is_asked(int argc, char **argv);
/*
 * The usage of the command that argv begins with ("user", "add", ...), of a group of
 * commands ("user") where it names no more, else of the tool. argc may be 0.
 */
void help_print(FILE *to, int argc, char **argv);

#endif
