//! Threads of the host as CPUs: blocks go from one to another, and none is lost or granted twice.
mod machine;

#[test]
fn blocks_that_threads_exchange_all_come_back() {
    assert!(machine::exchange::exchange(200_000) > 0);
}
