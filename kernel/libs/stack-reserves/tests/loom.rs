//! Models of the reserves: in every interleaving the frames of each are freed once, and no page is mapped to a frame that is free.
#![cfg(loom)]

use loom::model::Builder;
use loom::sync::Arc;
use loom::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use loom::thread;
use stack_reserves::{Ending, Reserve, Reserves, TakenBack};

const STACKS: [u64; 2] = [0x1000, 0x2000];
const RETURN_TO: u64 = 7;
/// The frames of a stack's first and second reserve.
const FRAMES: usize = 4;

struct Model<const MOST: usize> {
    reserves: Reserves<MOST>,
    /// By frame: how often it was claimed and freed.
    claimed: [AtomicUsize; FRAMES],
    freed: [AtomicUsize; FRAMES],
    /// By stack: the pages are mapped.
    mapped: [AtomicBool; 2],
}

impl<const MOST: usize> Model<MOST> {
    fn new() -> Arc<Self> {
        let zeros = || std::array::from_fn(|_| AtomicUsize::new(0));
        let mapped = [AtomicBool::new(false), AtomicBool::new(false)];
        Arc::new(Self { reserves: Reserves::none(), claimed: zeros(), freed: zeros(), mapped })
    }

    fn map(&self, stack: usize, reserve: Reserve<'_>) {
        let frame = reserve.frame() as usize;
        assert_eq!(self.freed[frame].load(Ordering::Relaxed), 0, "a page is mapped to a frame that is free");
        assert!(!self.mapped[stack].swap(true, Ordering::Relaxed), "the pages are mapped twice");
    }

    fn unmap(&self, stack: usize) {
        assert!(self.mapped[stack].swap(false, Ordering::Relaxed), "the pages are not mapped");
    }

    fn free(&self, ending: Ending<'_>) {
        let (stack, frame) = (ending.stack(), ending.frame() as usize);
        let index = STACKS.iter().position(|other| *other == stack).unwrap();
        // Another reserve of this stack may be mapped by then, which has another frame.
        let has_other = self.claimed[frame ^ 1].load(Ordering::Relaxed) > 0;
        assert!(
            has_other || !self.mapped[index].load(Ordering::Relaxed),
            "the frames of mapped pages are freed"
        );
        assert_eq!(self.freed[frame].fetch_add(1, Ordering::Relaxed), 0, "frames are freed twice");
        self.reserves.end(ending);
    }

    /// What an exception does whose stack has ended. `frame` is the CPU's, should the stack need new frames.
    fn end_of_stack(&self, stack: usize, frame: usize) {
        let address = STACKS[stack];
        let reserve = match self.reserves.of(address) {
            Some(reserve) if reserve.open_again(RETURN_TO) => reserve,
            // It is being freed: the code that needs it fails.
            Some(_) => return,
            None => {
                let Some(reserve) = self.reserves.claim(address, frame as u64, stack as u32, RETURN_TO)
                else {
                    return;
                };
                self.claimed[frame].fetch_add(1, Ordering::Relaxed);
                reserve
            }
        };
        assert_eq!((reserve.stack(), reserve.return_to()), (address, RETURN_TO));
        self.map(stack, reserve);
        // The function of the kernel comes to its end, on its stack's own pages.
        assert!(reserve.is_mapped());
        self.unmap(stack);
        reserve.leave();
    }

    /// What happens when nothing uses the stack any more.
    fn free_stack(&self, stack: usize) {
        match self.reserves.take_back(STACKS[stack]) {
            Some(TakenBack::Mapped(ending)) => {
                self.unmap(stack);
                self.free(ending);
            }
            Some(TakenBack::Left(ending)) => self.free(ending),
            None => {}
        }
    }

    fn tidy(&self) {
        if self.reserves.begin_flush() {
            self.reserves.end_flush().for_each(|ending| self.free(ending));
        }
    }

    /// At the end of all, nothing is left.
    fn check(&self) {
        self.tidy();
        assert!(self.reserves.are_none());
        for (claimed, freed) in self.claimed.iter().zip(&self.freed) {
            assert_eq!(claimed.load(Ordering::Relaxed), freed.load(Ordering::Relaxed), "frames are lost");
        }
    }
}

fn run<const MOST: usize>(work: [fn(&Model<MOST>); 2]) {
    Builder::new().check(move || {
        let model = Model::<MOST>::new();
        let threads = work.map(|work| {
            let model = model.clone();
            thread::spawn(move || work(&model))
        });
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        model.check();
    });
}

#[test]
fn a_stack_that_ends_again_while_its_reserve_is_freed_keeps_it_or_gets_another() {
    run::<2>([
        |model| {
            model.end_of_stack(0, 0);
            model.end_of_stack(0, 1);
        },
        Model::tidy,
    ]);
}

#[test]
fn a_stack_is_freed_while_its_reserve_is() {
    run::<1>([
        |model| {
            model.end_of_stack(0, 0);
            model.free_stack(0);
        },
        Model::tidy,
    ]);
}

#[test]
fn a_place_that_another_stack_has_got_is_left_alone() {
    run::<1>([
        |model| {
            model.end_of_stack(0, 0);
            model.free_stack(0);
        },
        |model| {
            model.tidy();
            model.end_of_stack(1, 2);
        },
    ]);
}

#[test]
fn two_stacks_share_one_place() {
    run::<1>([
        |model| {
            model.end_of_stack(0, 0);
            model.tidy();
            model.end_of_stack(0, 1);
        },
        |model| {
            model.end_of_stack(1, 2);
            model.free_stack(1);
        },
    ]);
}
