/* monitor/kin.c - see kin.h */
#include "monitor/kin.h"

#include <stdlib.h>
#include <string.h>

#include "base/secret.h"

enum sp_err
kins_init(struct kins *k)
{
    for (size_t i = 0; i < KIN_CHAINS; i++)
        LIST_INIT(&k->table[i]);
    TAILQ_INIT(&k->idle);
    k->idle_count = 0;
    return keyed_init(&k->key);
}

static void
drop(struct kins *k, struct kin *one)
{
    TAILQ_REMOVE(&k->idle, one, idle);
    k->idle_count--;
    LIST_REMOVE(one, chain);
    budget_clear(&one->signatures);
    free(one);
}

void
kins_clear(struct kins *k)
{
    struct kin *one = NULL;

    while ((one = TAILQ_FIRST(&k->idle)) != NULL)
        drop(k, one);
}

/* What nothing is to be remembered of, and what there is no more room for. */
static void
tidy(struct kins *k)
{
    struct kin *one = NULL;

    while ((one = TAILQ_FIRST(&k->idle)) != NULL
           && (k->idle_count > KIN_IDLE || budget_is_full(&one->signatures)))
        drop(k, one);
}

static struct kin_chain *
chain_of(struct kins *k, uint64_t account, const struct network *n)
{
    return &k->table[(account ^ keyed_network(&k->key, n)) % KIN_CHAINS];
}

static struct kin *
new_kin(struct kins *k, struct event_base *loop, uint64_t account, const struct network *n,
        const struct kin_figures *figures)
{
    struct kin *one = calloc(1, sizeof *one);

    if (one == NULL)
        return NULL;
    if (budget_init(&one->signatures, loop, figures->burst, figures->rate, figures->go)
        != SP_OK) {
        free(one);
        return NULL;
    }
    one->account = account;
    one->network = *n;
    LIST_INSERT_HEAD(chain_of(k, account, n), one, chain);
    return one;
}

struct kin *
kin_join(struct kins *k, struct event_base *loop, const char *account,
         const struct net_addr *peer, const struct kin_figures *figures)
{
    const struct network n = network_widest(peer);
    const uint64_t name = keyed_hash(&k->key, slice_of(account));
    struct kin *one = NULL;

    LIST_FOREACH(one, chain_of(k, name, &n), chain)
        if (one->account == name && network_same(&one->network, &n))
            break;
    if (one == NULL) {
        tidy(k);
        if ((one = new_kin(k, loop, name, &n, figures)) == NULL)
            return NULL;
    } else {
        if (one->sessions == 0) {
            TAILQ_REMOVE(&k->idle, one, idle);
            k->idle_count--;
        }
        budget_change(&one->signatures, figures->burst, figures->rate);
    }
    one->sessions++;
    return one;
}

void
kin_leave(struct kins *k, struct kin *one)
{
    if (one == NULL || --one->sessions > 0)
        return;
    wipe(one->tickets, sizeof one->tickets);
    TAILQ_INSERT_TAIL(&k->idle, one, idle);
    k->idle_count++;
    tidy(k);
}

void
kin_remember(struct kin *one, const struct net_addr *peer, const unsigned char name[BOND_NAME],
             const unsigned char keys[BOND_KEYS])
{
    struct kin_ticket *t = &one->tickets[one->next];

    one->next = (one->next + 1) % KIN_TICKETS;
    t->peer = *peer;
    memcpy(t->name, name, BOND_NAME);
    memcpy(t->keys, keys, BOND_KEYS);
}

const unsigned char *
kin_recall(const struct kin *one, const struct net_addr *peer,
           const unsigned char name[BOND_NAME])
{
    for (unsigned i = 0; i < KIN_TICKETS; i++)
        if (net_same(&one->tickets[i].peer, peer)
            && memcmp(one->tickets[i].name, name, BOND_NAME) == 0)
            return one->tickets[i].keys;
    return NULL;
}
