/* monitor/options.c - see options.h */
#include "monitor/options.h"

#include <getopt.h>
#include <stddef.h>

static const struct option longs[] = {
    { "foreground", no_argument, NULL, 'F' },
    { "test", no_argument, NULL, 't' },
    { "config", required_argument, NULL, 'c' },
    { "version", no_argument, NULL, 'V' },
    { "help", no_argument, NULL, 'h' },
    { NULL, 0, NULL, 0 }
};

enum sp_err
options_parse(struct options *o, int argc, char **argv, FILE *complaints)
{
    struct options got = { OPTIONS_RUN, false, OPTIONS_FILE };
    int c = 0;

    optind = 0;                 /* 0, not 1: GNU getopt then forgets an earlier scan */
    opterr = 0;
    while ((c = getopt_long(argc, argv, ":Ftc:Vh", longs, NULL)) != -1) {
        switch (c) {
        case 'F': got.foreground = true; break;
        case 't': got.what = OPTIONS_CHECK; break;
        case 'c': got.file = optarg; break;
        case 'V': got.what = OPTIONS_VERSION; break;
        case 'h': got.what = OPTIONS_HELP; break;
        case ':':
            (void)fprintf(complaints, "sallyportd: option %s requires a value; see sallyportd -h\n", argv[optind - 1]);
            return SP_INPUT;
        default:
            (void)fprintf(complaints,
                          "sallyportd: unknown option %s; see sallyportd -h\n",
                          argv[optind - 1]);
            return SP_INPUT;
        }
    }
    if (optind < argc) {
        (void)fprintf(complaints,
                      "sallyportd: unexpected argument %s; use -c FILE to name the "
                      "configuration\n",
                      argv[optind]);
        return SP_INPUT;
    }
    if (got.file[0] == '\0') {
        (void)fprintf(complaints, "sallyportd: option -c requires a file name\n");
        return SP_INPUT;
    }
    *o = got;
    return SP_OK;
}

void
options_usage(FILE *to)
{
    (void)fprintf(to,
                  "usage: sallyportd [-F] [-t] [-c FILE] [-V] [-h]\n"
                  "\n"
                  "  -F, --foreground    run in the foreground\n"
                  "  -t, --test          check the configuration, print its errors and exit "
                  "(0: none, 1: errors)\n"
                  "  -c, --config FILE   configuration file (default: " OPTIONS_FILE ")\n"
                  "  -V, --version       print the version and exit\n"
                  "  -h, --help          print this help and exit\n"
                  "\n"
                  "SIGTERM or SIGINT: shut down in order; a second one: stop at once.\n"
                  "SIGHUP: read the configuration and certificates again, for new sessions.\n"
                  "See sallyportd(8).\n");
}
