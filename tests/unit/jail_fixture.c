/* tests/unit/jail_fixture.c - see jail_fixture.h */
#include "jail_fixture.h"

#include <CUnit/CUnit.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "broker/lines.h"
#include "broker/listing.h"
#include "broker/upload.h"
#include "unit.h"
#include "wire/grant.h"
#include "wire/pack.h"

static size_t
open_descriptors(void)
{
    DIR *d = opendir("/proc/self/fd");
    size_t count = 0;

    while (d != NULL && readdir(d) != NULL)
        count++;
    if (d != NULL)
        (void)closedir(d);
    return count;
}

static size_t descriptors_before = 0;

static void
make_file(int dir, const char *name, const char *content)
{
    int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

    CU_ASSERT_FATAL(fd != -1);
    CU_ASSERT(fd_write_all(fd, content, strlen(content)) == SP_OK);
    fd_close(&fd);
}

void
fixture_open(struct jail_fixture *f)
{
    int top = -1;

    descriptors_before = open_descriptors();
    (void)umask(022);
    *f = (struct jail_fixture){ .jail = -1 };
    CU_ASSERT_FATAL(text_copy(f->top, sizeof f->top, "/tmp/sallyport-unit-XXXXXX"));
    CU_ASSERT_FATAL(mkdtemp(f->top) != NULL);
    CU_ASSERT_FATAL((top = open(f->top, O_PATH | O_DIRECTORY | O_CLOEXEC)) != -1);
    CU_ASSERT_FATAL(mkdirat(top, "jail", 0755) == 0
                    && mkdirat(top, "outside", 0755) == 0);
    make_file(top, "outside/secret", "secret");
    broker_init(&f->b);
    CU_ASSERT_FATAL(settings_init(&f->b.settings) == SP_OK);
    f->jail = openat(top, "jail", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    f->b.root = openat(top, "jail", O_PATH | O_DIRECTORY | O_CLOEXEC);
    CU_ASSERT_FATAL(f->jail != -1 && f->b.root != -1);
    f->b.settings.durable = false;
    f->b.permits = PERMIT_ALL;
    f->b.uid = geteuid();
    f->b.gid = getegid();
    CU_ASSERT(text_copy(f->b.user, sizeof f->b.user, "alice"));
    CU_ASSERT(text_copy(f->b.group, sizeof f->b.group, "staff"));
    fd_close(&top);
}

void
fixture_close(struct jail_fixture *f)
{
    char command[96];

    upload_settle(&f->b);
    broker_clear(&f->b);
    fd_close(&f->jail);
    CU_ASSERT_EQUAL(open_descriptors(), descriptors_before);
    CU_ASSERT(text_printf(command, sizeof command, "rm -rf '%s'", f->top));
    CU_ASSERT(system(command) == 0);
}

void
fixture_file(struct jail_fixture *f, const char *name, const char *content)
{
    make_file(f->jail, name, content);
}

void
fixture_dir(struct jail_fixture *f, const char *name)
{
    CU_ASSERT_FATAL(mkdirat(f->jail, name, 0755) == 0);
}

void
fixture_link(struct jail_fixture *f, const char *target, const char *name)
{
    CU_ASSERT_FATAL(symlinkat(target, f->jail, name) == 0);
}

bool
fixture_exists(const struct jail_fixture *f, const char *name)
{
    struct stat st;

    return fstatat(f->jail, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

bool
fixture_has(const struct jail_fixture *f, const char *name, const char *content)
{
    struct buf got = BUF_EMPTY(1 << 20);
    int fd = openat(f->jail, name, O_RDONLY | O_CLOEXEC);
    bool same = fd != -1 && buf_read_all(&got, fd) == SP_OK
        && slice_equal(buf_slice(&got), slice_of(content));

    buf_free(&got);
    fd_close(&fd);
    return same;
}

mode_t
fixture_mode(const struct jail_fixture *f, const char *name)
{
    struct stat st = { .st_mode = 0 };

    CU_ASSERT(fstatat(f->jail, name, &st, AT_SYMLINK_NOFOLLOW) == 0);
    return st.st_mode & 07777;
}

enum sp_err
fixture_upload(struct jail_fixture *f, const char *path, unsigned how, uint64_t offset,
               const char *text)
{
    return fixture_announced(f, path, how, offset, 0, text);
}

enum sp_err
fixture_announced(struct jail_fixture *f, const char *path, unsigned how, uint64_t offset,
                  uint64_t size, const char *text)
{
    const struct msg_open_write ask = { .path = slice_of(path), .how = (uint8_t)how,
                                        .offset = offset, .size = size };
    char final[PATH_MAX];
    enum sp_err rc = upload_begin(&f->b, &ask, final);

    if (rc == SP_OK)
        CU_ASSERT(fd_write_all(f->b.upload.fd, text, strlen(text)) == SP_OK);
    return rc;
}

/* The listing goes into a file instead of a pipe: nobody has to read meanwhile. */
enum sp_err
fixture_list(struct jail_fixture *f, const char *path, const char *shown, unsigned kind,
             unsigned options, char *out, size_t room)
{
    const struct msg_list ask = { .path = slice_of(path), .shown = slice_of(shown),
                                  .kind = (uint8_t)kind, .options = options,
                                  .facts = FACT_TYPE | FACT_SIZE };
    struct listing l;
    FILE *file = tmpfile();
    size_t len = 0;
    enum sp_err rc = SP_OS;
    int saved = 0, c = 0;

    CU_ASSERT_FATAL(file != NULL);
    if ((rc = listing_prepare(&l, &f->b, &ask)) == SP_OK)
        rc = lines_write(&l, fileno(file));
    saved = errno;
    listing_clear(&l);
    rewind(file);
    while ((c = fgetc(file)) != EOF && len + 1 < room)
        if (c != '\r')
            out[len++] = (char)c;
    out[len] = '\0';
    (void)fclose(file);
    errno = saved;
    return rc;
}
