/* monitor/capabilities.c - see capabilities.h */
#include "monitor/capabilities.h"

#include <errno.h>
#include <linux/capability.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/privilege.h"
#include "monitor/gate.h"

#define NAMES_ROOM 512

#define BIT(capability) ((uint64_t)1 << (capability))

enum whose { OURS, OF_PROGRAMS, ASKED };

/*
 * Programs are the templates, executed as root: workers, keyholder and ledger give all up at
 * once, the template of brokers all but three. Those that are here for login are what PAM
 * modules of accounts, passwords, homes and audit need.
 */
static const struct { int number; const char *name; enum whose whose; } rows[] = {
    { CAP_KILL, "CAP_KILL", OURS },             /* ends processes of other uids           */
    { CAP_NET_BIND_SERVICE, "CAP_NET_BIND_SERVICE", OURS }, /* port 21, at a reload, too  */
    { CAP_SYS_RESOURCE, "CAP_SYS_RESOURCE", OURS }, /* more descriptors at a reload       */
    { CAP_DAC_OVERRIDE, "CAP_DAC_OVERRIDE", OURS }, /* a log that is not root's           */
    { CAP_DAC_READ_SEARCH, "CAP_DAC_READ_SEARCH", OURS },   /* a key that is not root's   */
    { CAP_BPF, "CAP_BPF", OURS },               /* one filter for all ports of a session  */
    { CAP_NET_ADMIN, "CAP_NET_ADMIN", ASKED },  /* see capabilities_keep                  */
    { CAP_SETUID, "CAP_SETUID", OF_PROGRAMS },  /* templates become somebody else         */
    { CAP_SETGID, "CAP_SETGID", OF_PROGRAMS },  /* the same                               */
    { CAP_SETPCAP, "CAP_SETPCAP", OF_PROGRAMS }, /* they empty their bounding sets        */
    { CAP_SYS_CHROOT, "CAP_SYS_CHROOT", OF_PROGRAMS },      /* jails, empty roots         */
    { CAP_CHOWN, "CAP_CHOWN", OF_PROGRAMS },    /* login makes jails, ledger a directory  */
    { CAP_FOWNER, "CAP_FOWNER", OF_PROGRAMS },  /* login: homes that PAM makes            */
    { CAP_AUDIT_WRITE, "CAP_AUDIT_WRITE", OF_PROGRAMS },    /* login: PAM tells the audit */
};

/* Says those of a set, as "CAP_KILL CAP_BPF". */
static void
name_all(uint64_t set, char out[NAMES_ROOM])
{
    size_t len = 0;

    out[0] = '\0';
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if ((set & BIT(rows[i].number)) == 0)
            continue;
        set &= ~BIT(rows[i].number);
        if (text_printf(out + len, NAMES_ROOM - len, "%s%s", len == 0 ? "" : " ",
                        rows[i].name))
            len += strlen(out + len);
    }
    for (unsigned number = 0; set != 0; number++, set >>= 1)
        if ((set & 1) != 0 && text_printf(out + len, NAMES_ROOM - len, "%s%u",
                                          len == 0 ? "" : " ", number))
            len += strlen(out + len);
}

enum sp_err
capabilities_keep(void)
{
    uint64_t own = 0, programs = privilege_ambient(), kept = 0;
    char names[NAMES_ROOM], others[NAMES_ROOM];
    bool filters = gate_possible();
    enum sp_err rc = SP_OK;

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].whose != ASKED)
            *(rows[i].whose == OURS ? &own : &programs) |= BIT(rows[i].number);
    if ((rc = privilege_try(own)) != SP_OK)
        goto out;
    /* a kernel that keeps socket filters for it; any other gives them to everybody */
    if (filters && !gate_possible())
        own |= BIT(CAP_NET_ADMIN);
    if ((rc = privilege_try(UINT64_MAX)) != SP_OK)
        goto out;
    rc = privilege_keep(own, programs, &kept);
out:
    if (rc != SP_OK) {
        log_event(EVENT_START_FAILED, "step=\"giving up capabilities\" fault=\"%s\"",
                  rc == SP_OS ? strerror(errno) : sp_err_text(rc));
        return rc;
    }
    name_all(kept, names);
    name_all(programs & ~own, others);
    if (privilege_is_root())
        log_event(EVENT_CAPABILITIES, "kept=\"%s\" for_programs=\"%s\"", names, others);
    return SP_OK;
}
