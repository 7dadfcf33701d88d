/*
 * worker/commands.h - one table of commands
 *
 * Runs in: worker.
 * Trusts:  nothing in a parameter.
 *
 * A handler decodes its parameter, asks its module, and puts its reply into out. It returns
 * SP_OK, or SP_CLOSED where the session is over (monitor or broker gone, out of memory).
 */
#ifndef SP_WORKER_COMMANDS_H
#define SP_WORKER_COMMANDS_H

#include "base/buf.h"
#include "base/err.h"
#include "ftp/parse.h"

#include "ftp/path.h"

struct fail;
struct worker;

typedef enum sp_err command_run(struct worker *w, const struct command *c, struct buf *out);

enum command_need {
    NEED_USER = 1u << 0,        /* 530 before a login                                        */
    NEED_PARAMETER = 1u << 1,   /* 501 without one                                           */
    NEED_NONE = 1u << 2,        /* 501 with one                                              */
    NEED_NOW = 1u << 3,         /* served while a transfer runs                              */
    NEED_TLS = 1u << 4,         /* 503 without TLS on the control connection                 */
    ENDS_REST = 1u << 5,        /* whatever becomes of it: what REST and ALLO said is over   */
    HIDDEN = 1u << 6            /* not in HELP                                               */
};

struct command_row {
    const char *verb;
    command_run *run;           /* NULL: known, and not served (502) */
    unsigned needs;
    const char *syntax;         /* for HELP and 501 */
};

/* Ends with verb == NULL. */
extern const struct command_row command_rows[];
/* NULL: unknown. */
const struct command_row *command_find(const char *verb);
/* One line of a client: finds the row, checks its needs, runs it. */
SP_CHECK enum sp_err command_serve(struct worker *w, struct slice line, struct buf *out);
/* A line that cannot be one: 500, and what an earlier command left is forgotten, too. */
SP_CHECK enum sp_err command_unreadable(struct worker *w, const char *why,
                                        struct buf *out);
/* At the end: commands that were refused before a login, and have no line of their own. */
void command_tell_unsaid(struct worker *w);
/* May this line be served while a transfer runs? */
bool command_is_immediate(struct slice line);

/* Handlers, by file. */
command_run cmd_user, cmd_pass, cmd_acct, cmd_rein, cmd_quit;                   /* cmd_login.c */
command_run cmd_auth, cmd_pbsz, cmd_prot, cmd_ccc;                              /* cmd_tls.c */
command_run cmd_cwd, cmd_cdup, cmd_pwd, cmd_mkd, cmd_rmd, cmd_dele, cmd_rnfr,
            cmd_rnto, cmd_size, cmd_mdtm, cmd_mfmt, cmd_mlst;                   /* cmd_file.c */
command_run cmd_type, cmd_stru, cmd_mode, cmd_rest, cmd_allo, cmd_port, cmd_eprt,
            cmd_pasv, cmd_epsv;                                                 /* cmd_data.c */
command_run cmd_retr, cmd_stor, cmd_stou, cmd_appe, cmd_list, cmd_nlst, cmd_mlsd,
            cmd_abor;                                                           /* cmd_transfer.c */
command_run cmd_syst, cmd_feat, cmd_help, cmd_noop, cmd_opts, cmd_clnt, cmd_stat; /* cmd_info.c */
command_run cmd_site;                                                           /* cmd_site.c */

/* Shared by handlers. */

/* The path a parameter means from the working directory. SP_REFUSED: 553 was put. */
SP_CHECK enum sp_err command_path(struct worker *w, struct slice parameter, struct path *out,
                                  struct buf *reply);
/*
 * The options and the name of a listing. A name that exists wins over options of the same
 * spelling, if it is the whole parameter, or what its last option would be.
 */
SP_CHECK enum sp_err command_listed(struct worker *w, struct slice parameter,
                                    unsigned *options, struct slice *name);
/* Turns "not done" of the broker into a reply; SP_CLOSED stays. */
SP_CHECK enum sp_err command_failed(enum sp_err rc, const struct fail *fail, struct slice name,
                                    struct buf *out);
/* A copy of the parameter in room: its line is gone when the control connection is read. */
struct slice command_keep(struct slice parameter, char room[LINE_MOST]);
/* Has this session the right to data in clear? */
bool command_clear_data_allowed(const struct worker *w);

#endif
