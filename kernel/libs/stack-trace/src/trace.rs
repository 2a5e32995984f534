//! The walk up a stack.
use crate::code_file::CodeFile;
use crate::registers::Registers;
use gimli::X86_64;

/// After so many frames a trace ends, however deep the stack is.
pub const MOST_FRAMES: usize = 32;

/// One frame of a stack.
#[derive(Debug)]
pub struct StackFrame<'f> {
    /// The address of the instruction: the one that runs, or, in a caller, the one behind the call.
    pub address: u64,
    /// An address in the function: in a caller, the last byte of the call, since a call may be the function's last instruction.
    pub place: u64,
    /// The file that the code is of, if it is known.
    pub file: Option<CodeFile<'f>>,
}

/// The frames of a stack, the innermost first. `find` returns the file that the code at an address is of, and `read` the 8 bytes of memory
/// at an address, if it can be read.
#[derive(Debug)]
pub struct StackTrace<F, R> {
    next: Option<Registers>,
    frames: usize,
    find: F,
    read: R,
}

impl<'f, F, R> StackTrace<F, R>
where
    F: Fn(u64) -> Option<CodeFile<'f>>,
    R: Fn(u64) -> Option<u64>,
{
    /// Begins at these registers.
    pub const fn new(registers: Registers, find: F, read: R) -> Self {
        Self { next: Some(registers), frames: 0, find, read }
    }

    fn caller(&self, registers: &Registers, frame: &StackFrame<'f>) -> Option<Registers> {
        let file = frame.file.as_ref();
        let caller = match file.and_then(|file| file.caller(registers, frame.place, &self.read)) {
            Some(caller) => caller,
            None if self.frames == 1 && file.is_none_or(|file| file.function(frame.place).is_none()) => {
                self.caller_of_no_code(registers)?
            }
            None => return None,
        };
        // A caller's frame is farther up. In a damaged stack, frames may go round in circles.
        (caller.stack() > registers.stack() && caller.instruction() != 0).then_some(caller)
    }

    /// Returns the registers of code that has called what is no code. The call has only pushed the return address.
    fn caller_of_no_code(&self, registers: &Registers) -> Option<Registers> {
        let stack = registers.stack()?;
        let mut caller = *registers;
        caller.set(X86_64::RA, Some((self.read)(stack)?));
        caller.set(X86_64::RSP, Some(stack.wrapping_add(8)));
        Some(caller)
    }
}

impl<'f, F, R> Iterator for StackTrace<F, R>
where
    F: Fn(u64) -> Option<CodeFile<'f>>,
    R: Fn(u64) -> Option<u64>,
{
    type Item = StackFrame<'f>;

    fn next(&mut self) -> Option<StackFrame<'f>> {
        let registers = self.next.take()?;
        let address = registers.instruction();
        let place = if self.frames == 0 { address } else { address.wrapping_sub(1) };
        let frame = StackFrame { address, place, file: (self.find)(place) };
        if self.frames > 0 && frame.file.is_none() {
            return None;
        }
        self.frames += 1;
        if self.frames < MOST_FRAMES {
            self.next = self.caller(&registers, &frame);
        }
        Some(frame)
    }
}
