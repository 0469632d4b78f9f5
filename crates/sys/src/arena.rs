//! The heap of a program that lives for milliseconds.
//!
//! A runtime is started for every verb of every container, allocates some thousand small pieces, and ends. A general
//! allocator asks the kernel for pages, gives them back, and looks for room: a tenth of the CPU time of a `run`. Here a
//! piece is a step of a cursor over memory that the program was loaded with, and giving back is nothing, except for the
//! piece that was handed out last (a vector that grows, a path that was put together for one call). Where the memory
//! ends, the system's allocator goes on, so that verbs that stay (`events`, a terminal's `run`) keep a bounded heap.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::UnsafeCell;
use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// Bytes. Pages that are never reached cost nothing; a `run` reaches about a fifth.
const SIZE: usize = 512 * 1024;

/// Alignment of the memory as a whole; pieces that want more go to the system.
const ALIGNMENT: usize = 16;

#[repr(C, align(16))]
struct Memory(UnsafeCell<[u8; SIZE]>);

// SAFETY: the bytes are only ever touched by whoever was handed them, and the cursor hands each out once.
unsafe impl Sync for Memory {}

/// An allocator for `#[global_allocator]`; there is one memory for all values of this type.
#[derive(Debug, Clone, Copy, Default)]
pub struct Arena;

static MEMORY: Memory = Memory(UnsafeCell::new([0; SIZE]));
/// Bytes of [`MEMORY`] that are in use, from its start.
static USED: AtomicUsize = AtomicUsize::new(0);

/// Where a piece begins in the arena; `None` for a piece of the system's.
fn offset(piece: *const u8) -> Option<usize> {
    let offset = (piece as usize).wrapping_sub(MEMORY.0.get() as usize);
    (offset < SIZE).then_some(offset)
}

/// The first number from `offset` upwards that `layout` may begin at, and the number behind the piece.
fn place(offset: usize, layout: Layout) -> Option<(usize, usize)> {
    let start = offset.checked_next_multiple_of(layout.align())?;
    let end = start.checked_add(layout.size())?;
    (layout.align() <= ALIGNMENT && end <= SIZE).then_some((start, end))
}

// SAFETY: pieces do not overlap, for each successful exchange of the cursor hands out the bytes between its old and new
// value, and it goes back only over the last piece, whose owner gives it up. They lie in a static and are aligned, since
// the static is and offsets are multiples. Whatever does not fit is the system allocator's, which keeps its own promises
// and gets back only what it gave out (told by the address).
unsafe impl GlobalAlloc for Arena {
    // Not inlined, all three: there are thousands of callers, and a call costs less than the room.
    #[inline(never)]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let mut used = USED.load(Relaxed);
        while let Some((start, end)) = place(used, layout) {
            match USED.compare_exchange_weak(used, end, Relaxed, Relaxed) {
                // SAFETY: `start` is within the memory.
                Ok(_) => return unsafe { MEMORY.0.get().cast::<u8>().add(start) },
                Err(now) => used = now,
            }
        }
        // SAFETY: the caller's promise about the layout is passed on.
        unsafe { System.alloc(layout) }
    }

    #[inline(never)]
    unsafe fn dealloc(&self, piece: *mut u8, layout: Layout) {
        match offset(piece) {
            // The last piece is given back; any other stays, which is no error.
            Some(start) => drop(USED.compare_exchange(start + layout.size(), start, Relaxed, Relaxed)),
            // SAFETY: it is not of the arena, so the system gave it out, with this layout.
            None => unsafe { System.dealloc(piece, layout) },
        }
    }

    #[inline(never)]
    unsafe fn realloc(&self, piece: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let Some(start) = offset(piece) else {
            // SAFETY: as in `dealloc`; the caller promises a valid size.
            return unsafe { System.realloc(piece, layout, size) };
        };
        let (end, wanted) = (start + layout.size(), start.saturating_add(size));
        if wanted <= SIZE && USED.compare_exchange(end, wanted, Relaxed, Relaxed).is_ok() {
            return piece;
        }
        if size <= layout.size() {
            return piece;
        }
        // SAFETY: the caller promises that size and alignment make a layout.
        let new = unsafe { self.alloc(Layout::from_size_align_unchecked(size, layout.align())) };
        if !new.is_null() {
            // SAFETY: both are at least `layout.size()` bytes long, and a new piece overlaps no other.
            unsafe { ptr::copy_nonoverlapping(piece, new, layout.size()) };
        }
        new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The tests share the one arena with each other, so only what holds for any order is asked.
    fn layout(size: usize, align: usize) -> Layout {
        Layout::from_size_align(size, align).expect("a layout")
    }

    #[test]
    fn pieces_are_aligned_keep_their_bytes_and_do_not_overlap() {
        let mut pieces = Vec::new();
        for round in 0..2000usize {
            let layout = layout(1 + round % 700, 1 << (round % 7));
            // SAFETY: the size is not zero; the bytes written are within the piece.
            let piece = unsafe {
                let piece = Arena.alloc(layout);
                assert!(!piece.is_null() && (piece as usize).is_multiple_of(layout.align()));
                piece.write_bytes(round as u8, layout.size());
                piece
            };
            pieces.push((piece, layout, round as u8));
        }
        // More than the arena holds: the later ones are the system's.
        assert!(pieces.iter().any(|(piece, ..)| offset(*piece).is_none()));
        for (piece, layout, byte) in pieces {
            // SAFETY: all `layout.size()` bytes were written; each is given back once, with its layout.
            unsafe {
                let grown = Arena.realloc(piece, layout, layout.size() + 100);
                let kept = std::slice::from_raw_parts(grown, layout.size());
                assert!(kept.iter().all(|kept| *kept == byte));
                Arena.dealloc(grown, super::tests::layout(layout.size() + 100, layout.align()));
            }
        }
    }

    #[test]
    fn places_never_pass_the_end() {
        assert_eq!(place(1, layout(8, 16)), Some((16, 24)));
        assert_eq!(place(SIZE - 8, layout(8, 8)), Some((SIZE - 8, SIZE)));
        assert_eq!(place(SIZE - 7, layout(8, 8)), None);
        assert_eq!(place(0, layout(8, 32)), None);
    }
}
