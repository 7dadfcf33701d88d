/*
 * base/err.h - what a function that can fail returns, and how we assert
 *
 * Runs in: every process.
 */
#ifndef SP_BASE_ERR_H
#define SP_BASE_ERR_H

/* Few codes, because each one must change what a caller does. */
enum sp_err {
    SP_OK = 0,
    SP_AGAIN,                   /* nothing yet: wait and ask again                        */
    SP_CLOSED,                  /* the other end is gone, in order                        */
    SP_REFUSED,                 /* policy says no                                         */
    SP_INPUT,                   /* the peer, the file or the administrator broke the form */
    SP_NOMEM,
    SP_OS                       /* errno says why                                         */
};

#define SP_CHECK __attribute__((warn_unused_result))
#define SP_PRINTF(f, a) __attribute__((format(printf, f, a)))
#define SP_NORETURN __attribute__((noreturn))

/* Where failure changes nothing for the caller; the line says why. */
#define SP_IGNORE(call) do { if ((call) != SP_OK) { } } while (0)

/* A word for a log line; never NULL. */
const char *sp_err_text(enum sp_err rc);

/*
 * Only our own code could make it false: stays in release builds, ends this process.
 */
#define SP_ASSERT(what) \
    do { if (!(what)) sp_assert_failed(#what, __FILE__, __LINE__); } while (0)

SP_NORETURN void sp_assert_failed(const char *what, const char *file, int line);

#endif
