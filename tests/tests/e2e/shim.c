/* Loaded into the gateway under test with LD_PRELOAD: fails every sync while the file named by
   FAULT_SYNC exists, and moves the wall clock by the seconds in the file named by FAULT_CLOCK. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static int failing(void) {
    const char *path = getenv("FAULT_SYNC");
    return path && access(path, F_OK) == 0;
}

#define SYNC(name)                                                          \
    int name(int file) {                                                    \
        if (failing()) {                                                    \
            errno = EIO;                                                    \
            return -1;                                                      \
        }                                                                   \
        return ((int (*)(int))dlsym(RTLD_NEXT, #name))(file);               \
    }

SYNC(fsync)
SYNC(fdatasync)

int clock_gettime(clockid_t clock, struct timespec *time) {
    int result = ((int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime"))(clock, time);
    const char *path = getenv("FAULT_CLOCK");
    if (result == 0 && clock == CLOCK_REALTIME && path) {
        int kept = errno;
        int file = open(path, O_RDONLY | O_CLOEXEC);
        if (file >= 0) {
            char text[32] = {0};
            if (read(file, text, sizeof text - 1) > 0) time->tv_sec += atoll(text);
            close(file);
        }
        errno = kept;
    }
    return result;
}
