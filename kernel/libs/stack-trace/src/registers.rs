//! The registers that unwind tables speak of.
use gimli::{Register, X86_64};

/// How many registers there are: the general ones.
const COUNT: usize = 16;

/// The registers of a function at one of its instructions: the general ones, and the instruction's address.
///
/// A caller's registers are known only as far as the functions that it called have kept them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Registers {
    /// In the order of the System V ABI for AMD64, figure 3.36: rax, rdx, rcx, rbx, rsi, rdi, rbp, rsp, r8 to r15.
    general: [Option<u64>; COUNT],
    instruction: u64,
}

impl Registers {
    /// Returns registers of which only these two are known.
    #[must_use]
    pub const fn new(instruction: u64, stack: u64) -> Self {
        let mut general = [None; COUNT];
        general[X86_64::RSP.0 as usize] = Some(stack);
        Self { general, instruction }
    }

    /// Returns registers that are all known: the instruction's address, and the general registers in the order of the System V ABI for
    /// AMD64, figure 3.36.
    #[must_use]
    pub fn of(instruction: u64, general: [u64; COUNT]) -> Self {
        Self { general: general.map(Some), instruction }
    }

    /// Returns the instruction's address.
    #[must_use]
    pub const fn instruction(&self) -> u64 {
        self.instruction
    }

    /// Returns the stack pointer.
    #[must_use]
    pub fn stack(&self) -> Option<u64> {
        self.get(X86_64::RSP)
    }

    pub(crate) fn get(&self, register: Register) -> Option<u64> {
        *self.general.get(usize::from(register.0))?
    }

    pub(crate) fn set(&mut self, register: Register, value: Option<u64>) {
        if register == X86_64::RA {
            self.instruction = value.unwrap_or(0);
        } else if let Some(place) = self.general.get_mut(usize::from(register.0)) {
            *place = value;
        }
    }
}
