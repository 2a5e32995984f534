//! Stack traces in the log: the functions that were running, each with its place in the file of the kernel or of a driver.
use super::place::{ForeignCode, driver_code};
use crate::arch::guarded;
use ::address_space::layout::KERNEL_IMAGE;
use ::stack_trace::{CodeFile, Registers, StackFrame, StackTrace};
use core::fmt;
use spin::Once;
use units::VirtAddr;

/// The kernel's own ELF file, which the boot loader leaves in memory.
static KERNEL: Once<&'static [u8]> = Once::new();

/// No stack is longer. What a trace reads lies in so many bytes from the stack pointer on.
const LONGEST_STACK: u64 = 1 << 20;

/// Remembers the kernel's file.
pub fn init(file: &'static [u8]) {
    KERNEL.call_once(|| file);
}

/// Logs the functions that were running with these registers, as errors, a line each, which begins with `whose`. Takes no lock but the log's,
/// allocates nothing, and may take some million instructions.
pub fn log_from(target: &str, whose: &dyn fmt::Display, registers: Registers) {
    let Some(start) = registers.stack() else { return };
    // A damaged stack may lead anywhere, as to a device's registers.
    let is_on_stack = |address: u64| (start..start.saturating_add(LONGEST_STACK)).contains(&address);
    let read = |address: u64| is_on_stack(address).then(|| guarded::read_u64::<0, 0>(address as usize));
    for (number, frame) in StackTrace::new(registers, file_of, read).enumerate() {
        log::error!(target: target, "{whose}#{number} {}", FrameText(&frame));
    }
}

/// Returns the file whose code is at this address.
fn file_of(address: u64) -> Option<CodeFile<'static>> {
    if address >= KERNEL_IMAGE.0 {
        return CodeFile::open(KERNEL.get()?, 0);
    }
    let ForeignCode { file, offset, .. } = driver_code(VirtAddr(address))?;
    CodeFile::open(file?, address - offset)
}

/// A frame, as in "read+0x12, offset 0x1032 of driver nvme".
struct FrameText<'f>(&'f StackFrame<'static>);

impl fmt::Display for FrameText<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let StackFrame { address, place, file } = self.0;
        match file.as_ref().and_then(|file| file.function(*place)) {
            // The function, and how far the instruction is from its beginning.
            Some(function) => write!(out, "{function}, ")?,
            None => out.write_str("unknown function, ")?,
        }
        match driver_code(VirtAddr(*place)) {
            Some(code) => {
                write!(out, "offset {:#x} of driver {}", code.offset + (address - place), code.driver)
            }
            None => write!(out, "{address:#018x}"),
        }
    }
}
