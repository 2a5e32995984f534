//! One step up the stack, by an unwind table.
use crate::registers::Registers;
use gimli::{
    BaseAddresses, CfaRule, EndianSlice, LittleEndian, ReaderOffset, Register, RegisterRule, UnwindContext,
    UnwindContextStorage, UnwindSection, UnwindTableRow, X86_64,
};

/// Room for the rules of one row, and of the rows that a compiler saves to restore them later. What needs more is not unwound.
struct InPlace;

impl<T: ReaderOffset> UnwindContextStorage<T> for InPlace {
    type Rules = [(Register, RegisterRule<T>); 18];
    type Stack = [UnwindTableRow<T, Self>; 3];
}

/// Returns the registers of the caller of the function with `place`, an address as the table has them. Returns `None` if the table has no such function,
/// or says what is not supported: expressions, which compilers write for jump tables of the linker and the like.
pub(crate) fn caller<'f, S: UnwindSection<EndianSlice<'f, LittleEndian>>>(
    table: &S,
    bases: &BaseAddresses,
    registers: &Registers,
    place: u64,
    read: impl Fn(u64) -> Option<u64>,
) -> Option<Registers> {
    let mut context = UnwindContext::<_, InPlace>::new_in();
    let row = table.unwind_info_for_address(bases, &mut context, place, S::cie_from_offset).ok()?;
    let CfaRule::RegisterAndOffset { register, offset } = *row.cfa() else { return None };
    let frame = registers.get(register)?.wrapping_add_signed(offset);
    let mut caller = *registers;
    // Unless a rule says otherwise, the caller's stack pointer is the frame's address.
    caller.set(X86_64::RSP, Some(frame));
    caller.set(X86_64::RA, None);
    for (register, rule) in row.registers() {
        caller.set(*register, apply(rule, registers, frame, &read));
    }
    Some(caller)
}

fn apply<T: ReaderOffset>(
    rule: &RegisterRule<T>,
    registers: &Registers,
    frame: u64,
    read: impl Fn(u64) -> Option<u64>,
) -> Option<u64> {
    match *rule {
        RegisterRule::Offset(offset) => read(frame.wrapping_add_signed(offset)),
        RegisterRule::ValOffset(offset) => Some(frame.wrapping_add_signed(offset)),
        RegisterRule::Register(other) => registers.get(other),
        RegisterRule::Constant(value) => Some(value),
        _ => None,
    }
}
