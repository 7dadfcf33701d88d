/* tests/sandbox/side_broker_read.c - see sides.h: the broker of an account that may only read */
#define MAY_ONLY_READ
#include "side_broker.c"
