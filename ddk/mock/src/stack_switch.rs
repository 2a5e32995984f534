//! Switching the host thread from one stack to another.
use std::arch::naked_asm;

/// Saves the registers that a function keeps (System V ABI, AMD64, §3.2.1) on this stack and its pointer in `save`, and goes on where the
/// stack `load` was left.
///
/// # Safety
/// `load` is what this function has saved, or [`first`] has returned, and nothing has run on that stack since.
#[unsafe(naked)]
pub unsafe extern "C" fn switch(save: *mut usize, load: usize) {
    naked_asm!(
        "push rbp",
        "push rbx",
        "push r12",
        "push r13",
        "push r14",
        "push r15",
        "mov [rdi], rsp",
        "mov rsp, rsi",
        "pop r15",
        "pop r14",
        "pop r13",
        "pop r12",
        "pop rbx",
        "pop rbp",
        "ret",
    )
}

/// Prepares a new stack, which ends at `end`, so that [`switch`] calls `entry` on it. Returns the pointer to load.
///
/// # Safety
/// The memory below `end`, a multiple of 16, is writable and unused.
pub unsafe fn first(end: usize, entry: extern "C" fn() -> !) -> usize {
    // After `ret` has taken the entry, the stack pointer is 8 above a multiple of 16, as after a call.
    let frame = end - 10 * size_of::<usize>();
    let words = std::ptr::with_exposed_provenance_mut::<usize>(frame);
    // SAFETY: by `# Safety` the words lie in writable memory that nothing uses.
    unsafe {
        words.write_bytes(0, 10);
        words.add(6).write(entry as usize);
    }
    frame
}
