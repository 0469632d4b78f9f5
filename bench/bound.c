/*
 * The least that a container costs on this kernel: one clone3 with six namespaces, the mounts of the default bundle
 * (`tierce-runtime spec`), pivot_root, exec, wait. No cgroup, no seccomp, no capabilities, no device nodes, no masked
 * paths, no state on disk, no configuration to parse: a runtime that does all of that is measured against it.
 *
 *     bound ROOTFS PROGRAM [ARGUMENT...]        exit code: the program's
 */
#define _GNU_SOURCE
#include <err.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void mounted(const char *kind, const char *target, unsigned long flags, const char *options) {
    mkdir(target, 0755); /* most are there */
    if (mount(kind, target, kind, flags, options) != 0) err(1, "mount %s", target);
}

static void container(const char *rootfs, char **command) {
    const unsigned long quiet = MS_NOSUID | MS_NOEXEC | MS_NODEV;
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0) err(1, "make / private");
    if (mount(rootfs, rootfs, NULL, MS_BIND | MS_REC, NULL) != 0) err(1, "bind %s", rootfs);
    if (chdir(rootfs) != 0) err(1, "chdir %s", rootfs);
    mounted("proc", "proc", 0, NULL);
    mounted("tmpfs", "dev", MS_NOSUID | MS_STRICTATIME, "mode=755,size=65536k");
    mounted("devpts", "dev/pts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620,gid=5");
    mounted("tmpfs", "dev/shm", quiet, "mode=1777,size=65536k");
    mounted("mqueue", "dev/mqueue", quiet, NULL);
    mounted("sysfs", "sys", quiet | MS_RDONLY, NULL);
    if (syscall(SYS_pivot_root, ".", ".") != 0) err(1, "pivot_root");
    if (umount2(".", MNT_DETACH) != 0) err(1, "detach the old root");
    if (mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL) != 0) err(1, "make / read-only");
    if (chdir("/") != 0) err(1, "chdir /");
    if (sethostname("bound", 5) != 0) err(1, "sethostname");
    execv(command[0], command);
    err(127, "exec %s", command[0]);
}

int main(int count, char **words) {
    if (count < 3) errx(2, "usage: bound ROOTFS PROGRAM [ARGUMENT...]");
    struct clone_args arguments = {
        .flags = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP,
        .exit_signal = SIGCHLD,
    };
    long child = syscall(SYS_clone3, &arguments, sizeof arguments);
    if (child < 0) err(1, "clone3");
    if (child == 0) container(words[1], words + 2);
    int status;
    if (waitpid((pid_t)child, &status, 0) < 0) err(1, "wait");
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
