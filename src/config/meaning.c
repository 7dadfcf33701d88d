/* config/meaning.c - see meaning.h */
#include "config/meaning.h"

#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/nearest.h"
#include "base/net.h"

typedef bool meaning(const char *value, char *why, size_t room);

static bool
is_listen_address(const char *value, char *why, size_t room)
{
    struct net_addr a = NET_ADDR_EMPTY;

    if (net_parse_port(&a, slice_of(value)) == SP_OK && a.port != 0)
        return true;
    (void)text_printf(why, room, "\"%.100s\" is not a valid ADDRESS:PORT; use for example "
                      "\"0.0.0.0:21\", \"192.0.2.1:21\" or \"[::]:21\"", value);
    return false;
}

static bool
is_network(const char *value, char *why, size_t room)
{
    struct net_network n;

    if (net_parse_network(&n, slice_of(value)) == SP_OK)
        return true;
    (void)text_printf(why, room, "\"%.100s\" is not a valid network; use for example "
                      "\"192.0.2.0/24\", \"2001:db8::/32\" or one address (all bits after the "
                      "prefix must be 0)", value);
    return false;
}

static bool
is_passive_address(const char *value, char *why, size_t room)
{
    const char *equals = strchr(value, '=');
    struct slice address = slice_of(equals == NULL ? value : equals + 1);
    struct net_network n;
    struct net_addr a = NET_ADDR_EMPTY;

    if (equals != NULL &&
        net_parse_network(&n, slice_from(value, (size_t)(equals - value))) != SP_OK) {
        (void)text_printf(why, room, "\"%.100s\" does not begin with a network; use "
                          "\"ADDRESS\" or for example \"10.0.0.0/8=10.1.2.3\"", value);
        return false;
    }
    if (net_parse(&a, address) == SP_OK && a.family == AF_INET)
        return true;
    (void)text_printf(why, room, "\"%.100s\" has no valid IPv4 address (PASV supports only "
                      "IPv4); use \"ADDRESS\" or \"NETWORK=ADDRESS\"", value);
    return false;
}

/* One of the words; else all, as in "use a, b or c", stands in the reason. */
static bool
is_one_of(const char *value, const char *const *words, size_t count, const char *what,
          const char *all, char *why, size_t room)
{
    const char *nearest = nearest_of(value, words, count);

    for (size_t i = 0; i < count; i++)
        if (strcmp(value, words[i]) == 0)
            return true;
    if (nearest != NULL)
        (void)text_printf(why, room, "unknown %s \"%.100s\"; did you mean %s? Use %s", what, value,
                          nearest, all);
    else
        (void)text_printf(why, room, "unknown %s \"%.100s\"; use %s", what, value, all);
    return false;
}

static bool
is_backend(const char *value, char *why, size_t room)
{
    static const char *const words[] = { "users", "pam", "anonymous" };

    return is_one_of(value, words, sizeof words / sizeof *words, "backend",
                     "users, pam or anonymous", why, room);
}

static bool
is_tls_version(const char *value, char *why, size_t room)
{
    if (strcmp(value, "1.2") == 0 || strcmp(value, "1.3") == 0)
        return true;
    (void)text_printf(why, room, "unsupported TLS version \"%.100s\"; use \"1.2\" or \"1.3\"", value);
    return false;
}

static bool
is_sandbox(const char *value, char *why, size_t room)
{
    static const char *const words[] = { "enforce", "report" };

    return is_one_of(value, words, sizeof words / sizeof *words, "value",
                     "enforce or report", why, room);
}

static bool
is_log_level(const char *value, char *why, size_t room)
{
    static const char *const words[] = { "error", "warning", "notice", "debug" };

    return is_one_of(value, words, sizeof words / sizeof *words, "level",
                     "error, warning, notice or debug", why, room);
}

static bool
is_absolute(const char *value, char *why, size_t room)
{
    if (*value == '/')
        return true;
    (void)text_printf(why, room, "\"%.100s\" is not an absolute path; it must begin with /", value);
    return false;
}

static bool
is_absolute_or_none(const char *value, char *why, size_t room)
{
    return *value == '\0' || is_absolute(value, why, room);
}

static bool
is_log_target(const char *value, char *why, size_t room)
{
    static const char *const words[] = { "stderr", "syslog" };
    const char *nearest = NULL;

    if (*value == '/' || strcmp(value, "stderr") == 0 || strcmp(value, "syslog") == 0)
        return true;
    nearest = nearest_of(value, words, sizeof words / sizeof *words);
    (void)text_printf(why, room, "unknown target \"%.100s\"; %s%s%suse stderr, syslog or an "
                      "absolute path", value, nearest == NULL ? "" : "did you mean ",
                      nearest == NULL ? "" : nearest, nearest == NULL ? "" : "? Otherwise ");
    return false;
}

/* The jail of system users: %u, %g and %h, %% for a percent sign. */
static bool
is_jail_pattern(const char *value, char *why, size_t room)
{
    if (*value != '/' && strncmp(value, "%h", 2) != 0) {
        (void)text_printf(why, room, "\"%.100s\" must begin with / or %%h", value);
        return false;
    }
    for (const char *c = strchr(value, '%'); c != NULL; c = strchr(c + 2, '%'))
        if (c[1] == '\0' || strchr("ugh%", c[1]) == NULL) {
            (void)text_printf(why, room, "\"%.100s\" has an unknown %%; use %%u (name), %%g "
                              "(group), %%h (home directory) or %%%%", value);
            return false;
        }
    return true;
}

/* A name that becomes a file's name in a system directory. */
static bool
is_file_name(const char *value, char *why, size_t room)
{
    if (strchr(value, '/') == NULL && *value != '.')
        return true;
    (void)text_printf(why, room, "\"%.100s\" is a path; use only a file name", value);
    return false;
}

static bool
is_unprivileged(const char *value, char *why, size_t room)
{
    if (strcmp(value, "root") != 0 && strcmp(value, "0") != 0)
        return true;
    (void)text_printf(why, room, "root is not allowed here; create a user that owns nothing, for "
                      "example: useradd --system --no-create-home --shell /usr/sbin/nologin "
                      "sallyport");
    return false;
}

/* Settings without a row here take any text of their length. */
static const struct { const char *name; meaning *holds; } meanings[] = {
    { "listen", is_listen_address },
    { "listen_implicit", is_listen_address },
    { "worker_user", is_unprivileged },
    { "keyholder_user", is_unprivileged },
    { "ledger_user", is_unprivileged },
    { "guest_user", is_unprivileged },
    { "anonymous_user", is_unprivileged },
    { "run_directory", is_absolute },
    { "state_directory", is_absolute_or_none },
    { "libexec_directory", is_absolute },
    { "certificate", is_absolute },
    { "certificate_key", is_absolute },
    { "cleartext_networks", is_network },
    { "no_resumption_networks", is_network },
    { "sandbox", is_sandbox },
    { "tls_minimum", is_tls_version },
    { "auth", is_backend },
    { "users_database", is_absolute },
    { "pam_service", is_file_name },
    { "system_user_jail", is_jail_pattern },
    { "anonymous_root", is_absolute },
    { "passive_address", is_passive_address },
    { "log", is_log_target },
    { "log_level", is_log_level },
};

bool
meaning_holds(const char *name, const char *value, char why[MEANING_WHY_MAX])
{
    for (size_t i = 0; i < sizeof meanings / sizeof *meanings; i++)
        if (strcmp(meanings[i].name, name) == 0)
            return meanings[i].holds(value, why, MEANING_WHY_MAX);
    return true;
}
