/* Simulates disk faults and records disk operations. Preloaded into a server or database process.
 *
 * It intercepts the calls that change files below $TESSERA_DISK_ROOT and passes all others on.
 *
 * Faults. $TESSERA_DISK_CONTROL is a file of one line, "epoch kind at count". After the epoch starts, the calls number
 * `at` to `at + count - 1` fail (all later ones, if `count` is 0). Kinds: `none`; `enospc` and `eio` fail the call;
 * `short` writes the first half and returns its length; `torn` writes the first half, and then fails with ENOSPC. Each
 * failed call appends its epoch, number and name to "$TESSERA_DISK_CONTROL.hits".
 *
 * Record. Each successful call is appended to the file $TESSERA_DISK_TRACE with its data. A sync also records the length
 * of the record when it started: it saves only the calls before this position. Nothing is really synced, because the
 * record determines what a power cut leaves. $TESSERA_DISK_SYNC_MS is the duration of a sync in milliseconds. A sync of
 * a file whose name ends with $TESSERA_DISK_LIES succeeds without saving the file.
 *
 * Memory-mapped writes are not detected. SQLite maps only its -shm file, whose content does not survive a crash.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { WRITE = 1, TRUNCATE, SYNC, CREATE, RENAME, UNLINK, MKDIR, EXTEND, MARK, LINK };

struct head { uint32_t magic, op; uint64_t inode, at; uint32_t path, data; };

static char root[PATH_MAX];
static size_t root_length;
static const char *control_path, *lies;
static int trace = -1, sync_ms;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static long epoch = -1, number;

#define NEXT(result, name, ...)                                                                                        \
    static result (*next)(__VA_ARGS__);                                                                                \
    if (!next) next = (result(*)(__VA_ARGS__))dlsym(RTLD_NEXT, name)

__attribute__((constructor)) static void begin(void) {
    const char *text = getenv("TESSERA_DISK_ROOT");
    if (!text || !realpath(text, root)) return;
    root_length = strlen(root);
    control_path = getenv("TESSERA_DISK_CONTROL");
    lies = getenv("TESSERA_DISK_LIES");
    text = getenv("TESSERA_DISK_SYNC_MS");
    sync_ms = text ? atoi(text) : 0;
    text = getenv("TESSERA_DISK_TRACE");
    if (text) {
        trace = (int)syscall(SYS_openat, AT_FDCWD, text, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
        if (trace < 0) _exit(97);
        /* Use a high number, because some programs close or count low file descriptors. */
        int high = fcntl(trace, F_DUPFD_CLOEXEC, 900);
        if (high >= 0) { syscall(SYS_close, trace); trace = high; }
    }
}

static int below_root(const char *path) {
    return root_length && !strncmp(path, root, root_length) && (path[root_length] == '/' || !path[root_length]);
}

/* Finds the absolute path of a name. Its last part need not exist. */
static int path_of(int directory, const char *name, char *path) {
    char joined[PATH_MAX], parent[PATH_MAX];
    if (!root_length || !name) return 0;
    if (name[0] == '/' || directory == AT_FDCWD) {
        snprintf(joined, sizeof joined, "%s", name);
    } else {
        char link[64];
        snprintf(link, sizeof link, "/proc/self/fd/%d", directory);
        ssize_t length = readlink(link, joined, sizeof joined - 1);
        if (length < 0) return 0;
        snprintf(joined + length, sizeof joined - (size_t)length, "/%s", name);
    }
    char *slash = strrchr(joined, '/');
    const char *last = slash ? slash + 1 : joined;
    if (slash == joined) return 0;
    if (slash) *slash = 0;
    if (!realpath(slash ? joined : ".", parent)) return 0;
    snprintf(path, PATH_MAX, "%.*s/%.255s", (int)(PATH_MAX - 257), parent, last);
    return below_root(path);
}

/* Finds the path and inode of an open file below the root. */
static int path_of_file(int file, char *path, struct stat *status) {
    char link[64];
    int saved = errno;
    if (!root_length || file == trace) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, PATH_MAX - 1);
    errno = saved;
    if (length < 0) return 0;
    path[length] = 0;
    return below_root(path) && !fstat(file, status) && (S_ISREG(status->st_mode) || S_ISDIR(status->st_mode));
}

static void record(uint32_t op, uint64_t inode, uint64_t at, const char *path, const void *data, size_t length) {
    if (trace < 0) return;
    int saved = errno;
    struct head head = {0x7e55e7a1, op, inode, at, (uint32_t)strlen(path), (uint32_t)length};
    struct iovec parts[] = {{&head, sizeof head}, {(void *)path, head.path}, {(void *)data, length}};
    ssize_t wanted = (ssize_t)(sizeof head + head.path + length);
    if (syscall(SYS_writev, trace, parts, 3) != wanted) _exit(98);
    errno = saved;
}

enum fault { FINE, FAIL, HALF, HALF_THEN_FAIL };

/* Counts a call and returns its fault. */
static enum fault fault_of(const char *call, const char *path) {
    char line[128] = "", kind[16] = "none", hits[PATH_MAX];
    long told = 0, at = 0, count = 0;
    if (!control_path) return FINE;
    int saved = errno;
    pthread_mutex_lock(&lock);
    int file = (int)syscall(SYS_openat, AT_FDCWD, control_path, O_RDONLY | O_CLOEXEC, 0);
    if (file >= 0) {
        if (syscall(SYS_read, file, line, sizeof line - 1) > 0) sscanf(line, "%ld %15s %ld %ld", &told, kind, &at, &count);
        syscall(SYS_close, file);
    }
    if (told != epoch) { epoch = told; number = 0; }
    number++;
    int hit = strcmp(kind, "none") && number >= at && (!count || number < at + count);
    if (hit) {
        snprintf(hits, sizeof hits, "%s.hits", control_path);
        file = (int)syscall(SYS_openat, AT_FDCWD, hits, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
        int length = snprintf(line, sizeof line, "%ld %ld %s %s\n", epoch, number, call, strrchr(path, '/') + 1);
        if (file < 0 || syscall(SYS_write, file, line, length) != length) _exit(96);
        syscall(SYS_close, file);
    }
    pthread_mutex_unlock(&lock);
    errno = saved;
    if (!hit) return FINE;
    if (!strcmp(kind, "short")) return HALF;
    if (!strcmp(kind, "torn")) return number == at ? HALF : FAIL;
    errno = strcmp(kind, "eio") ? ENOSPC : EIO;
    return FAIL;
}

static int fails(const char *call, const char *path) {
    enum fault fault = fault_of(call, path);
    if (fault == FAIL && errno != EIO) errno = ENOSPC;
    if (fault == HALF) errno = EIO;
    return fault != FINE;
}

typedef ssize_t (*write_at)(int, const void *, size_t, off_t);

static ssize_t plain_write(int file, const void *data, size_t length, off_t at) {
    NEXT(ssize_t, "write", int, const void *, size_t);
    (void)at;
    return next(file, data, length);
}

static ssize_t positioned_write(int file, const void *data, size_t length, off_t at) {
    NEXT(ssize_t, "pwrite64", int, const void *, size_t, off_t);
    return next(file, data, length, at);
}

static ssize_t watched_write(int file, const void *data, size_t length, off_t at, write_at write) {
    char path[PATH_MAX];
    struct stat status;
    if (!path_of_file(file, path, &status)) return write(file, data, length, at);
    if (at < 0) at = fcntl(file, F_GETFL) & O_APPEND ? status.st_size : lseek(file, 0, SEEK_CUR);
    size_t allowed = length;
    enum fault fault = fault_of("write", path);
    if (fault == FAIL) { if (errno != EIO) errno = ENOSPC; return -1; }
    if (fault == HALF) allowed = length / 2;
    ssize_t written = write(file, data, allowed, at);
    if (written > 0) record(WRITE, status.st_ino, (uint64_t)at, path, data, (size_t)written);
    return written;
}

ssize_t write(int file, const void *data, size_t length) { return watched_write(file, data, length, -1, plain_write); }
ssize_t pwrite(int file, const void *data, size_t length, off_t at) { return watched_write(file, data, length, at, positioned_write); }
ssize_t pwrite64(int file, const void *data, size_t length, off_t at) { return watched_write(file, data, length, at, positioned_write); }

/* Writes several pieces in sequence. */
static ssize_t pieces(int file, const struct iovec *parts, int count, off_t at, write_at write) {
    ssize_t total = 0;
    for (int part = 0; part < count; part++) {
        if (!parts[part].iov_len) continue;
        ssize_t written = watched_write(file, parts[part].iov_base, parts[part].iov_len, at < 0 ? at : at + total, write);
        if (written < 0) return total ? total : -1;
        total += written;
        if ((size_t)written < parts[part].iov_len) break;
    }
    return total;
}

static int is_watched(int file) { char path[PATH_MAX]; struct stat status; return path_of_file(file, path, &status); }

ssize_t writev(int file, const struct iovec *parts, int count) {
    NEXT(ssize_t, "writev", int, const struct iovec *, int);
    return is_watched(file) ? pieces(file, parts, count, -1, plain_write) : next(file, parts, count);
}
ssize_t pwritev(int file, const struct iovec *parts, int count, off_t at) {
    NEXT(ssize_t, "pwritev", int, const struct iovec *, int, off_t);
    return is_watched(file) ? pieces(file, parts, count, at, positioned_write) : next(file, parts, count, at);
}
ssize_t pwritev64(int file, const struct iovec *parts, int count, off_t at) { return pwritev(file, parts, count, at); }

int ftruncate(int file, off_t length) {
    NEXT(int, "ftruncate", int, off_t);
    char path[PATH_MAX];
    struct stat status;
    int watched = path_of_file(file, path, &status);
    if (watched && fails("truncate", path)) return -1;
    int result = next(file, length);
    if (!result && watched) record(TRUNCATE, status.st_ino, (uint64_t)length, path, "", 0);
    return result;
}
int ftruncate64(int file, off_t length) { return ftruncate(file, length); }

int truncate(const char *name, off_t length) {
    NEXT(int, "truncate", const char *, off_t);
    char path[PATH_MAX];
    struct stat status;
    int watched = path_of(AT_FDCWD, name, path);
    if (watched && fails("truncate", path)) return -1;
    int result = next(name, length);
    if (!result && watched && !stat(path, &status)) record(TRUNCATE, status.st_ino, (uint64_t)length, path, "", 0);
    return result;
}
int truncate64(const char *name, off_t length) { return truncate(name, length); }

int posix_fallocate(int file, off_t at, off_t length) {
    NEXT(int, "posix_fallocate", int, off_t, off_t);
    char path[PATH_MAX];
    struct stat status;
    int watched = path_of_file(file, path, &status);
    if (watched && fails("allocate", path)) return errno;
    int result = next(file, at, length);
    if (!result && watched) record(EXTEND, status.st_ino, (uint64_t)(at + length), path, "", 0);
    return result;
}
int posix_fallocate64(int file, off_t at, off_t length) { return posix_fallocate(file, at, length); }

static int watched_sync(int file, int (*sync)(int)) {
    char path[PATH_MAX];
    struct stat status, before;
    if (!path_of_file(file, path, &status)) return sync(file);
    if (fails("sync", path)) return -1;
    if (trace < 0) return sync(file);
    uint64_t begun = fstat(trace, &before) ? 0 : (uint64_t)before.st_size;
    if (sync_ms) usleep((useconds_t)sync_ms * 1000);
    size_t length = strlen(path), end = lies ? strlen(lies) : 0;
    if (!end || length < end || strcmp(path + length - end, lies)) record(SYNC, status.st_ino, begun, path, "", 0);
    return 0;
}
int fsync(int file) { NEXT(int, "fsync", int); return watched_sync(file, next); }
int fdatasync(int file) { NEXT(int, "fdatasync", int); return watched_sync(file, next); }

/* Opening can create or truncate files. */
static int watched_open(int directory, const char *name, int flags, mode_t mode) {
    NEXT(int, "openat", int, const char *, int, ...);
    char path[PATH_MAX];
    struct stat status;
    int changes = flags & (O_CREAT | O_TRUNC) && path_of(directory, name, path);
    int existed = changes && !stat(path, &status);
    int file = next(directory, name, flags, mode);
    if (changes && file >= 0 && !fstat(file, &status)) {
        if (!existed) record(CREATE, status.st_ino, 0, path, "", 0);
        else if (flags & O_TRUNC) record(TRUNCATE, status.st_ino, 0, path, "", 0);
    }
    return file;
}
static mode_t mode_of(int flags, va_list more) { return flags & (O_CREAT | O_TMPFILE) ? va_arg(more, mode_t) : 0; }
#define OPEN(name)                                                                                                     \
    int name(const char *path, int flags, ...) {                                                                       \
        va_list more;                                                                                                  \
        va_start(more, flags);                                                                                         \
        mode_t mode = mode_of(flags, more);                                                                            \
        va_end(more);                                                                                                  \
        return watched_open(AT_FDCWD, path, flags, mode);                                                              \
    }
#define OPENAT(name)                                                                                                   \
    int name(int directory, const char *path, int flags, ...) {                                                        \
        va_list more;                                                                                                  \
        va_start(more, flags);                                                                                         \
        mode_t mode = mode_of(flags, more);                                                                            \
        va_end(more);                                                                                                  \
        return watched_open(directory, path, flags, mode);                                                             \
    }
OPEN(open)
OPEN(open64)
OPENAT(openat)
OPENAT(openat64)
int creat(const char *path, mode_t mode) { return watched_open(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode); }

int renameat(int from_directory, const char *from, int to_directory, const char *to) {
    NEXT(int, "renameat", int, const char *, int, const char *);
    char old[PATH_MAX], new[PATH_MAX];
    int watched = path_of(from_directory, from, old) && path_of(to_directory, to, new);
    int result = next(from_directory, from, to_directory, to);
    if (!result && watched) record(RENAME, 0, 0, old, new, strlen(new));
    return result;
}
int rename(const char *from, const char *to) { return renameat(AT_FDCWD, from, AT_FDCWD, to); }

int link(const char *from, const char *to) {
    NEXT(int, "link", const char *, const char *);
    char old[PATH_MAX], new[PATH_MAX];
    int watched = path_of(AT_FDCWD, from, old) && path_of(AT_FDCWD, to, new);
    int result = next(from, to);
    if (!result && watched) record(LINK, 0, 0, old, new, strlen(new));
    return result;
}

int unlinkat(int directory, const char *name, int flags) {
    NEXT(int, "unlinkat", int, const char *, int);
    char path[PATH_MAX];
    int watched = path_of(directory, name, path);
    int result = next(directory, name, flags);
    if (!result && watched) record(UNLINK, 0, 0, path, "", 0);
    return result;
}
int unlink(const char *name) { return unlinkat(AT_FDCWD, name, 0); }
int rmdir(const char *name) { return unlinkat(AT_FDCWD, name, AT_REMOVEDIR); }

int mkdir(const char *name, mode_t mode) {
    NEXT(int, "mkdir", const char *, mode_t);
    char path[PATH_MAX];
    int watched = path_of(AT_FDCWD, name, path);
    int result = next(name, mode);
    if (!result && watched) record(MKDIR, 0, 0, path, "", 0);
    return result;
}
