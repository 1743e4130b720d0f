// SPDX-License-Identifier: GPL-3.0-or-later
//! Bytes on the heap, once somebody has asked for them to be counted.
#![allow(dead_code, unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicBool, AtomicIsize, Ordering};

static IS_COUNTING: AtomicBool = AtomicBool::new(false);
static LIVE: AtomicIsize = AtomicIsize::new(0);

struct Counted;

fn count(bytes: usize, sign: isize) {
    if IS_COUNTING.load(Ordering::Relaxed) {
        LIVE.fetch_add(bytes.cast_signed() * sign, Ordering::Relaxed);
    }
}

// SAFETY: everything is left to the system's allocator, with the arguments as they came; counting
// allocates nothing.
unsafe impl GlobalAlloc for Counted {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size(), 1);
        // SAFETY: the caller keeps what `GlobalAlloc` asks for, which is what `System` asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(layout.size(), -1);
        // SAFETY: as above; what is given back came from `System`.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(layout.size(), -1);
        count(size, 1);
        // SAFETY: as above.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counted = Counted;

/// Bytes in use since the first call, which costs others next to nothing before it.
pub(crate) fn live_bytes() -> isize {
    IS_COUNTING.store(true, Ordering::Relaxed);
    LIVE.load(Ordering::Relaxed)
}
