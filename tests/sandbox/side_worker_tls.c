/* tests/sandbox/side_worker_tls.c - see sides.h: the worker of a server with tls_kernel = true */
#define KERNEL_TLS true
#include "side_worker.c"
