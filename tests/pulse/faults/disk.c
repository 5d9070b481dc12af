// A library (LD_PRELOAD) between the agent and fsync(2), fdatasync(2), pwritev(2) and read(2).
//
// While the file $DISK_FAILS exists, both fail with EIO. While $DISK_HANGS exists, they and pwritev(2) do not return.
// While $DISK_SLOW exists, each large read(2) takes 20 ms longer.
//
// The directory $DISK_KEPT holds what a power cut would leave: for a synced file, its bytes when the sync began,
// under its inode number; for a synced directory, its names when the sync began, in the file "names", one line
// "INODE NAME" each.
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;

static void copy_bytes(int from, const char *to, off_t left) {
    char piece[65536];
    int out = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0640);
    for (off_t at = 0; left > 0;) {
        ssize_t got = pread(from, piece, left < (off_t)sizeof piece ? (size_t)left : sizeof piece, at);
        if (got <= 0 || write(out, piece, got) != got) break;
        at += got;
        left -= got;
    }
    close(out);
}

static void copy_names(const char *from, const char *to) {
    FILE *out = fopen(to, "w");
    DIR *dir = opendir(from);
    for (struct dirent *entry; out && dir && (entry = readdir(dir));)
        if (entry->d_name[0] != '.')
            fprintf(out, "%llu %s\n", (unsigned long long)entry->d_ino, entry->d_name);
    if (dir) closedir(dir);
    if (out) fclose(out);
}

static int exists(const char *variable) {
    const char *file = getenv(variable);
    return file && access(file, F_OK) == 0;
}

static void hang(void) {
    while (exists("DISK_HANGS")) usleep(1000);
}

static int sync_by(const char *function, int fd) {
    const char *kept = getenv("DISK_KEPT");
    hang();
    if (exists("DISK_FAILS")) {
        errno = EIO;
        return -1;
    }
    struct stat found;
    char source[64], fresh[4096], target[4096];
    pthread_mutex_lock(&turn);
    if (kept && fstat(fd, &found) == 0) {
        snprintf(fresh, sizeof fresh, "%s/new", kept);
        snprintf(source, sizeof source, "/proc/self/fd/%d", fd);
        if (S_ISDIR(found.st_mode)) {
            copy_names(source, fresh);
            snprintf(target, sizeof target, "%s/names", kept);
        } else {
            // The agent opens some files for writing only.
            int from = open(source, O_RDONLY | O_CLOEXEC);
            copy_bytes(from, fresh, found.st_size);
            close(from);
            snprintf(target, sizeof target, "%s/%llu", kept, (unsigned long long)found.st_ino);
        }
    }
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, function);
    int done = real(fd);
    if (kept && done == 0) rename(fresh, target);
    pthread_mutex_unlock(&turn);
    return done;
}

int fsync(int fd) { return sync_by("fsync", fd); }

int fdatasync(int fd) { return sync_by("fdatasync", fd); }

static ssize_t pwritev_by(const char *function, int fd, const struct iovec *pieces, int count, off_t at) {
    ssize_t (*real)(int, const struct iovec *, int, off_t) =
        (ssize_t (*)(int, const struct iovec *, int, off_t))dlsym(RTLD_NEXT, function);
    hang();
    return real(fd, pieces, count, at);
}

ssize_t pwritev(int fd, const struct iovec *pieces, int count, off_t at) {
    return pwritev_by("pwritev", fd, pieces, count, at);
}

ssize_t pwritev64(int fd, const struct iovec *pieces, int count, off_t at) {
    return pwritev_by("pwritev64", fd, pieces, count, at);
}

ssize_t read(int fd, void *bytes, size_t size) {
    ssize_t (*real)(int, void *, size_t) = (ssize_t (*)(int, void *, size_t))dlsym(RTLD_NEXT, "read");
    if (size >= 65536 && exists("DISK_SLOW")) usleep(20000);
    return real(fd, bytes, size);
}
