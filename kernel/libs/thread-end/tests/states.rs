//! The states of a thread's end, one after the other.
use thread_end::{Look, ThreadEnd};

#[test]
fn a_thread_that_nobody_waits_for_is_the_reapers() {
    let mut end = ThreadEnd::<&str>::new();
    assert_eq!(end.look(), Look::NotYet);
    assert_eq!(end.leave(), None);
    assert_eq!(end.look(), Look::NotYet);
    end.wait("joiner");
    assert_eq!(end.finish(3), Some("joiner"));
    assert_eq!(end.look(), Look::Over(3));
    assert_eq!(end.look(), Look::Over(3));
}

#[test]
fn a_thread_that_is_waited_for_is_the_joiners_once() {
    let mut end = ThreadEnd::new();
    end.wait("joiner");
    assert_eq!(end.leave(), Some("joiner"));
    assert_eq!(end.look(), Look::Reap);
    assert_eq!(end.look(), Look::NotYet);
    assert_eq!(end.finish(-1), None);
    assert_eq!(end.look(), Look::Over(-1));
}

#[test]
fn a_joiner_that_has_left_is_not_woken() {
    let mut end = ThreadEnd::new();
    end.wait("joiner");
    assert_eq!(end.look(), Look::NotYet);
    assert_eq!(end.leave(), None);
    assert_eq!(end.finish(0), None);
}
