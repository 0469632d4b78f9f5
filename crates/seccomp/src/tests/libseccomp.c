/* The oracle: builds the filter that libseccomp makes of a profile and writes it to stdout.
 * stdin, a line each:  default ACTION | arch NAME | rule ACTION NAME [INDEX OP A B]...
 * stderr: names that the library does not know ("unknown NAME") and the time taken ("nanoseconds N"). */
#include <errno.h>
#include <seccomp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static int64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

int main(void) {
    char line[65536];
    scmp_filter_ctx ctx = NULL;
    int arches = 0, keep_native = 0;
    int64_t start = now();
    while (fgets(line, sizeof line, stdin)) {
        char *save, *word = strtok_r(line, " \n", &save);
        if (!word) continue;
        if (!strcmp(word, "default")) {
            ctx = seccomp_init(strtoul(strtok_r(NULL, " \n", &save), NULL, 16));
            seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
        } else if (!strcmp(word, "arch")) {
            uint32_t arch = seccomp_arch_resolve_name(strtok_r(NULL, " \n", &save));
            int error = seccomp_arch_add(ctx, arch);
            if (error && error != -EEXIST) return 2;
            keep_native |= arch == seccomp_arch_native();
            arches++;
        } else if (!strcmp(word, "rule")) {
            if (arches && !keep_native) {
                seccomp_arch_remove(ctx, SCMP_ARCH_NATIVE);
                keep_native = 1;
            }
            uint32_t action = strtoul(strtok_r(NULL, " \n", &save), NULL, 16);
            char *name = strtok_r(NULL, " \n", &save), *index;
            struct scmp_arg_cmp conditions[6];
            unsigned count = 0;
            while ((index = strtok_r(NULL, " \n", &save))) {
                conditions[count].arg = strtoul(index, NULL, 10);
                conditions[count].op = strtoul(strtok_r(NULL, " \n", &save), NULL, 10);
                conditions[count].datum_a = strtoull(strtok_r(NULL, " \n", &save), NULL, 16);
                conditions[count].datum_b = strtoull(strtok_r(NULL, " \n", &save), NULL, 16);
                count++;
            }
            int number = seccomp_syscall_resolve_name(name);
            if (number == __NR_SCMP_ERROR) {
                fprintf(stderr, "unknown %s\n", name);
                continue;
            }
            int error = seccomp_rule_add_array(ctx, action, number, count, conditions);
            if (error) {
                fprintf(stderr, "rule %s: %s\n", name, strerror(-error));
                return 3;
            }
        }
    }
    if (seccomp_export_bpf(ctx, 1)) return 4;
    fprintf(stderr, "nanoseconds %lld\n", (long long)(now() - start));
    return 0;
}
