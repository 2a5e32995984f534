//! What holds of the table.
use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::vec::Vec;

type Table = GrowingTable<Vec<DmaEntry>>;

fn places(count: usize) -> Vec<DmaEntry> {
    std::vec![DmaEntry::default(); count]
}

fn table(count: usize) -> Table {
    let mut table = Table::without_places(Vec::new(), Vec::new());
    let _ = table.grow(places(count));
    table
}

fn entry(frame: u64, device: u16) -> DmaEntry {
    DmaEntry { frame, pages: 1, device, node: 3 }
}

/// Removes all grants of the device of which there are so many, as a release does.
fn remove_all(table: &mut Table, device: u16, count: usize) -> Vec<u64> {
    let mut removed = Vec::new();
    while removed.len() < count {
        let mut from = 0;
        loop {
            match table.remove_of(device, &mut from) {
                Search::Removed(entry) => removed.push(entry.frame),
                Search::Further => {}
                Search::End => break,
            }
        }
    }
    removed.sort_unstable();
    removed
}

#[test]
fn a_table_without_places_has_no_room_and_finds_nothing() {
    for count in [0, 3] {
        let mut table = table(count);
        assert!(!table.has_room() && !table.insert(entry(1, 0)));
        assert_eq!(table.remove(1), None);
        assert_eq!(table.remove_of(0, &mut 0), Search::End);
        assert_eq!(table.next_size(), 16);
    }
}

#[test]
fn a_frame_is_granted_once_and_frame_0_never() {
    let mut table = table(16);
    assert!(table.insert(entry(5, 1)));
    assert!(!table.insert(entry(5, 2)));
    assert!(!table.insert(entry(0, 2)));
    assert_eq!(table.remove(0), None);
    assert_eq!((table.find(5), table.find(6), table.find(0)), (Some(entry(5, 1)), None, None));
    assert_eq!(table.remove(5), Some(entry(5, 1)));
    assert_eq!((table.find(5), table.remove(5)), (None, None));
}

#[test]
fn a_look_at_all_places_sees_each_grant_once_also_while_the_table_grows() {
    let mut table = table(64);
    for frame in 1..=100 {
        if !table.has_room() {
            let _ = table.grow(places(table.next_size()));
        }
        assert!(table.insert(entry(frame, 1)));
        let (mut seen, mut next) = (Vec::new(), Some(0));
        while let Some(from) = next {
            next = table.look_at_some(from, |entry| seen.push(entry.frame));
        }
        seen.sort_unstable();
        assert!(seen.into_iter().eq(1..=frame));
    }
}

#[test]
fn three_quarters_of_the_places_are_used() {
    let mut table = table(16);
    assert_eq!((1..100).filter(|&frame| table.insert(entry(frame, 0))).count(), 12);
    assert_eq!(table.grow(places(8)).len(), 8, "too few places are given back");
    assert_eq!(table.grow(places(table.next_size())).len(), 0);
    assert!((1..=12).all(|frame| table.remove(frame).is_some()));
}

#[test]
fn a_table_grows_whenever_it_is_full_and_loses_nothing() {
    let mut table = table(16);
    for frame in 1..20_000 {
        if !table.has_room() {
            assert_eq!(table.before.used, 0, "all have moved before the table is full");
            let size = table.next_size();
            assert!(table.grow(places(size)).len() < size);
        }
        assert!(!table.insert(entry(frame - 1, 1)), "it is there, or 0");
        assert!(table.insert(entry(frame, 0)));
    }
    assert!((1..20_000).all(|frame| table.find(frame) == Some(entry(frame, 0))));
    assert!((1..20_000).all(|frame| table.remove(frame).is_some()));
}

proptest! {
    /// Against a map. Frames are few, so that entries collide and go round the end of the places.
    #[test]
    fn the_table_has_what_was_added_and_not_removed(
        steps in prop::collection::vec((0..5_u8, 0..40_u64, 0..3_u16), 1..300),
    ) {
        let mut table = table(8);
        let mut most = 6;
        let mut model = BTreeMap::new();
        for (step, frame, device) in steps {
            match step {
                0 => prop_assert_eq!(table.remove(frame), model.remove(&frame)),
                1 => {
                    let is_of = |entry: &DmaEntry| entry.device == device;
                    let expected: Vec<u64> = model.values().filter(|entry| is_of(entry)).map(|entry| entry.frame).collect();
                    model.retain(|_, entry| !is_of(entry));
                    prop_assert_eq!(remove_all(&mut table, device, expected.len()), expected);
                }
                2 if most < 48 && table.grow(places(table.next_size())).len() < table.now.len() => most *= 2,
                _ => {
                    let inserted = table.insert(entry(frame, device));
                    prop_assert_eq!(inserted, frame != 0 && model.len() < most && !model.contains_key(&frame));
                    if inserted {
                        model.insert(frame, entry(frame, device));
                    }
                }
            }
            prop_assert_eq!(table.has_room(), model.len() < most);
            prop_assert!((0..40).all(|frame| table.find(frame) == model.get(&frame).copied()));
        }
        for (frame, entry) in model {
            prop_assert_eq!(table.remove(frame), Some(entry));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// Between two calls, the lock of the table is free, and others free, allocate, and let the table grow.
    #[test]
    fn all_grants_of_a_device_are_removed_while_others_change_the_table(
        frames in prop::collection::btree_map(1..60_u64, 0..2_u16, 8..12),
        others in prop::collection::vec((0..3_u8, any::<prop::sample::Index>()), 12),
    ) {
        let mut table = table(16);
        for (&frame, &device) in &frames {
            prop_assert!(table.insert(entry(frame, device)));
        }
        let (mut from, mut removed) = (0, Vec::new());
        for (step, index) in others {
            let (&frame, &device) = frames.iter().nth(index.index(frames.len())).unwrap();
            match table.remove_of(0, &mut from) {
                Search::Removed(entry) => removed.push(entry.frame),
                Search::Further => {}
                Search::End => from = 0,
            }
            match step {
                0 if device != 0 => _ = table.remove(frame),
                1 => _ = table.insert(entry(frame + 100, 1)),
                2 => _ = table.grow(places(table.next_size())),
                _ => {}
            }
        }
        let expected: Vec<u64> = frames.iter().filter(|(_, device)| **device == 0).map(|(frame, _)| *frame).collect();
        removed.extend(remove_all(&mut table, 0, expected.len() - removed.len()));
        removed.sort_unstable();
        prop_assert_eq!(removed, expected);
    }
}

#[test]
fn a_kept_page_is_taken_once_and_by_its_node() {
    let kept = KeptPages::new();
    assert_eq!(kept.take(0), None);
    let all: Vec<u64> = (1..20).filter(|&frame| kept.keep(frame, (frame % 2) as u16)).collect();
    assert_eq!(all, [1, 2, 3, 4]);
    assert!(kept.contains(3, 1) && !kept.contains(3, 0) && !kept.contains(5, 1));
    let odd: Vec<u64> = std::iter::from_fn(|| kept.take(1)).collect();
    assert_eq!(odd, [1, 3]);
    assert!(!kept.contains(3, 1) && kept.keep(1 << 40, 127));
    assert_eq!((kept.take(127), kept.take(127)), (Some(1 << 40), None));
    kept.clear();
    assert_eq!(kept.take(0), None);
}

#[test]
fn of_threads_that_keep_and_take_at_once_each_page_is_one_threads() {
    let kept = KeptPages::new();
    let taken = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4_u64)
            .map(|thread| {
                let kept = &kept;
                scope.spawn(move || {
                    let mut own = std::vec![thread + 1];
                    for _ in 0..5000 {
                        if let Some(frame) = own.pop()
                            && !kept.keep(frame, 0)
                        {
                            own.push(frame);
                        }
                        own.extend(kept.take(0));
                    }
                    own
                })
            })
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
    });
    let mut all: Vec<u64> = taken.into_iter().chain(std::iter::from_fn(|| kept.take(0))).collect();
    all.sort_unstable();
    assert_eq!(all, [1, 2, 3, 4]);
}

#[test]
fn whoever_takes_a_kept_page_learns_whether_all_were_forgotten_meanwhile() {
    let kept = KeptPages::new();
    let before = kept.clears();
    assert!(kept.keep(7, 1));
    assert_eq!(kept.take(1), Some(7));
    assert_eq!(kept.clears(), before, "nobody has cleared");
    assert!(kept.keep(8, 1));
    kept.clear();
    assert_eq!(kept.take(1), None);
    assert_ne!(kept.clears(), before);
}
