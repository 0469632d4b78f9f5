//! The two calls of 32-bit x86 that carry many: `socketcall` and `ipc`.
//!
//! A rule for `bind` must also hold for `socketcall(SYS_BIND, …)`. The sub-call stands in the first argument, so a
//! condition of the rule on its own first argument cannot be kept there; libseccomp replaces it, and so do we.
//! Numbers: linux/net.h (`SYS_*`), linux/ipc.h.

use crate::architecture::Architecture;

/// Number of `socketcall` on 32-bit x86.
const SOCKETCALL: u32 = 102;
/// Number of `ipc` on 32-bit x86.
const IPC: u32 = 117;

/// The multiplexed form of a call: number of the carrier and the value of its first argument.
pub(crate) fn multiplexed(architecture: Architecture, name: &str) -> Option<(u32, u64)> {
    if architecture != Architecture::X86 {
        return None;
    }
    let sub_call = |carrier, number| Some((carrier, number));
    match name {
        "socket" => sub_call(SOCKETCALL, 1),
        "bind" => sub_call(SOCKETCALL, 2),
        "connect" => sub_call(SOCKETCALL, 3),
        "listen" => sub_call(SOCKETCALL, 4),
        "accept" => sub_call(SOCKETCALL, 5),
        "getsockname" => sub_call(SOCKETCALL, 6),
        "getpeername" => sub_call(SOCKETCALL, 7),
        "socketpair" => sub_call(SOCKETCALL, 8),
        "send" => sub_call(SOCKETCALL, 9),
        "recv" => sub_call(SOCKETCALL, 10),
        "sendto" => sub_call(SOCKETCALL, 11),
        "recvfrom" => sub_call(SOCKETCALL, 12),
        "shutdown" => sub_call(SOCKETCALL, 13),
        "setsockopt" => sub_call(SOCKETCALL, 14),
        "getsockopt" => sub_call(SOCKETCALL, 15),
        "sendmsg" => sub_call(SOCKETCALL, 16),
        "recvmsg" => sub_call(SOCKETCALL, 17),
        "accept4" => sub_call(SOCKETCALL, 18),
        "semop" => sub_call(IPC, 1),
        "semget" => sub_call(IPC, 2),
        "semctl" => sub_call(IPC, 3),
        "semtimedop" => sub_call(IPC, 4),
        "msgsnd" => sub_call(IPC, 11),
        "msgrcv" => sub_call(IPC, 12),
        "msgget" => sub_call(IPC, 13),
        "msgctl" => sub_call(IPC, 14),
        "shmat" => sub_call(IPC, 21),
        "shmdt" => sub_call(IPC, 22),
        "shmget" => sub_call(IPC, 23),
        "shmctl" => sub_call(IPC, 24),
        _ => None,
    }
}
