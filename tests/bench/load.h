/*
 * tests/bench/load.h - the load client: what was asked for, and what came out
 */
#ifndef BENCH_LOAD_H
#define BENCH_LOAD_H

#include "ftp.h"

#include <stddef.h>

struct want {
    const char *mode, *name, *verb, *greedy, *slow;
    uint64_t bytes;
    size_t count, sessions;
    double seconds;
    unsigned pause, limit;
    bool hold;
    struct target to;
};

struct result {
    _Atomic uint64_t bytes, files;
    uint64_t lines, lost, beside;   /* beside: bytes of the greedy or the slow session */
    double begun, seconds, cpu;
    double *latency;                /* milliseconds of each work */
    size_t latencies, room;
};

extern struct want want;
extern struct result result;

double now(void);                   /* seconds */
double own_cpu(void);
void add_latency(double since);
/* Around the work of a mode: holds where asked to, and measures. finish prints the result. */
void begin(void);
void finish(void);

/* Ends the program where there is no such mode. */
void run_mode(const char *name);

#endif
