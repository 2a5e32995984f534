//! Reports faults of clocks, in the log and in the event stream.
use crate::report::event_stream;
use arrayvec::ArrayString;
use clock_math::Fault;
use core::fmt::Write;
use events::Event;

/// The highest number of bytes of a fault's sentence.
const LONGEST: usize = 256;

/// Reports a fault.
pub fn report(fault: Fault) {
    let (rule, action) = (fault.rule().id(), fault.action());
    log::warn!(target: "clock", "{fault} [{rule}, {action}]");
    let mut what = ArrayString::<LONGEST>::new();
    // The longest sentence fits, so this does not fail.
    let _ = write!(what, "{fault}");
    event_stream::send(&Event::Finding {
        table: fault.table().into(),
        offset: 0,
        rule: rule.into(),
        action: action.into(),
        what: what.as_str().into(),
    });
}
