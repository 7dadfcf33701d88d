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
            (void)fprintf(complaints, "sallyportd: %s needs a value\n", argv[optind - 1]);
            return SP_INPUT;
        default:
            (void)fprintf(complaints,
                          "sallyportd: there is no option %s; see sallyportd -h\n",
                          argv[optind - 1]);
            return SP_INPUT;
        }
    }
    if (optind < argc) {
        (void)fprintf(complaints,
                      "sallyportd: %s: only options are expected; the file is "
                      "given as -c FILE\n",
                      argv[optind]);
        return SP_INPUT;
    }
    if (got.file[0] == '\0') {
        (void)fprintf(complaints, "sallyportd: -c needs the name of a file\n");
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
                  "  -F, --foreground    stay in the foreground\n"
                  "  -t, --test          check the configuration and end: 0 good, 1 "
                  "faults (printed)\n"
                  "  -c, --config FILE   the configuration; default " OPTIONS_FILE "\n"
                  "  -V, --version       print the version and end\n"
                  "  -h, --help          print this text and end\n"
                  "\n"
                  "SIGTERM and SIGINT end it in order, a second one at once; SIGHUP "
                  "makes new sessions\n"
                  "use the configuration and the certificates as they are now. See "
                  "sallyportd(8).\n");
}
