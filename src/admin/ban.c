/* admin/ban.c - see admin/ban.h */
#include "admin/ban.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/options.h"
#include "admin/server.h"
#include "admin/site.h"
#include "config/units.h"
#include "wire/pack.h"

#define SECONDS 30              /* for an answer */
#define FIELD_ROOM 340
#define NETWORK_WIDTH 36
#define REASON_WIDTH 12

/* ---- what is typed and shown ------------------------------------------------------------ */

enum sp_err
ban_parse(const char *text, struct net_network *out)
{
    if (net_parse_network(out, slice_of(text)) != SP_OK || out->base.scope != 0) {
        say("\"%s\" is not a valid address or network; use for example 192.0.2.0/24 or"
            " 2001:db8::/32 (all bits after the prefix must be 0)", text);
        return SP_INPUT;
    }
    if (out->base.family == AF_INET6 && strchr(text, '/') == NULL)
        *out = net_network_of(&out->base, 64);
    return SP_OK;
}

enum sp_err
ban_parse_seconds(const char *text, unsigned long *out)
{
    char why[UNITS_WHY_MAX];
    int64_t seconds = 0;

    if (units_parse(UNITS_TIME, "s", text, &seconds, why) != SP_OK) {
        say("%s", why);
        return SP_INPUT;
    }
    if (seconds < 1 || seconds > UINT32_MAX) {
        say("\"%s\" is out of range; use a time from 1 s to 49710 d", text);
        return SP_INPUT;
    }
    *out = (unsigned long)seconds;
    return SP_OK;
}

const char *
ban_time_text(unsigned long long seconds, char out[32])
{
    if (seconds == 0)
        (void)text_copy(out, 32, "forever");
    else if (seconds < 60)
        (void)text_printf(out, 32, "%llu s", seconds);
    else if (seconds < 7200)
        (void)text_printf(out, 32, "%llu min", seconds / 60);
    else if (seconds < 172800)
        (void)text_printf(out, 32, "%llu h", seconds / 3600);
    else
        (void)text_printf(out, 32, "%llu days", seconds / 86400);
    return out;
}

static const char *
reason_text(unsigned reason)
{
    switch ((enum ban_reason)reason) {
    case BAN_BY_HAND: return "manual";
    case BAN_VIOLATIONS: return "violations";
    case BAN_GUESSES: return "guesses";
    case BAN_STRANGERS: return "strangers";
    case BAN_DEATHS: return "crashes";
    case BAN_REASON_COUNT: break;
    }
    return "?";
}

/* Who is shut out by a row: a network, or an account. */
static enum sp_err
unpack_ban(const struct message *m, struct msg_ban *in, char who[FIELD_ROOM])
{
    struct net_network n = { NET_ADDR_EMPTY, 0 };
    char text[NET_TEXT_MAX];

    if (m->type != MSG_BAN || msg_ban_unpack(m, in) != SP_OK
        || net_unpack(&n.base, in->base) != SP_OK)
        return SP_INPUT;
    if (in->account.len > 0)
        return slice_to_text(in->account, who, FIELD_ROOM);
    n.bits = in->bits;
    if (!net_network_valid(&n))
        return SP_INPUT;
    return text_copy(who, FIELD_ROOM, net_network_text(&n, text)) ? SP_OK : SP_INPUT;
}

/* ---- list ------------------------------------------------------------------------------- */

static enum sp_err
show_row(void *headed, const struct message *m)
{
    struct msg_ban in = { 0 };
    char who[FIELD_ROOM], time[32];
    bool *has_head = headed;

    if (unpack_ban(m, &in, who) != SP_OK)
        return SP_INPUT;
    if (!*has_head) {
        say_field("WHO", NETWORK_WIDTH);
        printf(" %-*s %s\n", REASON_WIDTH, "REASON", "TIME LEFT");
        *has_head = true;
    }
    say_field(who, NETWORK_WIDTH);
    (void)putchar(' ');
    say_field(reason_text(in.reason), REASON_WIDTH);
    printf(" %s\n", ban_time_text(in.seconds, time));
    return SP_OK;
}

static enum say_exit
list(const struct site *site, char **words, int count)
{
    struct server_answer answer;
    struct message m;
    enum say_exit code = SAY_DONE;
    bool headed = false;

    (void)words;
    (void)count;
    msg_ban_list_pack(&m, &(struct msg_ban_list){ 0 });
    if ((code = server_ask(site, &m, SECONDS, show_row, &headed, &answer, NULL))
        != SAY_DONE)
        return code;
    if (!answer.done)
        return say_end(SAY_FAILED, "%s", server_refusal(answer.refusal));
    return fflush(stdout) == 0 ? SAY_DONE : SAY_FAILED;
}

/* ---- add, remove ------------------------------------------------------------------------ */

static enum say_exit
add(const struct site *site, char **words, int count)
{
    struct net_network n = { NET_ADDR_EMPTY, 0 };
    struct server_answer answer;
    unsigned char base[NET_PACKED];
    unsigned long seconds = 0;
    char text[NET_TEXT_MAX], time[32];
    struct message m;
    enum say_exit code = SAY_DONE;

    if (ban_parse(words[0], &n) != SP_OK
        || (count > 1 && ban_parse_seconds(words[1], &seconds) != SP_OK))
        return SAY_USAGE;
    net_pack(&n.base, base);
    msg_ban_add_pack(&m, &(struct msg_ban_add){ .base = slice_from(base, sizeof base),
                                                .bits = (uint8_t)n.bits,
                                                .seconds = (uint32_t)seconds });
    if ((code = server_ask(site, &m, SECONDS, NULL, NULL, &answer, NULL)) != SAY_DONE)
        return code;
    if (!answer.done)
        return say_end(SAY_FAILED, "%s", server_refusal(answer.refusal));
    printf("%s is banned %s%s; sessions ended: %llu\n", net_network_text(&n, text),
           seconds == 0 ? "" : "for ", ban_time_text(seconds, time),
           (unsigned long long)answer.count);
    return fflush(stdout) == 0 ? SAY_DONE : SAY_FAILED;
}

/* The wider ban that is left. */
static enum sp_err
keep_row(void *who, const struct message *m)
{
    struct msg_ban in = { 0 };

    return unpack_ban(m, &in, who);
}

/* "users:anna", as the list shows it, and no IPv6 address. */
static bool
is_account(const char *text)
{
    struct net_network n = { NET_ADDR_EMPTY, 0 };
    const char *colon = strchr(text, ':');

    return colon != NULL && colon != text && colon[1] != '\0'
           && net_parse_network(&n, slice_of(text)) != SP_OK;
}

static enum say_exit
lift_account(const struct site *site, const char *account)
{
    struct server_answer answer;
    struct message m;
    enum say_exit code = SAY_DONE;

    if (strlen(account) > 300 || strpbrk(account, "\r\n") != NULL)
        return say_end(SAY_USAGE, "\"%s\" is not a valid account", account);
    msg_ban_lift_pack(&m, &(struct msg_ban_lift){ .account = slice_of(account) });
    if ((code = server_ask(site, &m, SECONDS, NULL, NULL, &answer, NULL)) != SAY_DONE)
        return code;
    if (!answer.done)
        return say_end(SAY_FAILED, "%s", server_refusal(answer.refusal));
    if (answer.count == 0)
        return say_end(SAY_FAILED, "%s is not banned", account);
    return SAY_DONE;
}

static enum say_exit
lift(const struct site *site, char **words, int count)
{
    struct net_network n = { NET_ADDR_EMPTY, 0 };
    struct server_answer answer;
    unsigned char base[NET_PACKED];
    char text[NET_TEXT_MAX], over[FIELD_ROOM] = "";
    struct message m;
    enum say_exit code = SAY_DONE;

    (void)count;
    if (is_account(words[0]))
        return lift_account(site, words[0]);
    if (ban_parse(words[0], &n) != SP_OK)
        return SAY_USAGE;
    net_pack(&n.base, base);
    msg_ban_remove_pack(&m, &(struct msg_ban_remove){ .base = slice_from(base, sizeof base),
                                                      .bits = (uint8_t)n.bits });
    if ((code = server_ask(site, &m, SECONDS, keep_row, over, &answer, NULL)) != SAY_DONE)
        return code;
    if (!answer.done)
        return say_end(SAY_FAILED, "%s", server_refusal(answer.refusal));
    (void)net_network_text(&n, text);
    if (over[0] != '\0')
        return say_end(SAY_FAILED, "%s is still banned, because %s is banned", text, over);
    if (answer.count == 0)
        return say_end(SAY_FAILED, "%s is not banned", text);
    return SAY_DONE;
}

/* ---- the table -------------------------------------------------------------------------- */

static const struct command {
    const char *name, *usage;
    int least, most;
    enum say_exit (*run)(const struct site *site, char **words, int count);
} commands[] = {
    { "list", "takes no argument", 0, 0, list },
    { "add", "an address or network is required", 1, 2, add },
    { "remove", "an address, network or account is required", 1, 1, lift },
};

enum say_exit
ban_run(struct site *site, int argc, char **argv)
{
    const struct command *c = NULL;
    enum say_exit code = SAY_FAILED;
    char **words = NULL;
    int count = 0;

    for (size_t i = 0; argc > 0 && i < sizeof commands / sizeof *commands; i++)
        if (strcmp(commands[i].name, argv[0]) == 0)
            c = &commands[i];
    if (c == NULL)
        return say_end(SAY_USAGE, "ban: use list, add or remove; see `sallyport ban --help`");
    if ((code = options_words(site, argc, argv, c->most, &words, &count)) != SAY_DONE)
        return code;
    if (count < c->least)
        return say_end(SAY_USAGE, "ban %s: %s", c->name, c->usage);
    code = SAY_FAILED;
    if (site_load_place(site) == SP_OK)
        code = c->run(site, words, count);
    site_clear(site);
    return code;
}
