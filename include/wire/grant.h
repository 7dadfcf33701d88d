/*
 * wire/grant.h - what an account may do, as it crosses the walls
 *
 * Runs in: login, which grants it; monitor; broker, which enforces it; worker.
 */
#ifndef SP_WIRE_GRANT_H
#define SP_WIRE_GRANT_H

/* In GRANTED, GRANT and LOGGED_IN: what an account may do. */
enum permit {
    PERMIT_LIST = 1u << 0, PERMIT_DOWNLOAD = 1u << 1, PERMIT_UPLOAD = 1u << 2,
    PERMIT_OVERWRITE = 1u << 3, PERMIT_APPEND = 1u << 4, PERMIT_DELETE = 1u << 5,
    PERMIT_RENAME = 1u << 6, PERMIT_MKDIR = 1u << 7, PERMIT_RMDIR = 1u << 8,
    PERMIT_CHMOD = 1u << 9, PERMIT_UTIME = 1u << 10,
    PERMIT_READ_ONLY = PERMIT_LIST | PERMIT_DOWNLOAD,
    PERMIT_ALL = (1u << 11) - 1
};

/* In GRANTED and LOGGED_IN: flags of the account. */
enum account_flag {
    ACCOUNT_NO_RESUMPTION = 1u << 0,    /* its data connections need not resume (logged)  */
    ACCOUNT_NO_CLOSE_NOTIFY = 1u << 1,  /* uploads may end by FIN alone                   */
    ACCOUNT_CLEAR_DATA = 1u << 2,       /* PROT C is accepted                             */
    ACCOUNT_CCC = 1u << 3,              /* CCC is accepted                                */
    ACCOUNT_ANONYMOUS = 1u << 4
};

#endif
