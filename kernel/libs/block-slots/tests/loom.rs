//! Models of the slots: every interleaving of CPUs that submit, complete and unregister. `docs/testing.md` says how they run.
#![cfg(loom)]
use block_slots::{Slot, Slots};
use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::sync::atomic::{
    AtomicUsize,
    Ordering::{AcqRel, Acquire, Relaxed},
};
use loom::thread;

/// The turn of driver_kit, by which drivers submit and poll. driver_kit itself knows loom only for what is modelled here.
#[path = "../../../../ddk/driver/src/sync/turn.rs"]
mod turn;
use countdown::Countdown;
use submissions::Submissions;
use turn::Turn;

/// The countdown by which a client waits for its requests.
#[path = "../../../../ddk/driver/src/sync/countdown.rs"]
mod countdown;

/// The end of a queue for submissions.
#[allow(dead_code, reason = "a driver uses the rest")]
#[path = "../../../../ddk/driver/src/block/submissions.rs"]
mod submissions;

#[path = "kit/driver.rs"]
mod driver;
#[path = "kit/sync.rs"]
mod sync;
#[path = "kit/wait.rs"]
mod wait;

const A: usize = 0xffff_8000_0000_1000;
const B: usize = 0xffff_8000_0000_2000;

/// The notes of the first slots of two queues.
const FIRST: usize = 0x50_0000;
const OTHER: usize = 0x60_0000;

/// A queue of two slots.
struct Queue {
    slots: [Slot; 2],
    first_note: usize,
    next: AtomicUsize,
}

impl Queue {
    fn new(first_note: usize) -> Arc<Self> {
        let slots = [Slot::free(first_note), Slot::free(first_note + 1)];
        Arc::new(Self { slots, first_note, next: AtomicUsize::new(0) })
    }

    fn claim(&self, index: usize, request: usize) -> bool {
        self.slots[index].claim(request, self.first_note + index)
    }

    fn release(&self, index: usize, request: usize) -> bool {
        self.slots[index].release(request, self.first_note + index)
    }

    fn take_all(&self) -> usize {
        self.slots.iter().zip(self.first_note..).filter_map(|(slot, note)| slot.take(note)).count()
    }

    /// Submits a request that notes this slot. Returns true if it was accepted.
    fn claim_any(&self, request: usize, note: &AtomicUsize, noted: (&Slot, usize)) -> bool {
        let slots = Slots { slots: &self.slots, first_note: self.first_note, next: &self.next };
        let change = |new| note.compare_exchange(noted.1, new, AcqRel, Acquire).is_ok();
        slots.claim_any(request, noted, change).is_ok()
    }

    /// Submits a request for the first time. Returns the slot.
    fn claim_first(&self, request: usize) -> usize {
        let note = AtomicUsize::new(0);
        assert!(self.claim_any(request, &note, (&Slot::unusable(), 0)));
        note.load(Relaxed) - self.first_note
    }
}

fn slots() -> Arc<Queue> {
    Queue::new(FIRST)
}

/// Runs both at the same time, and returns what they return.
fn both(first: impl FnOnce() -> usize + 'static, second: impl FnOnce() -> usize) -> (usize, usize) {
    let other = thread::spawn(first);
    let mine = second();
    (other.join().unwrap(), mine)
}

#[test]
fn of_two_completions_of_a_request_one_succeeds() {
    loom::model(|| {
        let slots = slots();
        assert!(slots.claim(0, A));
        let release = |slots: Arc<Queue>| move || usize::from(slots.release(0, A));
        let (first, second) = both(release(slots.clone()), release(slots));
        assert_eq!(first + second, 1);
    });
}

#[test]
fn of_two_submissions_of_a_request_that_has_a_slot_one_succeeds() {
    loom::model(|| {
        let slots = slots();
        let claim = |slots: Arc<Queue>| move || usize::from(slots.claim(1, A));
        let (first, second) = both(claim(slots.clone()), claim(slots));
        assert_eq!(first + second, 1);
    });
}

#[test]
fn an_unregistration_and_a_completion_end_a_request_once() {
    loom::model(|| {
        let slots = slots();
        assert!(slots.claim(0, A));
        let completing = slots.clone();
        let (completed, gone) = both(move || usize::from(completing.release(0, A)), || slots.take_all());
        assert_eq!(completed + gone, 1);
    });
}

#[test]
fn two_searches_find_different_slots() {
    loom::model(|| {
        let slots = slots();
        let other = slots.clone();
        let (first, second) = both(move || other.claim_first(A), || slots.claim_first(B));
        assert_ne!(first, second);
        assert!(slots.slots[first].holds(A) && slots.slots[second].holds(B));
    });
}

#[test]
fn what_was_written_before_a_submission_is_seen_by_the_completion() {
    loom::model(|| {
        let slots = slots();
        let content = Arc::new(UnsafeCell::new(0));
        let (submitting, written) = (slots.clone(), content.clone());
        let (_, completed) = both(
            move || {
                written.with_mut(|_| ());
                usize::from(submitting.claim(0, A))
            },
            || {
                let completed = slots.release(0, A);
                if completed {
                    content.with(|_| ());
                }
                usize::from(completed)
            },
        );
        assert!(completed <= 1);
    });
}

#[test]
fn a_request_that_is_submitted_again_is_completed_once_more_and_no_more() {
    loom::model(|| {
        let slots = slots();
        let completions = Arc::new(AtomicUsize::new(0));
        assert!(slots.claim(0, A));
        let (other, count) = (slots.clone(), completions.clone());
        let again = thread::spawn(move || {
            if other.release(0, A) {
                count.fetch_add(1, Relaxed);
                assert!(other.claim(0, A));
            }
        });
        if slots.release(0, A) {
            completions.fetch_add(1, Relaxed);
        }
        again.join().unwrap();
        let left = slots.take_all();
        // Either the one that submits again was first, or it found nothing to complete.
        match completions.load(Relaxed) {
            1 => assert!(left <= 1),
            2 => assert_eq!(left, 0),
            count => panic!("{count} completions"),
        }
    });
}

/// A CPU may read the note, and claim the slot only when the request has moved already. It reads the note once more.
#[test]
fn a_request_that_is_submitted_to_two_queues_is_accepted_and_completed_once_by_its_note() {
    loom::model(|| {
        let (old, new) = (Queue::new(FIRST), Queue::new(OTHER));
        let note = Arc::new(AtomicUsize::new(FIRST));
        let (submitting, read) = (old.clone(), note.clone());
        let (usual, moved) = both(
            move || {
                let noted = read.load(Acquire);
                usize::from(submitting.slots[0].claim_noted(A, noted, |note| read.load(Acquire) == note))
            },
            || usize::from(new.claim_any(A, &note, (&old.slots[0], FIRST))),
        );
        assert_eq!(usual + moved, 1);
        let note = note.load(Relaxed);
        let queue = if note < OTHER { &old } else { &new };
        assert_eq!(note >= OTHER, moved == 1);
        let complete = || usize::from(queue.release(note - queue.first_note, A));
        assert_eq!(complete() + complete(), 1);
    });
}

#[test]
fn of_two_first_submissions_of_a_request_to_two_queues_one_succeeds() {
    loom::model(|| {
        let (first, second) = (Queue::new(FIRST), Queue::new(OTHER));
        let note = Arc::new(AtomicUsize::new(0));
        let submit = |queue: Arc<Queue>, note: Arc<AtomicUsize>| {
            move || usize::from(queue.claim_any(A, &note, (&Slot::unusable(), 0)))
        };
        let (one, other) = both(submit(first.clone(), note.clone()), submit(second.clone(), note));
        assert_eq!(one + other, 1);
        assert_eq!(first.take_all() + second.take_all(), 1);
    });
}

/// The end of a queue, with the numbers of the requests that were submitted, and how much of what was wanted is done.
struct SubmissionQueue {
    submissions: Submissions<(std::vec::Vec<usize>, usize)>,
    wanted: AtomicUsize,
}

impl SubmissionQueue {
    fn new() -> Self {
        Self { submissions: Submissions::new((std::vec::Vec::new(), 0)), wanted: AtomicUsize::new(0) }
    }

    fn submit(&self, number: usize) {
        let request = driver::Request::new(number);
        self.submissions.submit(request, |(done, _), request| done.push(request.number()), self.left());
    }

    /// Returns what whoever has the turn does for the others.
    fn left(&self) -> impl Fn(&mut (std::vec::Vec<usize>, usize), Option<driver::Request<'_>>) + '_ {
        |(done, of_wanted), request| match request {
            Some(request) => done.push(request.number()),
            None => *of_wanted = self.wanted.load(Relaxed),
        }
    }

    /// Wants one more.
    fn want_one(&self) {
        self.wanted.fetch_add(1, Relaxed);
        self.submissions.want(self.left());
    }

    fn submitted(&self) -> std::vec::Vec<usize> {
        self.submissions.use_alone(|(done, _)| done.clone(), |_, _| ())
    }

    fn done_of_wanted(&self) -> usize {
        self.submissions.use_alone(|(_, of_wanted)| *of_wanted, |_, _| ())
    }
}

/// Work that is wanted, and what the one with the turn has done of it, which nobody else may touch.
struct Wanted {
    turn: Turn,
    wanted: AtomicUsize,
    done: UnsafeCell<usize>,
}

impl Wanted {
    fn new() -> Arc<Self> {
        Arc::new(Self { turn: Turn::new(), wanted: AtomicUsize::new(0), done: UnsafeCell::new(0) })
    }

    /// Does all that is wanted. The caller has the turn.
    fn work(&self) {
        let all = self.wanted.load(Relaxed);
        // SAFETY: only whoever has the turn touches it, which the model checks.
        self.done.with_mut(|done| unsafe { *done = all });
    }

    /// Wants one more, and does it unless somebody else will.
    fn want_one(&self) {
        self.wanted.fetch_add(1, Relaxed);
        if self.turn.take() || self.turn.want() {
            self.work();
            while self.turn.end_is_early() && self.turn.take_again() {
                self.work();
            }
        }
    }
}

#[test]
fn of_cpus_that_want_a_turn_at_once_one_at_a_time_works_and_all_is_done() {
    loom::model(|| {
        let wanted = Wanted::new();
        let others = [wanted.clone(), wanted.clone()];
        let threads = others.map(|other| thread::spawn(move || other.want_one()));
        wanted.want_one();
        for thread in threads {
            thread.join().unwrap();
        }
        // SAFETY: all threads have ended.
        wanted.done.with(|done| assert_eq!(unsafe { *done }, 3));
        assert!(wanted.turn.take(), "nobody has the turn");
    });
}

/// A request that was left lies in the list until whoever has the turn takes it, with what its submitter has written.
#[test]
fn three_cpus_that_submit_at_once_submit_each_request_once() {
    loom::model(|| {
        let queue = Arc::new(SubmissionQueue::new());
        let others = [1, 2].map(|number| {
            let queue = queue.clone();
            thread::spawn(move || queue.submit(number))
        });
        queue.submit(3);
        others.into_iter().for_each(|other| other.join().unwrap());
        let mut submitted = queue.submitted();
        submitted.sort_unstable();
        assert_eq!(submitted, [1, 2, 3]);
    });
}

#[test]
fn what_is_wanted_while_another_cpu_submits_is_done_behind_it() {
    loom::model(|| {
        let queue = Arc::new(SubmissionQueue::new());
        let submitting = queue.clone();
        let other = thread::spawn(move || submitting.submit(1));
        queue.want_one();
        other.join().unwrap();
        assert_eq!((queue.submitted(), queue.done_of_wanted()), (std::vec![1], 1));
    });
}

#[test]
fn on_three_cpus_a_thread_goes_on_behind_the_last_operation_that_it_waits_for() {
    loom::model(|| {
        let batch = Arc::new((Countdown::new(), [UnsafeCell::new(0), UnsafeCell::new(0)]));
        batch.0.start(2);
        let operations = [0, 1].map(|index| {
            let batch = batch.clone();
            thread::spawn(move || {
                // SAFETY: nobody else touches it before the operation has ended, which the model checks.
                batch.1[index].with_mut(|result| unsafe { *result = index + 1 });
                batch.0.end_one();
            })
        });
        batch.0.wait();
        assert!(batch.0.is_over());
        // SAFETY: both operations have ended, which the model checks.
        let results = [0, 1].map(|index| batch.1[index].with(|result| unsafe { *result }));
        assert_eq!(results, [1, 2]);
        operations.into_iter().for_each(|operation| operation.join().unwrap());
    });
}

/// A client that looks at the countdown without waiting, as one that polls does, and starts it anew.
#[test]
fn a_countdown_that_is_over_can_be_started_again_at_once() {
    loom::model(|| {
        let countdown = Arc::new(Countdown::new());
        countdown.start(1);
        let ending = countdown.clone();
        let first = thread::spawn(move || ending.end_one());
        countdown.wait();
        countdown.start(1);
        assert!(!countdown.is_over());
        countdown.end_one();
        countdown.wait();
        first.join().unwrap();
        assert!(countdown.is_over());
    });
}
