//! Who says what, CPU after CPU.
#![cfg(not(loom))]
use last_words::{Cause, LastWords, Say, StopOrder};
use proptest::prelude::*;

fn words() -> LastWords<4> {
    LastWords::new()
}

#[test]
fn the_second_fault_of_a_cpu_is_a_line_and_the_third_nothing() {
    let words = words();
    assert_eq!(words.begin(7, Cause::Fault), Say::Everything { order: 0 });
    assert_eq!(words.begin(7, Cause::Fault), Say::OneLine { order: 0 });
    assert_eq!(words.begin(7, Cause::Fault), Say::Nothing);
    assert_eq!(words.begin(7, Cause::Stop), Say::Nothing);
}

#[test]
fn a_fault_after_the_verdict_is_a_line_without_a_second_verdict() {
    let words = words();
    words.begin(7, Cause::Stop);
    assert!(words.close() && words.claim_verdict());
    assert_eq!(words.begin(7, Cause::Fault), Say::OneLine { order: 0 });
    assert!(words.close() && !words.claim_verdict());
}

#[test]
fn each_cpu_reports_everything_in_the_order_in_which_they_began() {
    let words = words();
    assert_eq!(words.begin(0, Cause::Fault), Say::Everything { order: 0 });
    assert_eq!(words.begin(u32::MAX, Cause::Fault), Say::Everything { order: 1 });
    assert_eq!(words.begin(u32::MAX, Cause::Fault), Say::OneLine { order: 1 });
    assert!(words.is_turn_of(0) && !words.is_turn_of(1));
    words.end(0);
    assert!(words.is_turn_of(1));
}

#[test]
fn the_verdict_waits_for_reports_that_have_begun_and_no_other_begins_after_it() {
    let words = words();
    words.begin(0, Cause::Stop);
    assert!(!words.has_fault());
    words.begin(1, Cause::Fault);
    assert!(!words.close());
    words.end(1);
    assert!(words.close() && words.close());
    assert!(words.has_fault());
    assert_eq!(words.begin(2, Cause::Fault), Say::Nothing);
}

#[test]
fn the_verdict_can_be_given_without_a_report_that_does_not_end() {
    let words = words();
    words.begin(0, Cause::Fault);
    words.begin(1, Cause::Fault);
    words.close_regardless();
    assert_eq!(words.begin(2, Cause::Fault), Say::Nothing);
    assert!(words.claim_verdict() && !words.claim_verdict());
}

#[test]
fn more_cpus_than_there_is_room_for_say_nothing() {
    let words = words();
    for cpu in 0..4 {
        assert_eq!(words.begin(cpu, Cause::Fault), Say::Everything { order: cpu as usize });
    }
    assert_eq!(words.begin(4, Cause::Fault), Say::Nothing);
    assert_eq!(words.order_to(4, false), StopOrder::Stop);
    (1..4).for_each(|order| words.end(order));
    assert!(words.close());
}

#[test]
fn an_order_stops_who_has_nothing_to_say() {
    let words = words();
    assert_eq!(words.order_to(0, false), StopOrder::None);
    words.begin(1, Cause::Fault);
    words.begin(2, Cause::Fault);
    assert_eq!(words.order_to(1, false), StopOrder::GoOn);
    assert_eq!(words.order_to(2, true), StopOrder::GoOn);
    assert_eq!(words.order_to(0, true), StopOrder::GoOn);
    assert_eq!(words.accounted(), 1);
    assert_eq!(words.order_to(0, false), StopOrder::Stop);
    assert_eq!(words.order_to(3, true), StopOrder::GoOn);
    words.insist();
    assert_eq!(words.order_to(3, true), StopOrder::Stop);
    assert_eq!(words.accounted(), 3);
}

proptest! {
    /// Whatever faults nest on whatever CPUs: one whole report and one line for each CPU, in distinct places.
    #[test]
    fn no_cpu_reports_twice(faults in prop::collection::vec(0_u32..6, 0..40)) {
        let words = LastWords::<8>::new();
        let mut said = Vec::new();
        for cpu in faults {
            said.push((cpu, words.begin(cpu, Cause::Fault)));
        }
        for cpu in 0..6 {
            let of_cpu: Vec<Say> = said.iter().filter(|said| said.0 == cpu).map(|said| said.1).collect();
            for (time, say) in of_cpu.iter().enumerate() {
                match time {
                    0 => prop_assert!(matches!(say, Say::Everything { .. }), "first"),
                    1 => prop_assert!(matches!(say, Say::OneLine { .. }), "second"),
                    _ => prop_assert_eq!(*say, Say::Nothing),
                }
            }
        }
        let mut orders: Vec<usize> = said
            .iter()
            .filter_map(|(_, say)| if let Say::Everything { order } = say { Some(*order) } else { None })
            .collect();
        let count = orders.len();
        orders.sort_unstable();
        prop_assert!(orders.into_iter().eq(0..count));
    }
}
