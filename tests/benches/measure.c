/* Runs a command and writes what it cost to descriptor 3: exit status, seconds of wall, user and system time, and the most
 * memory that was resident, in KiB.
 *
 * A program of its own, because Linux counts the memory of the parent at the fork too: under a large parent every small
 * command seems large. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <fcntl.h>

static double seconds(struct timeval t) { return (double)t.tv_sec + (double)t.tv_usec / 1e6; }

int main(int argc, char **argv) {
    struct timespec before, after;
    struct rusage cost;
    int status;
    if (argc < 2) {
        fputs("usage: measure COMMAND [ARGUMENT]... 3>RESULT\n", stderr);
        return 2;
    }
    fcntl(3, F_SETFD, FD_CLOEXEC);
    clock_gettime(CLOCK_MONOTONIC, &before);
    pid_t child = fork();
    if (child < 0) {
        perror("fork");
        return 2;
    }
    if (child == 0) {
        execvp(argv[1], argv + 1);
        perror(argv[1]);
        _exit(127);
    }
    if (wait4(child, &status, 0, &cost) < 0) {
        perror("wait4");
        return 2;
    }
    clock_gettime(CLOCK_MONOTONIC, &after);
    dprintf(3, "%d %.6f %.6f %.6f %ld\n", WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status),
            (double)(after.tv_sec - before.tv_sec) + (double)(after.tv_nsec - before.tv_nsec) / 1e9,
            seconds(cost.ru_utime), seconds(cost.ru_stime), cost.ru_maxrss);
    return 0;
}
