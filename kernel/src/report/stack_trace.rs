//! Stack traces in the log: the functions that were running, each with its place in the file of the kernel or of a driver.
use super::place::{ForeignCode, driver_code};
use crate::arch::{self, guarded};
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
    for (number, frame) in
        StackTrace::new(registers, file_of, |address| read_stack(start, address)).enumerate()
    {
        log::error!(target: target, "{whose}#{number} {}", FrameText(&frame));
    }
}

/// Returns the innermost address on the stack of these registers that a function or an interrupt returns to and for which `is_wanted` returns
/// true: where the stack has it, and the address. Takes no lock and allocates nothing.
pub fn find_return(registers: Registers, is_wanted: impl Fn(u64) -> bool) -> Option<(VirtAddr, u64)> {
    let start = registers.stack()?;
    let read = |address: u64| read_stack(start, address);
    let mut frames = StackTrace::new(registers, file_of, read).skip(1);
    let frame = frames.find(|frame| is_wanted(frame.address))?;
    let kept_at = frame.kept_at.filter(|at| read(*at) == Some(frame.address))?;
    Some((VirtAddr(kept_at), frame.address))
}

/// Returns what a word has that is on the stack from `start` on. `None` where nothing is mapped.
///
/// A guarded read of what is not mapped would be an exception. In a non-maskable interrupt, the way back from an exception lets the next
/// non-maskable interrupt in, which would run on the same stack and damage the frame of the first one.
fn read_stack(start: u64, address: u64) -> Option<u64> {
    // A damaged stack may lead anywhere, as to a device's registers.
    let is_on_stack = (start..start.saturating_add(LONGEST_STACK)).contains(&address);
    let last = address.checked_add(size_of::<u64>() as u64 - 1)?;
    let is_mapped = || [address, last].into_iter().all(|at| arch::access_at(VirtAddr(at)).is_some());
    (is_on_stack && is_mapped()).then(|| guarded::read_u64::<0, 0>(address as usize))
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
        let StackFrame { address, place, file, .. } = self.0;
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
