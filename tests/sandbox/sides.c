/*
 * tests/sandbox/sides.c - sandbox-NAME calls; sandbox-NAME outside DIRECTORY
 *
 * Prints "tried N what" for what was tried, and a line for each try that went wrong. Exit
 * code 0: none did.
 */
#include "sides.h"

#include <stdio.h>
#include <string.h>

int
main(int argc, char **argv)
{
    unsigned wrong = 1;

    if (argc == 2 && strcmp(argv[1], "calls") == 0)
        wrong = try_calls();
    else if (argc == 3 && strcmp(argv[1], "outside") == 0)
        wrong = try_outside(argv[2]);
    else
        (void)fprintf(stderr, "usage: %s calls | outside DIRECTORY\n", argv[0]);
    return wrong == 0 ? 0 : 1;
}
