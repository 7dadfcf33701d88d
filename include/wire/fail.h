/*
 * wire/fail.h - why the broker did not do it, and why a login was refused
 *
 * Runs in: worker, broker, login, monitor.
 */
#ifndef SP_WIRE_FAIL_H
#define SP_WIRE_FAIL_H

/* In FAILED: what the worker turns into a reply code and a text. */
enum fail_code {
    FAIL_OS = 1,                /* errno is in the message                               */
    FAIL_PERMIT,                /* the account may not                                   */
    FAIL_NOT_FILE,              /* not a regular file: directory, device, FIFO, socket   */
    FAIL_NOT_DIRECTORY,
    FAIL_EXISTS,                /* and the account may not overwrite                     */
    FAIL_BUSY,                  /* another session is uploading this name                */
    FAIL_NAME,                  /* a name that the server keeps for itself, or too long  */
    FAIL_OFFSET,                /* REST beyond the end of what is there                  */
    FAIL_SPACE,                 /* no space, no quota                                    */
    FAIL_TOO_MUCH,              /* a glob or listing past its bound                      */
    FAIL_CLOSED,                /* no file can be made beside the one that is replaced   */
    FAIL_UNFINISHED,            /* what has this name is an upload that is not complete  */
    FAIL_UNWANTED,              /* the worker closed its end: its client has left        */
    FAIL_COUNT
};

/* The exit status of a broker whose worker broke the rules; it has logged which. */
#define EXIT_BREACH 3

/* In REFUSED. LOGIN_REFUSED has only what monitor/logins.c tells. */
enum refuse_reason {
    REFUSE_CREDENTIALS = 1,     /* wrong name or wrong password: never told apart        */
    REFUSE_DISABLED,            /* disabled, expired, not from this network              */
    REFUSE_ERROR,               /* the chain itself failed (database, PAM)               */
    REFUSE_PASSWORD_EXPIRED,    /* right password, but it has to be changed first        */
    REFUSE_SESSIONS,            /* right password, but the session limit is reached      */
    REFUSE_BUSY,                /* the server is too busy to check: try again later      */
    REFUSE_FAILURES,            /* not checked: too much was wrong before, from there     */
    REFUSE_GIVEN_UP,            /* the client did not wait for the verdict               */
    REFUSE_UNUSABLE,            /* a fault that only some names meet: told as wrong       */
    REFUSE_DEATHS,              /* right password, but the brokers of the account die     */
    REFUSE_COUNT
};

#endif
