/*
 * base/kernel_tls.h - the kernel's TLS for TCP sockets (networking/tls.rst of the kernel)
 *
 * Runs in: monitor, worker and its template.     Blocks: never.
 */
#ifndef SP_BASE_KERNEL_TLS_H
#define SP_BASE_KERNEL_TLS_H

#include <stdbool.h>

#include "base/err.h"

/*
 * Has this kernel the module? One that is not loaded is loaded where the caller has
 * CAP_NET_ADMIN.
 */
bool kernel_tls_available(void);
/*
 * The module joins a connected socket. Nothing changes for its bytes until keys are set.
 * SP_REFUSED: it cannot (no such module; a socket of another kind). SP_OS.
 */
SP_CHECK enum sp_err kernel_tls_join(int fd);

#endif
