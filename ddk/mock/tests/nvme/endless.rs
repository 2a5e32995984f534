//! A controller that completes for ever: each completion makes the client submit again, and the controller completes that at once. No poll
//! and no interrupt goes on for ever, and what they leave is completed without waiting for the look at old requests.
use crate::controller::BLOCK;
use crate::{SECOND, driver, machine, start};
use driver_mock::abi::{self, BLOCK_OK, BlockRequest};
use driver_mock::{Disk, Request};
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, Ordering};

/// The entries of a queue.
const ENTRIES: u32 = 64;
/// The most completions of a poll.
const MOST_OF_POLL: u32 = 2 * ENTRIES;
/// The most polls of an interrupt.
const MOST_POLLS: u32 = 4;
/// So often the request is submitted: far more often than one call may complete it.
const TIMES: u32 = 5000;

// Each run is a process of its own.
static DISK: AtomicI32 = AtomicI32::new(0);
static ENDED: AtomicU32 = AtomicU32::new(0);
static IS_LAST: AtomicBool = AtomicBool::new(false);

/// Submits the request once more, up to [`TIMES`].
unsafe extern "C" fn submit_again(request: *mut BlockRequest) {
    let ended = ENDED.fetch_add(1, Ordering::Relaxed) + 1;
    // SAFETY: the request exists until the end of the run, and has ended.
    let status = unsafe { (*request).Status };
    assert_eq!(status, BLOCK_OK);
    if ended == TIMES || IS_LAST.load(Ordering::Relaxed) {
        return;
    }
    // SAFETY: as above, and the request is not outstanding.
    let accepted = unsafe { abi::Kernel_SubmitBlock(DISK.load(Ordering::Relaxed), &request, 1) };
    assert_eq!(accepted, 1);
    // The controller works meanwhile.
    // SAFETY: the function has no arguments.
    unsafe { abi::Kernel_GetTime() };
}

fn submit(disk: Disk, request: Request) {
    let request = BlockRequest { Done: Some(submit_again), ..request.description() };
    let request: *mut BlockRequest = Box::leak(Box::new(request));
    DISK.store(disk.id(), Ordering::Relaxed);
    // SAFETY: the request exists until the end of the run.
    assert_eq!(unsafe { abi::Kernel_SubmitBlock(disk.id(), &request, 1) }, 1);
}

#[test]
fn a_poll_ends() {
    machine().run(driver(), |kernel| {
        let (_controller, disk) = start(kernel);
        let buffer = disk.buffer(BLOCK);
        submit(disk, Request::read(3, 1, &[buffer.whole()]).polled());
        for _ in 0..10 {
            let before = ENDED.load(Ordering::Relaxed);
            let completed = disk.poll() as u32;
            assert_eq!(ENDED.load(Ordering::Relaxed) - before, completed);
            assert!((2..=MOST_OF_POLL).contains(&completed), "a poll has completed {completed} requests");
        }
        IS_LAST.store(true, Ordering::Relaxed);
        assert_eq!(disk.poll(), 1);
    });
}

#[test]
fn an_interrupt_ends_and_a_thread_completes_the_rest() {
    machine().run(driver(), |kernel| {
        let (controller, disk) = start(kernel);
        let buffer = disk.buffer(BLOCK);
        // A controller that waits for room would let each poll end with the queue.
        controller.with(|model, _| (model.interrupts, model.overruns) = (1, true));
        submit(disk, Request::read(3, 1, &[buffer.whole()]));
        assert!(disk.info().is_some());
        let ended = ENDED.load(Ordering::Relaxed);
        assert!(
            (2..=MOST_POLLS * MOST_OF_POLL).contains(&ended),
            "an interrupt has completed {ended} requests"
        );
        assert!(kernel.wait_until(SECOND, || ENDED.load(Ordering::Relaxed) == TIMES));
    });
}
