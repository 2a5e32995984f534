//! Each CPU's copy of the section `cpu_local`, reached through GS.
//!
//! GS holds the distance from the section to the running CPU's copy of it, so that `gs:[SYMBOL]` is that CPU's copy of the
//! static: the addresses of statics fit the displacement of an instruction. The words that every context switch and every
//! stretch without preemption touch are in [`HEAD`], for which single instructions are here.
use ::x86_64::registers::model_specific::GsBase;
use core::arch::{asm, naked_asm};
use core::mem::offset_of;
use core::sync::atomic::{AtomicPtr, AtomicU32, AtomicUsize};

/// The words of a CPU that single instructions reach.
#[repr(C, align(64))]
pub struct CpuHead {
    /// The distance from the section `cpu_local` to this CPU's copy of it.
    distance: AtomicUsize,
    /// What the CPU runs.
    pub task: AtomicPtr<()>,
    /// How many stretches without preemption are under way, and a bit that says that nothing is to be done at their end.
    pub preemption: AtomicU32,
}

/// Set in [`CpuHead::preemption`] while nothing is to be done at the end of the stretch.
pub const NO_WORK: u32 = 1 << 31;

/// The head of the section's copies. To be reached through GS only.
#[unsafe(link_section = "cpu_local")]
static HEAD: CpuHead = CpuHead {
    distance: AtomicUsize::new(0),
    task: AtomicPtr::new(core::ptr::null_mut()),
    preemption: AtomicU32::new(NO_WORK),
};

unsafe extern "C" {
    #[link_name = "__start_cpu_local_addressed"]
    static ADDRESSED_START: usize;
    #[link_name = "__stop_cpu_local_addressed"]
    static ADDRESSED_END: usize;
    #[link_name = "__start_cpu_local"]
    static SECTION_START: u8;
    #[link_name = "__stop_cpu_local"]
    static SECTION_END: u8;
}

/// Bytes of the section, and so of each CPU's copy.
pub fn section_size() -> usize {
    &raw const SECTION_END as usize - &raw const SECTION_START as usize
}

/// Fills `copy` with the section as it was linked. Returns its distance.
///
/// # Safety
/// There are [`section_size`] bytes at `copy`, aligned to 64, which are the caller's.
pub unsafe fn copy_section(copy: *mut u8) -> usize {
    // SAFETY: the caller vouches for the copy. Nobody writes to the section itself: GS leads elsewhere.
    unsafe { copy.copy_from_nonoverlapping(&raw const SECTION_START, section_size()) };
    let distance = (copy as usize).wrapping_sub(&raw const SECTION_START as usize);
    let mut addressed = &raw const ADDRESSED_START;
    while addressed < &raw const ADDRESSED_END {
        // SAFETY: the linker lists there the addresses of statics of the section that begin with room for their own.
        unsafe {
            let place = (*addressed).wrapping_add(distance);
            *core::ptr::with_exposed_provenance_mut::<usize>(place) += place;
            addressed = addressed.add(1);
        }
    }
    head_at(distance).distance.store(distance, core::sync::atomic::Ordering::Relaxed);
    distance
}

/// Makes the copy at this distance the running CPU's.
///
/// # Safety
/// [`copy_section`] returned the distance, and the copy stays this CPU's for as long as it runs.
pub unsafe fn use_copy(distance: usize) {
    GsBase::write(::x86_64::VirtAddr::new_truncate(distance as u64));
    debug_assert_eq!(cpu_local_distance(), distance);
}

/// The head of the copy at this distance.
pub fn head_at(distance: usize) -> &'static CpuHead {
    let address = (&raw const HEAD as usize).wrapping_add(distance);
    // SAFETY: every distance that is known is that of a copy, which lives for good.
    unsafe { &*core::ptr::with_exposed_provenance(address) }
}

/// The distance from the section to the running CPU's copy.
#[inline]
pub fn cpu_local_distance() -> usize {
    let distance: usize;
    // SAFETY: a CPU has its copy from the start, and this word of it never changes.
    unsafe {
        asm!("mov {}, gs:[{head}]", out(reg) distance, head = sym HEAD, options(nostack, preserves_flags, pure, readonly))
    };
    distance
}

/// The word at the begin of the running CPU's copy of a static of the section `cpu_local`, in one instruction.
macro_rules! cpu_local_word {
    ($name:path) => {{
        let word: *const ();
        // SAFETY: a CPU has its copy from the start; what lies in it may be read.
        unsafe {
            core::arch::asm!("mov {}, gs:[{}]", out(reg) word, sym $name, options(nostack, preserves_flags, pure, readonly))
        };
        word
    }};
}
pub(crate) use cpu_local_word;

/// What the running CPU runs: one instruction, so that it is right whatever happens around it.
#[inline]
pub fn current_task() -> *const () {
    let task: *const ();
    // SAFETY: a CPU has its copy from the start; what lies in it may be read.
    unsafe {
        asm!("mov {}, gs:[{head} + {offset}]", out(reg) task, head = sym HEAD, offset = const offset_of!(CpuHead, task),
            options(nostack, preserves_flags, readonly))
    };
    task
}

/// Notes what the running CPU runs from now on.
#[inline]
pub fn set_current_task(task: *const ()) {
    // SAFETY: a CPU has its copy from the start; the word is written by the CPU itself only.
    unsafe {
        asm!("mov gs:[{head} + {offset}], {}", in(reg) task, head = sym HEAD, offset = const offset_of!(CpuHead, task),
            options(nostack, preserves_flags))
    };
}

/// What is called at the end of a stretch without preemption if something is due then.
pub trait PreemptionEnd {
    /// Does what is due. The code may be left for another thread here.
    extern "C" fn preempt();
}

/// Begins a stretch without preemption, in one instruction.
#[inline]
pub fn begin_no_preemption() {
    // SAFETY: the word is a counter of the running CPU's.
    unsafe {
        asm!("inc dword ptr gs:[{head} + {offset}]", head = sym HEAD, offset = const offset_of!(CpuHead, preemption),
            options(nostack))
    };
}

/// Ends a stretch without preemption; calls `E` if it was the outermost and something is due. All registers are kept, so that
/// a short stretch that ends with this needs no stack.
///
/// # Safety
/// [`begin_no_preemption`] was called before.
#[inline]
pub unsafe fn end_no_preemption<E: PreemptionEnd>() {
    // SAFETY: the caller says so; what is called changes no register and takes any alignment of the stack. That it pushes is no
    // more than what interrupts do at any place: the target has no red zone.
    unsafe {
        asm!(
            "dec dword ptr gs:[{head} + {offset}]",
            "jnz 2f",
            "call {call}",
            "2:",
            head = sym HEAD,
            offset = const offset_of!(CpuHead, preemption),
            call = sym call_with_registers_kept::<E>,
            options(nostack),
        );
    }
}

/// Calls `E` with all registers kept that the calling convention would not keep, whatever the stack's alignment.
#[unsafe(naked)]
extern "C" fn call_with_registers_kept<E: PreemptionEnd>() {
    naked_asm!(
        "push rbp",
        "mov rbp, rsp",
        "push rax", "push rcx", "push rdx", "push rsi", "push rdi", "push r8", "push r9", "push r10", "push r11",
        "and rsp, -16",
        "cld",
        "call {preempt}",
        "lea rsp, [rbp - 72]",
        "pop r11", "pop r10", "pop r9", "pop r8", "pop rdi", "pop rsi", "pop rdx", "pop rcx", "pop rax",
        "pop rbp",
        "ret",
        preempt = sym E::preempt,
    )
}
