//! The allocator of this crate's tests: whatever is aligned to four bytes (vectors of f32 and of offsets, all that the kernels read and write through raw
//! pointers) ends right before a page that nobody may touch. So every test of a kernel, whatever it asserts, also asserts that nothing is read or
//! written past the end of an operand, in every instruction set; and not before the page on which it starts.
#![allow(unsafe_code)] // an allocator

use rustix::mm::{MapFlags, MprotectFlags, ProtFlags, mmap_anonymous, mprotect, munmap};
use std::alloc::{GlobalAlloc, Layout, System};
use std::ptr::null_mut;

/// A multiple of every page size in use.
const PAGE: usize = 1 << 16;

struct Guarded;

#[global_allocator]
static ALLOCATOR: Guarded = Guarded;

fn guarded(layout: Layout) -> bool {
    layout.align() == 4
}

/// Bytes of the pages that may be used, between the two that may not.
fn inner(layout: Layout) -> usize {
    layout.size().next_multiple_of(PAGE)
}

// SAFETY: blocks are disjoint and as long as asked for: the system's, or the end of pages mapped for this block alone. A size is a multiple of
// four where the alignment is, as for every array, or the end is moved down until it is.
unsafe impl GlobalAlloc for Guarded {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if !guarded(layout) {
            // SAFETY: the caller's promise.
            return unsafe { System.alloc(layout) };
        }
        let inner = inner(layout);
        // SAFETY: a new mapping; only its inner pages are made accessible.
        unsafe {
            let Ok(base) =
                mmap_anonymous(null_mut(), inner + 2 * PAGE, ProtFlags::empty(), MapFlags::PRIVATE)
            else {
                return null_mut();
            };
            let start = base.cast::<u8>().add(PAGE);
            match mprotect(start.cast(), inner, MprotectFlags::READ | MprotectFlags::WRITE) {
                Ok(()) => start.add(inner - layout.size().next_multiple_of(4)),
                Err(_) => null_mut(),
            }
        }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        if !guarded(layout) {
            // SAFETY: the caller's promise.
            return unsafe { System.dealloc(ptr, layout) };
        }
        let inner = inner(layout);
        // SAFETY: the way back to the start of the mapping that `alloc` made for this layout.
        unsafe {
            let base = ptr.add(layout.size().next_multiple_of(4)).sub(inner + PAGE);
            munmap(base.cast(), inner + 2 * PAGE).expect("the mapping of this block");
        }
    }
}

/// Run by the test below in a process of its own.
#[test]
#[ignore = "dies"]
fn reads_past_the_end() {
    let v = std::hint::black_box(vec![1f32; 5]);
    // SAFETY: none; that is the point.
    std::hint::black_box(unsafe { v.as_ptr().add(5).read_volatile() });
}

#[test]
fn a_read_past_the_end_is_deadly() {
    use std::os::unix::process::ExitStatusExt;
    let me = std::env::current_exe().expect("a test binary");
    let args = ["--exact", "guard::reads_past_the_end", "--ignored"];
    let out = std::process::Command::new(me).args(args).output().expect("it can be started");
    assert!(out.status.signal().is_some(), "{:?}: {}", out.status, String::from_utf8_lossy(&out.stdout));
}
