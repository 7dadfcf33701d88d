/*
 * tests/e2e/lacking_fs.c - a file system (FUSE) that lacks what those of the network lack
 *
 * lacking-fs DIRECTORY MOUNTPOINT [OPTION[,OPTION]...], as root, in the foreground; it says
 * "mounted". What lies in DIRECTORY is shown at MOUNTPOINT. The kernel may keep names, and
 * attributes for those who do not ask for them as stat(2) does. Options: private (for the
 * owner of DIRECTORY alone: root is kept out, too), and the calls that it refuses, as NAME or
 * NAME=ERRNO: noreplace link chmod chown utimens truncate fallocate fsync fsyncdir flock xattr
 * statfs rename flush (of a close), full (of a write); cross (renames between two directories).
 */
#define FUSE_USE_VERSION 31

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fuse.h>
#include <grp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

static struct lack { const char *name; int usual, error; } lacks[] = {
    { "noreplace", EINVAL, 0 }, { "link", EOPNOTSUPP, 0 }, { "chmod", ENOSYS, 0 },
    { "chown", EPERM, 0 }, { "utimens", ENOSYS, 0 }, { "truncate", ENOSYS, 0 },
    { "fallocate", EOPNOTSUPP, 0 }, { "fsync", EOPNOTSUPP, 0 }, { "fsyncdir", EINVAL, 0 },
    { "flock", ENOLCK, 0 }, { "xattr", EOPNOTSUPP, 0 }, { "statfs", ENOSYS, 0 },
    { "rename", ENOSYS, 0 }, { "flush", EIO, 0 }, { "full", ENOSPC, 0 }, { "cross", EXDEV, 0 },
};

static int below = -1;          /* DIRECTORY */
static bool is_private;

static struct lack *
find(const char *name, size_t len)
{
    for (size_t i = 0; i < sizeof lacks / sizeof lacks[0]; i++)
        if (strlen(lacks[i].name) == len && strncmp(lacks[i].name, name, len) == 0)
            return &lacks[i];
    return NULL;
}

static int
refused(const char *name)
{
    return -find(name, strlen(name))->error;
}

/* "/" and "/a/b" as they are named below DIRECTORY. */
static const char *
name_of(const char *path)
{
    return path[1] == '\0' ? "." : path + 1;
}

static int
result(int rc)
{
    return rc == -1 ? -errno : 0;
}

static void *
lacking_init(struct fuse_conn_info *conn, struct fuse_config *cfg)
{
    (void)conn;
    cfg->use_ino = 1;
    cfg->entry_timeout = 600;
    cfg->negative_timeout = cfg->attr_timeout = 0;
    return NULL;
}

static int
lacking_getattr(const char *path, struct stat *st, struct fuse_file_info *fi)
{
    return result(fi != NULL ? fstat((int)fi->fh, st)
                  : fstatat(below, name_of(path), st, AT_SYMLINK_NOFOLLOW));
}

static int
lacking_readlink(const char *path, char *out, size_t room)
{
    ssize_t len = readlinkat(below, name_of(path), out, room - 1);

    if (len == -1)
        return -errno;
    out[len] = '\0';
    return 0;
}

static int
lacking_readdir(const char *path, void *out, fuse_fill_dir_t fill, off_t from,
                struct fuse_file_info *fi, enum fuse_readdir_flags flags)
{
    int fd = openat(below, name_of(path), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd == -1 ? NULL : fdopendir(fd);
    const struct dirent *e = NULL;

    (void)from;
    (void)fi;
    (void)flags;
    if (d == NULL)
        return -errno;
    while ((e = readdir(d)) != NULL)
        if (fill(out, e->d_name, NULL, 0, 0) != 0)  /* of no type that it would tell */
            break;
    (void)closedir(d);
    return 0;
}

/* Made by root, for whoever asked for it. */
static int
give(int rc, const char *path)
{
    const struct fuse_context *c = fuse_get_context();

    if (rc == -1 || fchownat(below, name_of(path), c->uid, c->gid, AT_SYMLINK_NOFOLLOW) == -1)
        return -errno;
    return 0;
}

static int
lacking_mkdir(const char *path, mode_t mode)
{
    return give(mkdirat(below, name_of(path), mode), path);
}

static int
lacking_unlink(const char *path)
{
    return result(unlinkat(below, name_of(path), 0));
}

static int
lacking_rmdir(const char *path)
{
    return result(unlinkat(below, name_of(path), AT_REMOVEDIR));
}

static int
lacking_symlink(const char *target, const char *path)
{
    return give(symlinkat(target, below, name_of(path)), path);
}

static int
lacking_rename(const char *from, const char *to, unsigned flags)
{
    size_t one = (size_t)(strrchr(from, '/') - from), other = (size_t)(strrchr(to, '/') - to);

    if (refused("rename") != 0)
        return refused("rename");
    if (refused("cross") != 0 && (one != other || strncmp(from, to, one) != 0))
        return refused("cross");
    if (flags != 0 && refused("noreplace") != 0)
        return refused("noreplace");
    return result(renameat2(below, name_of(from), below, name_of(to), flags));
}

static int
lacking_link(const char *from, const char *to)
{
    return refused("link") != 0 ? refused("link")
        : result(linkat(below, name_of(from), below, name_of(to), 0));
}

static int
lacking_chmod(const char *path, mode_t mode, struct fuse_file_info *fi)
{
    (void)fi;
    return refused("chmod") != 0 ? refused("chmod")
        : result(fchmodat(below, name_of(path), mode, 0));
}

static int
lacking_chown(const char *path, uid_t uid, gid_t gid, struct fuse_file_info *fi)
{
    (void)fi;
    return refused("chown") != 0 ? refused("chown")
        : result(fchownat(below, name_of(path), uid, gid, AT_SYMLINK_NOFOLLOW));
}

static int
lacking_truncate(const char *path, off_t size, struct fuse_file_info *fi)
{
    int fd = fi != NULL ? (int)fi->fh : openat(below, name_of(path), O_WRONLY | O_CLOEXEC);
    int rc = refused("truncate");

    if (fd == -1)
        return -errno;
    if (rc == 0)
        rc = result(ftruncate(fd, size));
    if (fi == NULL)
        (void)close(fd);
    return rc;
}

static int
lacking_utimens(const char *path, const struct timespec times[2], struct fuse_file_info *fi)
{
    (void)fi;
    return refused("utimens") != 0 ? refused("utimens")
        : result(utimensat(below, name_of(path), times, AT_SYMLINK_NOFOLLOW));
}

static int
lacking_open(const char *path, struct fuse_file_info *fi)
{
    int fd = openat(below, name_of(path), (fi->flags & ~(O_CREAT | O_EXCL)) | O_CLOEXEC);

    if (fd == -1)
        return -errno;
    fi->fh = (uint64_t)fd;
    return 0;
}

static int
lacking_create(const char *path, mode_t mode, struct fuse_file_info *fi)
{
    int fd = openat(below, name_of(path), fi->flags | O_CREAT | O_CLOEXEC, mode);

    if (fd == -1)
        return -errno;
    fi->fh = (uint64_t)fd;
    return give(0, path);
}

static int
lacking_read(const char *path, char *out, size_t len, off_t from, struct fuse_file_info *fi)
{
    ssize_t got = pread((int)fi->fh, out, len, from);

    (void)path;
    return got == -1 ? -errno : (int)got;
}

static int
lacking_write(const char *path, const char *at, size_t len, off_t to, struct fuse_file_info *fi)
{
    ssize_t put = -1;

    (void)path;
    if (refused("full") != 0)
        return refused("full");
    put = pwrite((int)fi->fh, at, len, to);
    return put == -1 ? -errno : (int)put;
}

static int
lacking_statfs(const char *path, struct statvfs *st)
{
    (void)path;
    return refused("statfs") != 0 ? refused("statfs") : result(fstatvfs(below, st));
}

static int
lacking_flush(const char *path, struct fuse_file_info *fi)
{
    (void)path;
    return (fcntl((int)fi->fh, F_GETFL) & O_ACCMODE) == O_RDONLY ? 0 : refused("flush");
}

static int
lacking_release(const char *path, struct fuse_file_info *fi)
{
    (void)path;
    return result(close((int)fi->fh));
}

static int
lacking_fsync(const char *path, int data, struct fuse_file_info *fi)
{
    (void)path;
    (void)data;
    return refused("fsync") != 0 ? refused("fsync") : result(fsync((int)fi->fh));
}

static int
lacking_fsyncdir(const char *path, int data, struct fuse_file_info *fi)
{
    (void)path;
    (void)data;
    (void)fi;
    return refused("fsyncdir");
}

static int
lacking_flock(const char *path, struct fuse_file_info *fi, int how)
{
    (void)path;
    return refused("flock") != 0 ? refused("flock") : result(flock((int)fi->fh, how));
}

static int
lacking_fallocate(const char *path, int mode, off_t from, off_t len, struct fuse_file_info *fi)
{
    (void)path;
    return refused("fallocate") != 0 ? refused("fallocate")
        : result(fallocate((int)fi->fh, mode, from, len));
}

static int
lacking_listxattr(const char *path, char *out, size_t room)
{
    (void)path;
    (void)out;
    (void)room;
    return refused("xattr");    /* it has them, but of no file */
}

static const struct fuse_operations operations = {
    .init = lacking_init, .getattr = lacking_getattr, .readlink = lacking_readlink,
    .mkdir = lacking_mkdir, .unlink = lacking_unlink, .rmdir = lacking_rmdir,
    .symlink = lacking_symlink, .rename = lacking_rename, .link = lacking_link,
    .chmod = lacking_chmod, .chown = lacking_chown, .truncate = lacking_truncate,
    .open = lacking_open, .create = lacking_create, .read = lacking_read,
    .write = lacking_write, .statfs = lacking_statfs, .flush = lacking_flush,
    .release = lacking_release, .fsync = lacking_fsync, .fsyncdir = lacking_fsyncdir,
    .readdir = lacking_readdir, .utimens = lacking_utimens, .flock = lacking_flock,
    .fallocate = lacking_fallocate, .listxattr = lacking_listxattr
};

static bool
take(char *word)
{
    char *given = strchr(word, '=');
    size_t len = given != NULL ? (size_t)(given - word) : strlen(word);
    struct lack *l = find(word, len);

    if (strcmp(word, "private") == 0)
        return is_private = true;
    if (l == NULL)
        return false;
    l->error = given != NULL ? (int)strtol(given + 1, NULL, 10) : l->usual;
    return true;
}

/* By ourselves, as no user could have it mounted for another; then we are its owner. */
static bool
mount_at(const char *place, char device[32])
{
    struct stat st = { .st_uid = 0 };
    char options[160];
    int fd = open("/dev/fuse", O_RDWR);     // NOLINT(android-cloexec-open): libfuse has it

    if (fd == -1 || fstat(below, &st) == -1)
        return false;
    (void)snprintf(options, sizeof options,
                   "fd=%d,rootmode=40000,user_id=%u,group_id=%u,default_permissions%s", fd,
                   (unsigned)st.st_uid, (unsigned)st.st_gid, is_private ? "" : ",allow_other");
    (void)snprintf(device, 32, "/dev/fd/%d", fd);
    if (mount("lacking-fs", place, "fuse", MS_NOSUID | MS_NODEV, options) == -1)
        return false;
    return !is_private || (setgroups(0, NULL) == 0 && setgid(st.st_gid) == 0
                           && setuid(st.st_uid) == 0);
}

int
main(int argc, char **argv)
{
    char device[32] = "", foreground[] = "-f", alone[] = "-s", *place = NULL;
    char *args[] = { argv[0], foreground, alone, device, NULL };

    if (argc < 3 || (below = open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC)) == -1) {
        (void)fprintf(stderr, "%s: DIRECTORY MOUNTPOINT [OPTION[,OPTION]...]\n", argv[0]);
        return 2;
    }
    for (char *at = argc > 3 ? strtok_r(argv[3], ",", &place) : NULL; at != NULL;
         at = strtok_r(NULL, ",", &place))
        if (!take(at)) {
            (void)fprintf(stderr, "%s: unknown option %s\n", argv[0], at);
            return 2;
        }
    (void)umask(0);
    if (!mount_at(argv[2], device)) {
        perror(argv[2]);
        return 3;
    }
    (void)puts("mounted");
    (void)fflush(stdout);
    return fuse_main(4, args, &operations, NULL);
}
