//! The registers that reset the machine, and switch it off, are those that the FADT names.
use acpi_tables::builder::long_fadt;
use boot::Verdict;

use crate::common::terminal::{PROMPT, Terminal};
use crate::whole::machine_with_only;

/// The port of QEMU's debug exit, which ends QEMU with the status 2 * value + 1.
const DEBUG_EXIT: u8 = 0xf4;

/// Types a command at the console of a machine with this FADT alone, and returns QEMU's status.
#[track_caller]
fn status_after(command: &str, fadt: Vec<u8>) -> Option<i32> {
    let folder = tempfile::tempdir().unwrap();
    let machine = machine_with_only(1, &[fadt], folder.path());
    let mut console = Terminal::boot(&machine.interactive("console=terminal"));
    console.wait_for(PROMPT);
    console.type_text(&format!("{command}\r"));
    match console.end() {
        Verdict::None(status) => status.code(),
        verdict => panic!("{verdict}: {}", console.all()),
    }
}

#[test]
fn a_reset_is_written_to_the_register_that_the_fadt_names() {
    // A reset by the other ways would boot the machine again.
    let place = [&[1, 8, 0, 1, DEBUG_EXIT][..], &[0; 7]].concat();
    let fadt = long_fadt(&[(113, &[1 << 2]), (116, &place), (128, &[0x21])]);
    assert_eq!(status_after("reboot", fadt), Some(0x43));
}
