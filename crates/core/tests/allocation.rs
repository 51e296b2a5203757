//! The steady-state training step allocates nothing: counted by the allocator itself.
#![allow(missing_docs, unsafe_code)]
mod common;

use common::Case;
use realign::rules::RULES;
use realign::tensor::DType;
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicU64, Ordering};

struct Counting;

static COUNT: AtomicU64 = AtomicU64::new(0);

// SAFETY: every call is passed on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(ptr, layout) }
    }
    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        COUNT.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.realloc(ptr, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// One test, because the count is one.
#[test]
fn a_training_step_allocates_nothing() {
    dense_networks();
    convolutional_networks();
}

/// Our own code must allocate nothing per step once every buffer exists. The product kernel takes its packing space from the
/// heap for some shapes; those used here it serves without.
fn dense_networks() {
    for rule in RULES {
        for optimizer in ["name = \"sgd\"", "name = \"sgd\"\nmomentum = 0.9", "name = \"adam\""] {
            for dtype in [DType::F32, DType::F64] {
                let case = Case {
                    dtype,
                    optimizer: optimizer.into(),
                    network: "dropout = 0.1".into(),
                    ..Case::rule(rule.name)
                };
                let mut trainer = case.trainer();
                (0..9).for_each(|_| {
                    trainer.train_step();
                });
                let before = COUNT.load(Ordering::Relaxed);
                (0..9).for_each(|_| {
                    trainer.train_step();
                });
                let made = COUNT.load(Ordering::Relaxed) - before;
                assert_eq!(made, 0, "{} {optimizer} {dtype}: {made} allocations in 9 steps", rule.name);
            }
        }
    }
}

/// The same for convolutions, pooling and batch norm: column matrices and partial sums come from buffers that stay.
fn convolutional_networks() {
    for net in [
        "model = \"convnet\"\nwidth = 3\ndepth = 3\nstages = 2\nbatch_norm = true",
        "model = \"convnet\"\nwidth = 3\ndepth = 3\nstages = 2\ndownsample = \"max_pool\"",
    ] {
        for rule in RULES {
            for dtype in [DType::F32, DType::F64] {
                let mut trainer =
                    common::images::Images { dtype, ..common::images::Images::of(net).rule(rule.name) }
                        .trainer();
                (0..9).for_each(|_| {
                    trainer.train_step();
                });
                let before = COUNT.load(Ordering::Relaxed);
                (0..9).for_each(|_| {
                    trainer.train_step();
                });
                let made = COUNT.load(Ordering::Relaxed) - before;
                assert_eq!(made, 0, "{} {net} {dtype}: {made} allocations in 9 steps", rule.name);
            }
        }
    }
}
