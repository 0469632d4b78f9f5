//! What processes have used, see getrusage(2).

use rustix::io::Result;
use std::time::Duration;

/// CPU time of all children that ended and were waited for, and of theirs: in user space and in the kernel.
///
/// The kernel keeps nanoseconds and gives microseconds, whatever its clock ticks are.
///
/// # Errors
/// None that is known; the call may be hidden by a filter.
pub fn cpu_of_children() -> Result<Duration> {
    // SAFETY: rusage is a plain struct of integers for which zero is a valid value.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: the kernel writes one rusage, which lives until the call returns.
    if unsafe { libc::getrusage(libc::RUSAGE_CHILDREN, &raw mut usage) } != 0 {
        return Err(crate::clone::last_error());
    }
    let time = |time: libc::timeval| {
        Duration::from_secs(time.tv_sec.unsigned_abs()) + Duration::from_micros(time.tv_usec.unsigned_abs())
    };
    Ok(time(usage.ru_utime) + time(usage.ru_stime))
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_child_that_works_shows_when_it_was_waited_for() {
        let before = super::cpu_of_children().expect("a time");
        let counts = "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done";
        let status = std::process::Command::new("sh").args(["-c", counts]).status();
        assert!(status.expect("sh").success());
        assert!(super::cpu_of_children().expect("a time") > before);
    }
}
