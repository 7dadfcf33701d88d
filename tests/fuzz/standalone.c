/*
 * tests/fuzz/standalone.c - runs a target over files: without libFuzzer, and for AFL++
 *
 * fuzz-TARGET FILE|DIRECTORY...    each file once (of a directory: each file in it)
 * fuzz-TARGET                      standard input once
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "fuzz.h"

#define INPUT_MAX (1u << 20)

/* A target that has to set something up defines its own. */
__attribute__((weak)) int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    return 0;
}

static bool
run_descriptor(int fd)
{
    struct buf input = BUF_EMPTY(INPUT_MAX);
    unsigned char *exact = NULL;

    if (buf_read_all(&input, fd) != SP_OK)
        return false;
    exact = fuzz_copy(buf_slice(&input));
    (void)LLVMFuzzerTestOneInput(exact, input.len);
    free(exact);
    buf_free(&input);
    return true;
}

static bool
run_file(int at, const char *name)
{
    int fd = openat(at, name, O_RDONLY | O_CLOEXEC);
    bool fine = fd != -1 && run_descriptor(fd);

    if (!fine)
        (void)fprintf(stderr, "%s: %s\n", name, strerror(errno));
    fd_close(&fd);
    return fine;
}

static bool
run_directory(const char *name, unsigned *count)
{
    DIR *d = opendir(name);
    bool fine = d != NULL;

    for (struct dirent *e = NULL; fine && (e = readdir(d)) != NULL;) {
        if (e->d_name[0] == '.')
            continue;
        /* a crash has no other way to say which file it was */
        if (getenv("FUZZ_VERBOSE") != NULL)
            (void)fprintf(stderr, "%s/%s\n", name, e->d_name);
        fine = run_file(dirfd(d), e->d_name);
        *count += fine;
    }
    if (d != NULL)
        (void)closedir(d);
    return fine;
}

int
main(int argc, char **argv)
{
    struct stat st;
    unsigned count = 0;

    (void)LLVMFuzzerInitialize(&argc, &argv);
    if (argc < 2)
        return run_descriptor(STDIN_FILENO) ? 0 : 2;
    for (int i = 1; i < argc; i++) {
        if (stat(argv[i], &st) == 0 && S_ISDIR(st.st_mode)) {
            if (!run_directory(argv[i], &count))
                return 2;
        } else if (run_file(AT_FDCWD, argv[i])) {
            count++;
        } else {
            return 2;
        }
    }
    (void)printf("%u inputs\n", count);
    return 0;
}
