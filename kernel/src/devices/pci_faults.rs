//! Reports faults of PCI functions, in the log and in the event stream.
use crate::report::event_stream;
use arrayvec::ArrayString;
use core::fmt::Write;
use events::Event;
use pci::{Fault, Problem, Rule};

/// How many faults of each rule are reported. The others are counted.
const LIMIT: u32 = 16;
/// The highest number of bytes of a fault's address and sentence.
const LONGEST: usize = 256;

/// A reporter that counts the faults of each rule.
pub struct PciFaults {
    counts: [u32; Rule::ALL.len()],
    /// The first fault of each rule that was not reported.
    first_left_out: [Option<Fault>; Rule::ALL.len()],
}

impl PciFaults {
    /// Creates a reporter that has seen no fault.
    pub const fn new() -> Self {
        Self { counts: [0; _], first_left_out: [None; _] }
    }

    /// Reports a fault, or counts it if its rule has had many.
    pub fn report(&mut self, fault: Fault) {
        let rule = fault.problem.rule() as usize;
        self.counts[rule] = self.counts[rule].saturating_add(1);
        if self.counts[rule] <= LIMIT {
            send(fault);
        } else {
            self.first_left_out[rule].get_or_insert(fault);
        }
    }

    /// Reports how many faults were only counted.
    pub fn finish(self) {
        for (fault, &count) in self.first_left_out.iter().zip(&self.counts) {
            if let Some(fault) = *fault {
                let problem = Problem::More { rule: fault.problem.rule(), count: count - LIMIT };
                send(Fault { problem, ..fault });
            }
        }
    }
}

fn send(fault: Fault) {
    let Fault { function, offset, problem } = fault;
    let (rule, action) = (problem.rule().id(), problem.action());
    log::warn!(target: "devices", "{function} at {offset:#x}: {problem} [{rule}, {action}]");
    let mut what = ArrayString::<LONGEST>::new();
    // The longest sentence fits, so this does not fail.
    let _ = write!(what, "{function}: {problem}");
    event_stream::send(&Event::Finding {
        table: "PCI".into(),
        offset: offset.into(),
        rule: rule.into(),
        action: action.into(),
        what: what.as_str().into(),
    });
}
