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
    /// Where the stack has the address, for the function that was called or the handler of an interrupt to return to. `None` for the
    /// instruction that runs.
    pub kept_at: Option<u64>,
    /// The file that the code is of, if it is known.
    pub file: Option<CodeFile<'f>>,
}

/// The words of a stack that are looked at for what an interrupt has left: more than an entry to its handler pushes.
const INTERRUPT_WORDS: u64 = 24;

/// How a frame is left for the one that it has been entered from.
#[derive(Clone, Copy, Debug)]
struct Step {
    registers: Registers,
    kept_at: Option<u64>,
    is_interrupted: bool,
}

/// The frames of a stack, the innermost first. `find` returns the file that the code at an address is of, and `read` the 8 bytes of memory
/// at an address, if it can be read.
#[derive(Debug)]
pub struct StackTrace<F, R> {
    next: Option<Step>,
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
        let step = Step { registers, kept_at: None, is_interrupted: true };
        Self { next: Some(step), frames: 0, find, read }
    }

    fn caller(&self, registers: &Registers, frame: &StackFrame<'f>) -> Option<Step> {
        let file = frame.file.as_ref();
        let call = |registers: Registers| Step {
            registers,
            kept_at: registers.stack().map(|stack| stack.wrapping_sub(8)),
            is_interrupted: false,
        };
        let caller = match file.and_then(|file| file.caller(registers, frame.place, &self.read)) {
            Some(caller) => call(caller),
            None if self.frames == 1 && file.is_none_or(|file| file.function(frame.place).is_none()) => {
                call(self.caller_of_no_code(registers)?)
            }
            None => self.interrupted(registers)?,
        };
        // A caller's frame is farther up. In a damaged stack, frames may go round in circles.
        let Step { registers: of_caller, .. } = &caller;
        (of_caller.stack() > registers.stack() && of_caller.instruction() != 0).then_some(caller)
    }

    /// Returns the registers of code that was interrupted, if these are those of an entry to the handler. What the CPU pushes is known by its
    /// stack pointer, which leads to the end of what was pushed (Intel SDM vol. 3 §6.14.2). The entry has kept the registers that a function
    /// keeps.
    fn interrupted(&self, registers: &Registers) -> Option<Step> {
        let first = registers.stack()?;
        (0..INTERRUPT_WORDS).find_map(|word| {
            let kept_at = first.checked_add(8 * word)?;
            let pushed = |index: u64| (self.read)(kept_at.checked_add(8 * index)?);
            let (instruction, flags, stack) = (pushed(0)?, pushed(2)?, pushed(3)?);
            let is_pushed = stack.wrapping_sub(kept_at.wrapping_add(40)) < 16
                && flags & !0x3f_ffff == 0
                && flags & 2 != 0;
            is_pushed.then(|| {
                let mut registers = *registers;
                registers.set(X86_64::RA, Some(instruction));
                registers.set(X86_64::RSP, Some(stack));
                Step { registers, kept_at: Some(kept_at), is_interrupted: true }
            })
        })
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
        let Step { registers, kept_at, is_interrupted } = self.next.take()?;
        let address = registers.instruction();
        let place = if is_interrupted { address } else { address.wrapping_sub(1) };
        let frame = StackFrame { address, place, kept_at, file: (self.find)(place) };
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
