//! The interrupt stacks: stacks for exceptions that must be handled even when the current stack is unusable. A CPU finds
//! them in the interrupt stack table (IST) of its TSS (Intel SDM vol. 3 §6.14.5).
use core::cell::UnsafeCell;
use units::VirtAddr;

/// The exceptions with a stack of their own. The value is the stack's index in the interrupt stack table.
#[derive(Clone, Copy)]
pub enum InterruptStack {
    /// A fault during the delivery of another fault, for example because the stack has overflowed.
    DoubleFault = 0,
    /// An interrupt that the CPU takes even where interrupts are off.
    NonMaskable = 1,
    /// The hardware has detected an error of its own.
    MachineCheck = 2,
}

/// How many interrupt stacks a CPU has.
pub const INTERRUPT_STACKS: usize = 3;
/// Bytes in each of them.
pub const INTERRUPT_STACK_SIZE: u64 = 16 * 1024;

/// The ends of a CPU's interrupt stacks, in the order of [`InterruptStack`]. A stack grows down from its end.
pub type InterruptStacks = [VirtAddr; INTERRUPT_STACKS];

/// Returns the interrupt stacks that the boot CPU uses until the kernel can allocate memory. They have no guard pages.
pub fn early_interrupt_stacks() -> InterruptStacks {
    #[repr(C, align(16))]
    struct Memory(UnsafeCell<[[u8; INTERRUPT_STACK_SIZE as usize]; INTERRUPT_STACKS]>);
    // SAFETY: the memory is private to this function, which reads and writes none of it. Only the boot CPU pushes there, when it
    // takes an exception.
    unsafe impl Sync for Memory {}
    static MEMORY: Memory = Memory(UnsafeCell::new([[0; INTERRUPT_STACK_SIZE as usize]; INTERRUPT_STACKS]));
    let start = MEMORY.0.get().expose_provenance() as u64;
    core::array::from_fn(|index| VirtAddr(start + (index as u64 + 1) * INTERRUPT_STACK_SIZE))
}
