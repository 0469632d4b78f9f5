#!/bin/sh
# Regenerates src/table.rs from the kernel's own headers (facts: names and numbers of system calls).
#
#   apt-get download linux-libc-dev          # Debian sid's package carries the headers of every architecture
#   dpkg-deb -x linux-libc-dev_*.deb /tmp/headers
#   crates/seccomp/generate-tables.sh /tmp/headers/usr/lib/linux/uapi > crates/seccomp/src/table.rs
#
# A name that a newer kernel dropped from its headers keeps its row: pass the old file's rows as second argument.
set -eu
uapi=$1
old=${2:-/dev/null}
{
    # name column number
    for pair in "1 x86/asm/unistd_64.h" "2 x86/asm/unistd_32.h" "3 x86/asm/unistd_x32.h" \
        "4 arm64/asm/unistd_64.h" "5 arm/asm/unistd-eabi.h"; do
        column=${pair%% *}
        sed -nE 's/^#define __NR_([a-z0-9_]+) *\(?(__[A-Z0-9_]+ *\+ *)?([0-9]+)\)?.*/\1 '"$column"' \3/p' \
            "$uapi/${pair#* }"
    done
    # The private calls of 32-bit ARM (arch/arm asm/unistd.h, __ARM_NR_BASE = 0x0f0000) and its one alias.
    sed -nE 's/^#define __ARM_NR_([a-z0-9_]+).*\+([0-9]+)\).*/\1 5 \2/p' "$uapi/arm/asm/unistd.h" |
        awk '{ print $1, $2, 983040 + $3 }'
    printf 'sync_file_range2 5 341\n'
    grep -oE '\("[a-z0-9_]+", \[[^]]*\]\)' "$old" | tr -d '()[],"' |
        awk '{ for (i = 2; i <= 6; i++) if ($i != "N") print $1, i - 1, $i }' || true
} | LC_ALL=C sort -k1,1 -k2,2n -u | LC_ALL=C awk '
    BEGIN {
        print "//! System call numbers of the architectures that filters are written for; generated, do not edit."
        print "//!"
        print "//! Made by `crates/seccomp/generate-tables.sh` from the kernel headers of Debian'"'"'s linux-libc-dev 7.2."
        print ""
        print "/// Stands for: this architecture has no such call."
        print "pub(crate) const N: u32 = u32::MAX;"
        print ""
        print "/// Name, then its number on x86_64, x86, x32 (without the x32 bit), aarch64, arm; sorted by name."
        print "#[rustfmt::skip]"
        print "#[allow(clippy::unreadable_literal)] // numbers as the headers write them"
        print "pub(crate) static SYSCALLS: &[(&str, [u32; 5])] = &["
    }
    function flush_row(  i, row) {
        if (name == "") return
        row = "(\"" name "\", ["
        for (i = 1; i <= 5; i++) row = row (i > 1 ? ", " : "") (i in number ? number[i] : "N")
        row = row "]),"
        if (line == "") line = "    " row
        else if (length(line) + length(row) < 119) line = line " " row
        else { print line; line = "    " row }
        delete number
    }
    $1 != name { flush_row(); name = $1 }
    { if (!($2 in number)) number[$2] = $3 }
    END { flush_row(); print line; print "];" }'
