//! Tests of a block's frame map.
use std::vec::Vec;

use proptest::prelude::*;

use super::*;
use crate::word::FrameState;

fn largest_by_trying(map: &FrameMap) -> Option<u8> {
    (0..=9u8).rev().find(|&order| find_by_trying(map, order).is_some())
}

fn find_by_trying(map: &FrameMap, order: u8) -> Option<u16> {
    (0..BLOCK_FRAMES)
        .step_by(1 << order)
        .find(|&first| (first..first + (1 << order)).all(|frame| map.state(frame) == FrameState::Free))
}

fn copy(map: &FrameMap) -> FrameMap {
    let new = FrameMap::all_free();
    new.copy_from(map);
    new
}

/// Makes frames free, whatever their state was.
fn free(map: &FrameMap, frames: Range<u16>) {
    frames.clone().for_each(|frame| _ = map.owner_of(frame.into()).take_back(PageOwner::NOBODY));
    map.release(frames);
}

/// Returns a map after some grants and releases, and the state that each frame should have.
fn worked_map() -> impl Strategy<Value = (FrameMap, Vec<FrameState>)> {
    let parts = std::vec![GrantPart::Whole, GrantPart::First, GrantPart::Further];
    let part = proptest::option::of(proptest::sample::select(parts));
    let step = (0..BLOCK_FRAMES, prop_oneof![Just(1), 1..=200u16], part);
    proptest::collection::vec(step, 0..40).prop_map(|steps| {
        let map = FrameMap::all_reserved();
        let mut states = std::vec![FrameState::Reserved; 512];
        for (start, len, part) in steps {
            let end = (start + len).min(BLOCK_FRAMES);
            let range = usize::from(start)..usize::from(end);
            free(&map, start..end);
            states[range.clone()].fill(FrameState::Free);
            if let Some(part) = part {
                map.grant(start..end, part, PageOwner::NOBODY);
                states[range.clone()].fill(FrameState::Inside);
                if part != GrantPart::Further {
                    states[range.start] = FrameState::Head;
                }
                if part == GrantPart::Whole && range.len() == 1 {
                    states[range.start] = FrameState::Single;
                }
            }
        }
        (map, states)
    })
}

proptest! {
    #[test]
    fn each_frame_is_in_the_state_that_the_last_call_on_it_left((map, states) in worked_map()) {
        for (frame, &state) in (0..).zip(&states) {
            // A part of the grant may have been released: then the first frame is left as one that looks withheld.
            let inside_next = states.get(usize::from(frame) + 1).is_none_or(|next| *next == FrameState::Inside);
            let state = if state == FrameState::Head && !inside_next { FrameState::Withheld } else { state };
            prop_assert_eq!(map.state(frame), state);
        }
    }

    #[test]
    fn searches_by_words_agree_with_trying_each_frame((map, _) in worked_map()) {
        prop_assert_eq!(map.largest_order(), largest_by_trying(&map));
        for order in 0..=8 {
            prop_assert_eq!(map.find(order), find_by_trying(&map, order));
        }
    }

    #[test]
    fn a_chunk_is_part_of_the_largest_aligned_run_around_it((map, _) in worked_map(), first in 0..512u16, order in 0..9u8) {
        let first = first >> order << order;
        let is_free = |order: u8| {
            let start = first >> order << order;
            (start..start + (1 << order)).all(|frame| map.state(frame) == FrameState::Free)
        };
        if is_free(order) {
            let largest = (order..=9).rev().find(|&order| is_free(order));
            prop_assert_eq!(Some(map.order_around(first)), largest);
        }
    }

    #[test]
    fn the_largest_run_in_a_word_is_the_largest_around_its_frames((map, _) in worked_map(), first in 0..512u16) {
        let first = first / 64 * 64;
        let free = (first..first + 64).filter(|frame| map.state(*frame) == FrameState::Free);
        if let Some(largest) = free.map(|frame| map.order_around(frame)).max() {
            prop_assert_eq!(map.largest_order_at(first, map.word_of(first.into()).available()), largest);
        }
    }

    #[test]
    fn chunks_are_granted_checked_and_released_as_ranges_are((map, _) in worked_map(), first in 0..512u16, order in 0..9u8) {
        let first = first >> order << order;
        let range = first..first + (1 << order);
        let states = |map: &FrameMap| (0..BLOCK_FRAMES).map(|frame| map.state(frame)).collect::<Vec<_>>();
        let is_grant = match order {
            0 => map.state(first) == FrameState::Single,
            _ => {
                map.state(first) == FrameState::Head
                    && range.end < BLOCK_FRAMES
                    && map.inside_from(first + 1) == (1 << order) - 1
            }
        };
        let before = copy(&map);
        prop_assert_eq!(before.take_back_chunk(first, order, PageOwner::NOBODY), is_grant);
        if order > 0 {
            prop_assert_eq!(before.is_reserved(range.clone()), is_grant || map.is_reserved(range.clone()));
        }
        let (by_chunk, by_range) = (copy(&map), copy(&map));
        free(&by_range, range.clone());
        let all_free = copy(&by_range);
        by_range.grant(range.clone(), GrantPart::Whole, PageOwner::NOBODY);
        free(&by_chunk, range.clone());
        by_chunk.grant_chunk(first, order, PageOwner::NOBODY);
        prop_assert_eq!(states(&by_chunk), states(&by_range));
        // The next frame belongs to no grant of several that starts before it.
        let ends = range.end == BLOCK_FRAMES || map.state(range.end) != FrameState::Inside;
        let tells = order == 0 || (ends && range.end < BLOCK_FRAMES);
        prop_assert_eq!(by_chunk.take_back_chunk(first, order, PageOwner::NOBODY), tells);
        prop_assert_eq!(by_chunk.is_reserved(range), tells && order > 0);
        if tells {
            prop_assert!(!by_chunk.take_back_chunk(first, order, PageOwner::NOBODY));
            by_chunk.grant_reserved_chunk(first, order, PageOwner::NOBODY);
            prop_assert_eq!(states(&by_chunk), states(&by_range));
            prop_assert!(by_chunk.take_back_chunk(first, order, PageOwner::NOBODY));
            by_chunk.release_chunk(first, order);
            prop_assert_eq!(states(&by_chunk), states(&all_free));
        }
    }

    #[test]
    fn runs_and_counts_by_order_hold_exactly_the_free_frames((map, states) in worked_map()) {
        let free: Vec<u16> = (0..).zip(&states).filter(|s| *s.1 == FrameState::Free).map(|s| s.0).collect();
        let in_runs: Vec<u16> = map.free_runs().flatten().collect();
        prop_assert_eq!(&in_runs, &free);
        let mut by_order = [0; 10];
        map.count_by_order(&mut by_order);
        prop_assert_eq!(by_order.iter().sum::<u64>(), free.len() as u64);
        prop_assert_eq!((0..10u8).rev().find(|&o| by_order[usize::from(o)] > 0), map.largest_order());
    }

    #[test]
    fn the_rest_of_a_grant_ends_at_the_first_frame_that_is_not_inside((map, states) in worked_map(), first in 0..512usize) {
        let inside = states[first..].iter().take_while(|&&state| state == FrameState::Inside).count();
        prop_assert_eq!(usize::from(map.inside_from(first as u16)), inside);
    }

    #[test]
    fn a_range_is_reserved_only_when_each_frame_is((map, states) in worked_map(), a in 0..512usize, b in 1..=512usize) {
        let (start, end) = (a.min(b - 1), b.max(a + 1));
        let all = states[start..end].iter().all(|&state| state == FrameState::Reserved);
        prop_assert_eq!(map.is_reserved(start as u16..end as u16), all);
    }
}
