/*
 * Counts what a command and its descendants do in user space, stepping through them under ptrace(2): instructions, or
 * system calls. Unlike times, both hardly depend on the machine and not at all on what else it does; unlike the
 * processor's own counters, they can be had in a virtual machine. Or tells the most memory that any of them had.
 *
 *     count instructions|calls|memory COMMAND [ARGUMENT...]
 *
 * prints the number (memory: KiB) behind what the command prints; exit code: the command's.
 *
 * A descendant counts until it executes a program, for that is the container's. The command itself may execute others
 * (the runtime executes itself again). When it ends, what it left behind goes on, uncounted.
 */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static void go_on(int how, pid_t pid, int signal) {
    /* A process that was killed meanwhile tells so at the next wait. */
    if (ptrace(how, pid, 0, (long)signal) != 0 && errno != ESRCH) err(2, "ptrace");
}

static int at_entry(pid_t pid) {
    struct __ptrace_syscall_info call = {0};
    return ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof call, &call) > 0 && call.op == PTRACE_SYSCALL_INFO_ENTRY;
}

/* Descendants that are being stepped through. */
enum { MOST = 64 };
static pid_t others[MOST];

static void replace(pid_t old, pid_t new) {
    for (int i = 0; i < MOST; i++) {
        if (others[i] == new) return;
        if (others[i] == old) {
            others[i] = new;
            return;
        }
    }
}

/* Lets go of those that are left. A tracer's mere end would leave them stepping, which nobody would answer. */
static void let_go(void) {
    for (int i = 0; i < MOST; i++) {
        int status;
        if (others[i] == 0 || kill(others[i], SIGSTOP) != 0) continue;
        while (waitpid(others[i], &status, __WALL) == others[i] && WIFSTOPPED(status)) {
            if (WSTOPSIG(status) == SIGSTOP) {
                go_on(PTRACE_DETACH, others[i], 0);
                break;
            }
            go_on(PTRACE_CONT, others[i], 0);
        }
    }
}

static int ended(unsigned long number, int status) {
    printf("%lu\n", number);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* A process begins with the memory of the one that executed it, so this program should be small: link it static. */
static int memory(char **command) {
    pid_t child = vfork();
    if (child < 0) err(2, "fork");
    if (child == 0) {
        execvp(command[0], command);
        _exit(127);
    }
    int status;
    struct rusage used;
    if (wait4(child, &status, 0, &used) != child) err(2, "wait");
    return ended((unsigned long)used.ru_maxrss, status);
}

int main(int words, char **word) {
    if (words < 3) errx(2, "usage: count instructions|calls|memory COMMAND [ARGUMENT...]");
    if (strcmp(word[1], "memory") == 0) return memory(word + 2);
    int how = strcmp(word[1], "instructions") == 0 ? PTRACE_SINGLESTEP : PTRACE_SYSCALL;
    /* All on one processor: waking another at every step takes most of the time. */
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(sched_getcpu(), &one);
    sched_setaffinity(0, sizeof one, &one);
    pid_t first = fork();
    if (first < 0) err(2, "fork");
    if (first == 0) {
        ptrace(PTRACE_TRACEME, 0, 0, 0);
        raise(SIGSTOP);
        execvp(word[2], word + 2);
        err(127, "execute %s", word[2]);
    }
    int status;
    if (waitpid(first, &status, 0) != first) err(2, "wait");
    long options = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEEXEC | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK |
                   PTRACE_O_TRACECLONE;
    if (ptrace(PTRACE_SETOPTIONS, first, 0, options) != 0) err(2, "ptrace");
    unsigned long count = 0;
    int started = 0; /* until the command's execve the process is ours */
    go_on(PTRACE_CONT, first, 0);
    for (;;) {
        pid_t pid = waitpid(-1, &status, __WALL);
        if (pid < 0) err(2, "wait");
        if (!WIFSTOPPED(status)) {
            replace(pid, 0);
            if (pid != first) continue;
            let_go();
            return ended(count, status);
        }
        int signal = WSTOPSIG(status), event = status >> 16;
        if (pid != first) replace(0, pid);
        if (event == PTRACE_EVENT_EXEC && pid != first) {
            replace(pid, 0);
            go_on(PTRACE_DETACH, pid, 0);
            continue;
        }
        started |= event == PTRACE_EVENT_EXEC;
        if (event == 0 && started) {
            if (signal == (SIGTRAP | 0x80)) count += at_entry(pid);
            if (signal == SIGTRAP && how == PTRACE_SINGLESTEP) count++;
        }
        /* Signals of others go on to the process; those of the tracing, and the stop that a new descendant begins
           with, do not. */
        int traced = event != 0 || signal == SIGTRAP || signal == (SIGTRAP | 0x80) || signal == SIGSTOP;
        go_on(started ? how : PTRACE_CONT, pid, traced ? 0 : signal);
    }
}
