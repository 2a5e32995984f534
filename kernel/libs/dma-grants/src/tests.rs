//! What holds of the table.
use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::vec::Vec;

type Table = DmaTable<Vec<DmaEntry>>;

fn table(places: usize) -> Table {
    Table::new(std::vec![DmaEntry::default(); places])
}

fn entry(frame: u64, device: u32) -> DmaEntry {
    DmaEntry { frame, pages: 1, device }
}

#[test]
fn a_table_without_places_has_no_room_and_finds_nothing() {
    for places in [0, 3] {
        let mut table = table(places);
        assert!(!table.has_room() && !table.insert(entry(1, 0)));
        assert_eq!(table.remove(1, |_| true), None);
        assert_eq!(table.remove_of(0, &mut 0), None);
        assert_eq!(table.next_size(), 16);
    }
}

#[test]
fn a_frame_is_granted_once_and_frame_0_never() {
    let mut table = table(16);
    assert!(table.insert(entry(5, 1)));
    assert!(!table.insert(entry(5, 2)));
    assert!(!table.insert(entry(0, 2)));
    assert_eq!(table.remove(0, |_| true), None);
    assert_eq!(table.remove(5, |entry| entry.device == 2), None, "a grant that is not accepted stays");
    assert_eq!(table.remove(5, |entry| entry.device == 1), Some(entry(5, 1)));
}

#[test]
fn three_quarters_of_the_places_are_used() {
    let mut table = table(16);
    assert_eq!((1..100).filter(|&frame| table.insert(entry(frame, 0))).count(), 12);
    let (few, many) = (std::vec![DmaEntry::default(); 8], std::vec![DmaEntry::default(); table.next_size()]);
    assert_eq!(table.move_to(few).len(), 8, "too few places are given back");
    assert_eq!(table.move_to(many).len(), 16);
    assert!((1..=12).all(|frame| table.remove(frame, |_| true).is_some()));
}

proptest! {
    /// Against a map. Frames are few, so that entries collide and go round the end of the places.
    #[test]
    fn the_table_has_what_was_added_and_not_removed(
        steps in prop::collection::vec((0..4_u8, 0..40_u64, 0..3_u32), 1..300),
    ) {
        let mut table = table(16);
        let mut model = BTreeMap::new();
        for (step, frame, device) in steps {
            match step {
                0 => prop_assert_eq!(table.remove(frame, |_| true), model.remove(&frame)),
                1 => {
                    let mut from = 0;
                    let mut removed: Vec<_> = std::iter::from_fn(|| table.remove_of(device, &mut from)).collect();
                    removed.sort_by_key(|entry| entry.frame);
                    let expected: Vec<_> = model.values().copied().filter(|entry: &DmaEntry| entry.device == device).collect();
                    model.retain(|_, entry| entry.device != device);
                    prop_assert_eq!(removed, expected);
                }
                _ => {
                    let inserted = table.insert(entry(frame, device));
                    prop_assert_eq!(inserted, frame != 0 && model.len() < 12 && !model.contains_key(&frame));
                    if inserted {
                        model.insert(frame, entry(frame, device));
                    }
                }
            }
            prop_assert_eq!(table.has_room(), model.len() < 12);
        }
        let places = std::vec![DmaEntry::default(); 32];
        let _ = table.move_to(places);
        for (frame, entry) in model {
            prop_assert_eq!(table.remove(frame, |_| true), Some(entry));
        }
    }
}
