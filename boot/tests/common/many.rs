//! Runs a check on many cases, as many at a time as tests run, and counts the cases that pass.
use std::env;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// Checks as many of the cases as `PROXIMA_CASES` says, evenly spaced, or all of them if it is not set. With `PROXIMA_CASE`,
/// only cases with that word in their name are checked.
///
/// # Panics
/// A case fails. The message names all cases that failed.
pub fn each<T: Sync>(what: &str, all: &[T], name: impl Fn(&T) -> &str + Sync, check: impl Fn(&T) + Sync) {
    let wanted = env::var("PROXIMA_CASE").unwrap_or_default();
    let all: Vec<&T> = all.iter().filter(|case| name(case).contains(&wanted)).collect();
    assert!(!all.is_empty(), "{what}: no case is called {wanted:?}");
    let count = env::var("PROXIMA_CASES").map_or(all.len(), |count| count.parse().expect("a count"));
    let count = count.min(all.len());
    let next = AtomicUsize::new(0);
    let worker = || {
        let mut failed = Vec::new();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            if index >= count {
                return failed;
            }
            let case = all[index * all.len() / count];
            // The panic has printed to standard error what was not as expected.
            if catch_unwind(AssertUnwindSafe(|| check(case))).is_err() {
                eprintln!("{what}: the last was {:?}", name(case));
                failed.push(name(case));
            }
        }
    };
    // As for the tests themselves, the variable of the test harness says how many; without it, there is one for each core.
    let told = env::var("RUST_TEST_THREADS").ok().and_then(|count| count.parse().ok());
    let workers = told.unwrap_or_else(|| thread::available_parallelism().map_or(1, usize::from));
    let failed: Vec<&str> = thread::scope(|scope| {
        let threads: Vec<_> = (0..workers).map(|_| scope.spawn(worker)).collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("catches what its cases throw")).collect()
    });
    assert!(failed.is_empty(), "{what}: {} of {count} failed: {failed:#?}", failed.len());
    println!("{what}: {count} of {} as expected", all.len());
}
