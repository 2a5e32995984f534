//! Models of the ring: every interleaving of two CPUs that write and send, and every value that the memory model lets a load
//! see. `docs/testing.md` says how they run.
#![cfg(loom)]
use line_ring::{LineRing, Turn};
use loom::model::Builder;
use loom::sync::{Arc, Mutex};
use loom::thread;

/// A ring, and the port with what it has sent.
struct Output<const SLOTS: usize> {
    ring: LineRing<SLOTS>,
    port: Mutex<Vec<u8>>,
}

impl<const SLOTS: usize> Output<SLOTS> {
    fn new() -> Arc<Self> {
        Arc::new(Self { ring: LineRing::new(), port: Mutex::new(Vec::new()) })
    }

    fn drain(&self) {
        self.ring.drain(|| {
            let Ok(mut sent) = self.port.try_lock() else { return Turn::Leave };
            self.ring.send_front(|bytes| {
                sent.extend_from_slice(bytes);
                bytes.len()
            });
            Turn::Again
        });
    }

    fn sent(&self) -> Vec<u8> {
        self.port.lock().unwrap().clone()
    }
}

fn explore(model: impl Fn() + Sync + Send + 'static) {
    let mut builder = Builder::new();
    builder.max_branches = 100_000;
    builder.check(model);
}

#[test]
fn two_writers_that_both_send_leave_no_line_behind() {
    explore(|| {
        let output = Output::<2>::new();
        let other = output.clone();
        let writer = thread::spawn(move || {
            other.ring.append(b"a").unwrap();
            other.drain();
        });
        output.ring.append(b"b").unwrap();
        output.drain();
        writer.join().unwrap();
        assert!(!output.ring.has_lines());
        let mut sent = output.sent();
        sent.sort_unstable();
        assert_eq!(sent, b"ab");
    });
}

#[test]
fn a_slot_is_written_again_only_after_its_text_was_sent() {
    explore(|| {
        let output = Output::<1>::new();
        output.ring.append(b"a").unwrap();
        let other = output.clone();
        let sender = thread::spawn(move || other.drain());
        let appended = output.ring.append(b"b").is_ok();
        sender.join().unwrap();
        output.drain();
        assert_eq!(output.sent(), if appended { &b"ab"[..] } else { b"a" });
    });
}

#[test]
fn a_line_of_two_slots_comes_out_whole() {
    explore(|| {
        let output = Output::<3>::new();
        let other = output.clone();
        let writer = thread::spawn(move || {
            other.ring.append(&[b'a'; 121]).unwrap();
        });
        output.ring.append(b"b").unwrap();
        writer.join().unwrap();
        output.drain();
        let sent = output.sent();
        let long = [b'a'; 121];
        assert!(sent == [&long[..], b"b"].concat() || sent == [b"b", &long[..]].concat());
    });
}
