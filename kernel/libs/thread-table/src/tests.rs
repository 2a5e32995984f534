//! What holds of ids.
use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::vec::Vec;

/// Four threads at a time.
type Table = ThreadTable<u32, 8>;

/// The kernel's table, as far as ids are concerned.
type KernelTable = ThreadTable<(), 16384>;

#[test]
fn a_full_table_reserves_nothing_until_an_id_is_freed() {
    let mut table = Table::new();
    let ids: Vec<_> = (0..4).map(|_| table.reserve().unwrap()).collect();
    assert_eq!(table.reserve(), None);
    table.remove(ids[3]);
    assert!(table.reserve().is_some());
    assert_eq!(table.reserve(), None);
}

#[test]
fn an_id_that_is_only_reserved_finds_nothing() {
    let mut table = Table::new();
    let id = table.reserve().unwrap();
    assert_eq!(table.find(id), None);
    assert_eq!(table.remove(id), None);
}

#[test]
fn the_slot_that_was_freed_first_is_used_again_first_and_new_slots_before_any() {
    let mut table = Table::new();
    let slot_of = |id: ThreadId| id.0 % 8;
    let first: Vec<_> = (0..3).map(|_| table.reserve().unwrap()).collect();
    let freed = [first[1], first[2], first[0]];
    freed.iter().for_each(|&id| assert_eq!(table.remove(id), None));
    // The slots that were never used.
    for _ in 0..4 {
        let id = table.reserve().unwrap();
        assert!(freed.iter().all(|&freed| slot_of(freed) != slot_of(id)));
        table.remove(id);
    }
    let again: Vec<_> = (0..3).map(|_| slot_of(table.reserve().unwrap())).collect();
    assert_eq!(again, freed.map(slot_of));
}

/// Reserves and frees an id `pairs` times while `held` other ids are in use, and asserts that none comes twice.
#[track_caller]
fn assert_no_id_comes_back(held: usize, pairs: usize) {
    let mut table = std::boxed::Box::new(KernelTable::new());
    // A bit for each id.
    let mut seen = std::vec![0_u64; 1 << 25];
    for count in 0..held + pairs {
        let id = table.reserve().unwrap();
        let (word, bit) = (id.0 as usize / 64, 1 << (id.0 % 64));
        assert!(seen[word] & bit == 0, "{id:?} came back after {count} reservations");
        seen[word] |= bit;
        if count >= held {
            table.remove(id);
        }
    }
    assert_eq!(table.reserve().is_some(), held < KernelTable::MOST);
}

#[test]
fn no_id_comes_back_within_a_million_threads_one_after_another() {
    assert_no_id_comes_back(0, 1 << 20);
}

#[test]
fn no_id_comes_back_within_a_million_threads_while_all_other_threads_live() {
    assert_no_id_comes_back(KernelTable::MOST - 1, 1 << 20);
}

#[test]
fn ids_stay_positive_in_31_bits_when_generations_wrap_round() {
    let mut table = Table::new();
    table.slots.iter_mut().for_each(|slot| slot.generation = Table::GENERATIONS - 1);
    let first = table.reserve().unwrap();
    assert_eq!(first.0 >> 3, (1 << 28) - 1);
    table.remove(first);
    (0..6).for_each(|_| {
        let id = table.reserve().unwrap();
        assert!(id.0 < 1 << 31);
        table.remove(id);
    });
    assert_eq!(table.reserve(), Some(ThreadId(first.0 % 8)));
}

#[test]
#[should_panic(expected = "not reserved")]
fn a_value_is_not_stored_under_a_freed_id() {
    let mut table = Table::new();
    let id = table.reserve().unwrap();
    table.remove(id);
    table.insert(id, 1);
}

proptest! {
    /// Against a map from ids to values: every id ever given is looked up after every step.
    #[test]
    fn an_id_finds_its_own_thread_while_that_is_there_and_nothing_afterwards(
        steps in prop::collection::vec((0..3_u8, any::<prop::sample::Index>(), any::<u32>()), 1..200),
    ) {
        let mut table = Table::new();
        let mut model = BTreeMap::new();
        let mut given: Vec<ThreadId> = Vec::new();
        for (step, index, value) in steps {
            match step {
                // Any id at all, most of which were never given.
                0 => prop_assert_eq!(table.remove(ThreadId(value)), model.remove(&ThreadId(value))),
                1 if !given.is_empty() => {
                    let id = *index.get(&given);
                    prop_assert_eq!(table.remove(id), model.remove(&id));
                }
                _ => match table.reserve() {
                    None => prop_assert_eq!(model.len(), 4),
                    Some(id) => {
                        prop_assert!(id.0 > 0 && !given.contains(&id));
                        table.insert(id, value);
                        model.insert(id, value);
                        given.push(id);
                    }
                },
            }
            for id in &given {
                prop_assert_eq!(table.find(*id), model.get(id));
            }
        }
    }
}
