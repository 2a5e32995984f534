//! Takes and gives back in any order, beside a model that has a bit for each address.
use super::AddressRanges;
use proptest::prelude::*;
use std::vec::Vec;

const START: u64 = 1000;
const END: u64 = 1200;

#[derive(Clone, Debug)]
enum Step {
    Take(u64),
    GiveBack(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![(1_u64..30).prop_map(Step::Take), any::<usize>().prop_map(Step::GiveBack)]
}

proptest! {
    #[test]
    fn ranges_never_overlap_and_all_come_back(steps in prop::collection::vec(step(), 0..200)) {
        let mut ranges = AddressRanges::new(START, END);
        let mut taken = Vec::new();
        let mut is_taken = [false; (END - START) as usize];
        for step in steps {
            match step {
                Step::Take(bytes) => {
                    let has_room = is_taken.windows(bytes as usize).any(|window| window.iter().all(|used| !used));
                    let start = ranges.take(bytes);
                    prop_assert_eq!(start.is_some(), has_room);
                    let Some(start) = start else { continue };
                    for used in &mut is_taken[(start - START) as usize..(start + bytes - START) as usize] {
                        prop_assert!(!*used, "an address is given twice");
                        *used = true;
                    }
                    taken.push(start..start + bytes);
                }
                Step::GiveBack(index) if !taken.is_empty() => {
                    let range = taken.swap_remove(index % taken.len());
                    is_taken[(range.start - START) as usize..(range.end - START) as usize].fill(false);
                    prop_assert!(ranges.give_back(range));
                }
                Step::GiveBack(_) => {}
            }
        }
        for range in taken {
            prop_assert!(ranges.give_back(range));
        }
        prop_assert_eq!(ranges.take(END - START), Some(START), "all is one range again");
    }
}

#[test]
fn a_range_that_came_back_is_the_next_one_of_its_size() {
    let mut ranges = AddressRanges::new(0, u64::MAX);
    let [first, second] = [ranges.take(10), ranges.take(20)].map(Option::unwrap);
    assert!(ranges.give_back(first..first + 10));
    assert_eq!((ranges.take(20), ranges.take(10)), (Some(second + 20), Some(first)));
}
