//! Runs the same play for many seeds, some at once, and gathers those that fail.

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// A seed whose play panicked, with its words.
pub type Failed = (u64, String);

/// Plays every seed, so many at once; a play fails by a panic.
///
/// # Panics
/// Where a thread dies.
pub fn play(seeds: Range<u64>, at_once: usize, play: impl Fn(u64) + Sync) -> Vec<Failed> {
    let (next, failed) = (AtomicU64::new(seeds.start), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..at_once {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end {
                        return;
                    }
                    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| play(seed))) {
                        let words = panic.downcast_ref::<String>().map(String::as_str);
                        let words = words.or_else(|| panic.downcast_ref::<&str>().copied());
                        let words = words.unwrap_or("a panic without words").to_owned();
                        failed.lock().expect("no thread died").push((seed, words));
                    }
                }
            });
        }
    });
    failed.into_inner().expect("no thread died")
}
