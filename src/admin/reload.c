/* admin/reload.c - see admin/reload.h */
#include "admin/reload.h"

#include <string.h>

#include "admin/options.h"
#include "admin/server.h"
#include "admin/site.h"
#include "wire/pack.h"

#define SECONDS 180             /* more than the server gives a reload before this one */
#define PREFIX "configuration.fault "

static enum sp_err
show_fault(void *context, const struct message *m)
{
    struct msg_fault in = { 0 };
    char text[FAULT_BYTES + 1], *at = text;

    (void)context;
    if (m->type != MSG_FAULT || msg_fault_unpack(m, &in) != SP_OK
        || slice_to_text(in.text, text, sizeof text) != SP_OK)
        return SP_INPUT;
    if (strncmp(text, PREFIX, strlen(PREFIX)) == 0)
        at += strlen(PREFIX);
    say("%s", at);
    return SP_OK;
}

enum say_exit
reload_run(struct site *site, int argc, char **argv)
{
    struct server_answer answer;
    struct message m;
    enum say_exit code = SAY_FAILED;
    char **words = NULL;
    int count = 0;

    if ((code = options_words(site, argc, argv, 0, &words, &count)) != SAY_DONE)
        return code;
    code = SAY_FAILED;
    /* where the socket is stands in the file, even in one that the server will refuse */
    if (site_load_place(site) != SP_OK)
        goto out;
    msg_reload_pack(&m, &(struct msg_reload){ 0 });
    if ((code = server_ask(site, &m, SECONDS, show_fault, NULL, &answer, NULL)) == SAY_DONE
        && !answer.done)
        code = say_end(SAY_FAILED, "not reloaded: %s", server_refusal(answer.refusal));
out:
    site_clear(site);
    return code;
}
