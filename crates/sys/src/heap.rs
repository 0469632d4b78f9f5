//! How the allocator of the C library keeps memory, see mallopt(3) and malloc_trim(3). With another C library these do
//! nothing.

/// Has all threads share one heap. By default each thread soon has its own, up to eight for each processor, and what is
/// free in one is of no use to the others. To be called before there are threads.
pub fn share() {
    #[cfg(target_env = "gnu")]
    {
        /// `M_ARENA_MAX` of malloc.h.
        const ARENAS_AT_MOST: libc::c_int = -8;
        // SAFETY: sets one number of the allocator, under its lock; an unknown one is refused and changes nothing.
        unsafe { libc::mallopt(ARENAS_AT_MOST, 1) };
    }
}

/// Gives pages that are free back to the kernel, wherever they are in the heap.
pub fn give_back() {
    #[cfg(target_env = "gnu")]
    // SAFETY: takes the allocator's locks and touches only what nobody owns.
    unsafe {
        libc::malloc_trim(0);
    }
}

#[cfg(all(test, target_env = "gnu"))]
mod tests {
    /// Resident pages that are nobody's file, in bytes.
    fn anonymous() -> usize {
        let text = std::fs::read_to_string("/proc/self/smaps_rollup").expect("this process");
        let line = text.lines().find_map(|line| line.strip_prefix("Anonymous:"));
        let number = line.and_then(|rest| rest.trim().strip_suffix(" kB")).expect("a size");
        number.parse::<usize>().expect("a number") << 10
    }

    #[test]
    fn free_pages_in_the_middle_of_the_heap_go_back() {
        const PIECE: usize = 16 << 10;
        super::share();
        let mut pieces: Vec<Vec<u8>> = (0..2048).map(|_| vec![1; PIECE]).collect();
        let last = pieces.pop();
        drop(pieces);
        let before = anonymous();
        super::give_back();
        let after = anonymous();
        assert!(after + (16 << 20) < before, "{before} and then {after}");
        drop(last);
    }
}
