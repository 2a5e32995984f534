//! Models of the lock-free parts: every interleaving of two CPUs, and every value that the memory model lets a load see. Models
//! with three CPUs or long walks have few preemptions. `docs/testing.md` says how to run them.
#![cfg(loom)]
mod loom_machine;

use loom_machine::{
    FEW_PREEMPTIONS, FIRST, allocate, assert_one_refused, explore, explore_within, frame_new_to_caches,
    grant, take, uncached, work,
};
use page_alloc::{FreeError, PageOwner, Request};
use units::FrameNumber;

#[test]
fn of_two_caches_that_a_frame_goes_to_at_once_one_refuses_it() {
    explore(2, 4, |machine| {
        let pages = machine.pages;
        let frame = frame_new_to_caches(pages);
        let free = || work(move |cpu, _| cpu.free(frame, 1));
        let freed = machine.run(vec![free(), free()]);
        assert_one_refused(&freed, frame);
    });
}

#[test]
fn of_a_cache_and_the_node_that_a_frame_goes_to_at_once_one_refuses_it() {
    explore(2, 4, |machine| {
        let pages = machine.pages;
        let frame = frame_new_to_caches(pages);
        let freed = machine.run(vec![
            work(move |cpu, _| cpu.free(frame, 1)),
            work(move |_, _| uncached(pages).free(frame, 1)),
        ]);
        assert_one_refused(&freed, frame);
    });
}

#[test]
fn a_second_free_takes_no_frame_that_was_granted_to_another_owner_meanwhile() {
    explore(2, 4, |machine| {
        let pages = machine.pages;
        let [before, after] = [1, 2].map(|number| PageOwner::new(number).unwrap());
        let for_owner = |owner| Request { owner, ..Request::page() };
        let frame = machine.cpus[0].allocate(&for_owner(before), |_| ()).unwrap().frame;
        let freed = machine.run(vec![
            work(move |cpu, _| {
                let freed = cpu.free_of(frame, 1, before);
                let grant = cpu.allocate(&for_owner(after), |_| ()).unwrap();
                assert_ne!(uncached(pages).free_of(grant.frame, 1, before), Ok(()));
                cpu.free_of(grant.frame, 1, after).unwrap();
                freed
            }),
            work(move |cpu, _| cpu.free_of(frame, 1, before)),
        ]);
        assert_eq!(freed.iter().filter(|freed| freed.is_ok()).count(), 1, "{freed:?}");
    });
}

#[test]
fn a_cache_and_the_node_grant_no_frame_of_a_word_twice() {
    explore(2, 6, |machine| {
        let pages = machine.pages;
        // Two frames of the word stay with the node, the others are in the cache.
        let two = grant(&uncached(pages), 2);
        let first = grant(&machine.cpus[0], 1);
        uncached(pages).free(two, 2).unwrap();
        machine.run(vec![
            work(move |cpu, held| {
                take(cpu, held);
                cpu.free(first, 1).unwrap();
            }),
            work(move |_, held| {
                allocate(pages, 1, held);
            }),
        ]);
    });
}

#[test]
fn a_part_of_a_grant_goes_to_no_cache_while_its_neighbours_come_and_go() {
    explore(2, 6, |machine| {
        let pages = machine.pages;
        let two = grant(&uncached(pages), 2);
        let neighbour = grant(&uncached(pages), 1);
        let freed = machine.run(vec![
            work(move |cpu, held| {
                held.push((two, 2));
                [0, 1].map(|offset| cpu.free(FrameNumber(two.0 + offset), 1))
            }),
            work(move |cpu, held| {
                cpu.free(neighbour, 1).unwrap();
                take(cpu, held);
                [Ok(()); 2]
            }),
        ]);
        let wrong = FreeError::WrongCount { frame: two, count: 1, granted: 2 };
        assert_eq!(freed[0], [Err(wrong), Err(FreeError::InsideGrant(FrameNumber(two.0 + 1)))]);
    });
}

#[test]
fn a_grant_over_two_words_loses_no_part_to_a_wrong_free_at_the_same_moment() {
    // The walk for such a run takes many steps.
    explore_within(Some(FEW_PREEMPTIONS), 2, 66, |machine| {
        let pages = machine.pages;
        let below = grant(&uncached(pages), 63);
        let last_of_word = FrameNumber(FIRST + 63);
        let freed = machine.run(vec![
            work(move |cpu, _| cpu.free(last_of_word, 1)),
            work(move |_, held| {
                held.push((below, 63));
                allocate(pages, 3, held);
                assert_eq!(held.last(), Some(&(last_of_word, 3)));
                Ok(())
            }),
        ]);
        assert!(freed[0].is_err(), "{freed:?}");
    });
}

#[test]
fn a_hot_chunk_that_is_granted_again_loses_no_part_to_a_wrong_free_at_the_same_moment() {
    explore(2, 4, |machine| {
        let pages = machine.pages;
        let four = grant(&uncached(pages), 4);
        uncached(pages).free(four, 4).unwrap();
        let freed = machine.run(vec![
            work(move |cpu, _| cpu.free(FrameNumber(four.0 + 1), 1)),
            work(move |_, held| {
                allocate(pages, 4, held);
                Ok(())
            }),
        ]);
        assert!(freed[0].is_err(), "{freed:?}");
    });
}

/// The check that a frame is a grant of its own and the change are one step. Between two, the frame's owner could free it, and it
/// could become a part of another grant.
#[test]
fn a_grant_that_replaces_another_loses_no_part_to_a_late_free_of_its_first_frame() {
    explore(2, 2, |machine| {
        let pages = machine.pages;
        let two = grant(&uncached(pages), 2);
        let freed = machine.run(vec![
            work(move |cpu, _| cpu.free(two, 1)),
            work(move |_, held| {
                uncached(pages).free(two, 2).unwrap();
                allocate(pages, 2, held);
                Ok(())
            }),
        ]);
        assert!(freed[0].is_err(), "{freed:?}");
    });
}

#[test]
fn a_frame_that_becomes_part_of_a_longer_grant_is_not_taken_by_a_late_second_free() {
    explore(2, 2, |machine| {
        let pages = machine.pages;
        let [first, second] = [0, 1].map(|_| grant(&uncached(pages), 1));
        uncached(pages).free(second, 1).unwrap();
        let freed = machine.run(vec![
            work(move |cpu, _| cpu.free(first, 1)),
            work(move |_, held| {
                // The other CPU's free may be the one that succeeds.
                let freed = uncached(pages).free(first, 1);
                allocate(pages, 2, held);
                freed
            }),
        ]);
        // The late one finds the frame free, or a part of the other grant.
        assert_eq!(freed.iter().filter(|freed| freed.is_ok()).count(), 1, "{freed:?}");
    });
}

#[test]
fn what_a_cache_gives_back_goes_to_whoever_asks_for_it() {
    explore(2, 4, |machine| {
        let pages = machine.pages;
        let first = grant(&machine.cpus[0], 1);
        machine.run(vec![
            work(move |cpu, held| {
                take(cpu, held);
                cpu.free(first, 1).unwrap();
                cpu.drain();
            }),
            work(move |cpu, held| {
                allocate(pages, 2, held);
                take(cpu, held);
            }),
        ]);
    });
}

#[test]
fn two_caches_fill_from_one_word() {
    explore(2, 4, |machine| {
        let swap = |frames: u64| {
            work(move |cpu, held| {
                for _ in 0..frames {
                    take(cpu, held);
                }
                if let Some((frame, count)) = held.pop() {
                    cpu.free(frame, count).unwrap();
                }
                cpu.drain();
            })
        };
        machine.run(vec![swap(2), swap(1)]);
    });
}

#[test]
fn a_frame_passes_from_one_cpu_to_another_cache() {
    explore(2, 4, |machine| {
        let pages = machine.pages;
        let [mine, others] = [0, 1].map(|_| grant(&uncached(pages), 1));
        let swap = |frame: FrameNumber| {
            work(move |cpu, held| {
                cpu.free(frame, 1).unwrap();
                take(cpu, held);
            })
        };
        machine.run(vec![swap(mine), swap(others)]);
    });
}

#[test]
fn three_cpus_take_put_and_drain() {
    explore(3, 6, |machine| {
        let pages = machine.pages;
        let first = grant(&machine.cpus[0], 1);
        let second = grant(&machine.cpus[0], 1);
        machine.run(vec![
            work(move |cpu, held| {
                take(cpu, held);
                cpu.free(first, 1).unwrap();
            }),
            work(move |cpu, held| {
                cpu.free(second, 1).unwrap();
                take(cpu, held);
            }),
            work(move |_, held| allocate(pages, 2, held)),
        ]);
    });
}
