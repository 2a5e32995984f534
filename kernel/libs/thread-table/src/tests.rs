//! What holds of ids.
use super::*;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::vec::Vec;

/// Seven threads at a time.
type Table = ThreadTable<u32, 8>;

#[test]
fn a_full_table_reserves_nothing_until_an_id_is_freed() {
    let mut table = Table::new();
    let ids: Vec<_> = (0..7).map(|_| table.reserve().unwrap()).collect();
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
    let first = table.reserve().unwrap();
    table.remove(first);
    let rest: Vec<_> = (0..6).map(|_| table.reserve().unwrap()).collect();
    assert!(rest.iter().all(|&id| slot_of(id) != slot_of(first)));
    table.remove(rest[4]);
    table.remove(rest[1]);
    let again: Vec<_> = (0..3).map(|_| slot_of(table.reserve().unwrap())).collect();
    assert_eq!(again, [first, rest[4], rest[1]].map(slot_of));
}

#[test]
fn one_thread_after_another_meets_no_id_twice_in_a_hundred_thousand() {
    let mut table = Table::new();
    let mut seen = BTreeSet::new();
    for _ in 0..100_000 {
        let id = table.reserve().unwrap();
        assert!(seen.insert(id));
        table.remove(id);
    }
}

#[test]
fn ids_stay_positive_in_31_bits_when_generations_wrap_round() {
    let mut table = Table::new();
    table.slots.iter_mut().for_each(|slot| slot.generation = Table::GENERATIONS - 1);
    let last = table.reserve().unwrap();
    assert_eq!(last.0 >> 3, (1 << 28) - 1);
    table.remove(last);
    (0..6).for_each(|_| assert!(table.reserve().unwrap().0 < 1 << 31));
    assert_eq!(table.reserve(), Some(ThreadId(last.0 % 8)));
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
                    None => prop_assert_eq!(model.len(), 7),
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
