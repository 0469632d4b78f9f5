//! Kernel keyrings: a container gets its own session keyring. See keyctl(2).

use crate::clone::last_error;
use rustix::io::Result;
use std::ffi::CStr;

const JOIN_SESSION: libc::c_ulong = 1;
const DESCRIBE: libc::c_ulong = 6;
const SET_PERMISSIONS: libc::c_ulong = 5;
/// Who may search a keyring besides its possessor: bits of its permission mask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Searcher {
    /// `KEY_USR_SEARCH`: the user it belongs to.
    Owner = 0x0008_0000,
    /// `KEY_OTH_SEARCH`: everybody.
    Others = 0x0000_0008,
}

/// Joins a new session keyring of that name.
///
/// # Errors
/// Those of keyctl(2); `ENOSYS` without keyrings, `EDQUOT` when the user's quota is used up.
pub fn join_session(name: &CStr) -> Result<i32> {
    // SAFETY: KEYCTL_JOIN_SESSION_KEYRING reads one C string.
    let id = unsafe { libc::syscall(libc::SYS_keyctl, JOIN_SESSION, name.as_ptr(), 0, 0, 0) };
    if id < 0 { Err(last_error()) } else { Ok(id as i32) }
}

/// Lets somebody search the keyring, so that processes that are executed later find its keys.
///
/// # Errors
/// Those of keyctl(2).
pub fn let_search(id: i32, who: Searcher) -> Result<()> {
    let mut text = [0u8; 256];
    // SAFETY: KEYCTL_DESCRIBE writes at most the given length into the buffer.
    let length = unsafe { libc::syscall(libc::SYS_keyctl, DESCRIBE, id, text.as_mut_ptr(), text.len(), 0) };
    if length < 0 {
        return Err(last_error());
    }
    // "keyring;0;0;3f010000;_ses": the fourth field is the permission mask in hexadecimal.
    let end = (length as usize).min(text.len());
    let mask = std::str::from_utf8(&text[..end])
        .ok()
        .and_then(|text| text.split(';').nth(3))
        .and_then(|field| u32::from_str_radix(field, 16).ok())
        .ok_or(rustix::io::Errno::INVAL)?;
    // SAFETY: KEYCTL_SETPERM takes integers only.
    let result = unsafe { libc::syscall(libc::SYS_keyctl, SET_PERMISSIONS, id, mask | who as u32, 0, 0) };
    if result < 0 { Err(last_error()) } else { Ok(()) }
}
