//! Each CPU's copy of the section `cpu_local`, reached through GS.
//!
//! GS holds the distance from the section to the running CPU's copy. So `gs:[SYMBOL]` addresses that CPU's copy of a static in
//! one instruction: the addresses of statics fit the displacement of an instruction. [`HEAD`] holds the words that every
//! context switch and every stretch without preemption touches.
//!
//! No read through GS is `pure`: the compiler may merge `pure` reads, and the thread may run on another CPU by the second one.
use super::InterruptsOff;
use ::x86_64::registers::model_specific::GsBase;
use core::arch::{asm, naked_asm};
use core::mem::{MaybeUninit, offset_of};
use core::sync::atomic::{AtomicPtr, AtomicU32, AtomicUsize, Ordering};
use units::VirtAddr;

/// The alignment of a CPU's copy: the cache line, which no two CPUs share.
pub const AREA_ALIGNMENT: usize = 64;

/// The words of a CPU that single instructions reach.
#[repr(C, align(64))]
pub struct CpuHead {
    /// The distance from the section `cpu_local` to this CPU's copy of it.
    distance: AtomicUsize,
    /// The task that the CPU runs.
    task: AtomicPtr<()>,
    /// The number of nested stretches without preemption, and [`NO_WORK`]. It is 0 only when the last stretch has ended and
    /// work is pending, so the flags of one decrement say so.
    preemption: AtomicU32,
    /// The end of the stack on which the CPU calls functions of drivers, where keys protect memory.
    call_stack: AtomicUsize,
}

/// Where the address of the running task lies behind [`HEAD`].
pub const TASK: usize = offset_of!(CpuHead, task);
/// Where the end of the CPU's call stack lies behind [`HEAD`].
pub const CALL_STACK: usize = offset_of!(CpuHead, call_stack);

/// Set in [`CpuHead::preemption`] while there is nothing to do at the end of the stretch.
const NO_WORK: u32 = 1 << 31;

/// The head of each copy of the section. All access goes through GS or a [`CpuArea`].
#[unsafe(link_section = "cpu_local")]
pub static HEAD: CpuHead = CpuHead {
    distance: AtomicUsize::new(0),
    task: AtomicPtr::new(core::ptr::null_mut()),
    preemption: AtomicU32::new(NO_WORK),
    call_stack: AtomicUsize::new(0),
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

/// A type that a CPU can run: it begins with its [`Context`](super::Context). The kernel has one such type.
///
/// # Safety
/// The type is `repr(C)`, and its first field is a [`Context`](super::Context).
pub unsafe trait Task: Sync {}

/// One CPU's copy of the section `cpu_local`. It exists for good.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct CpuArea {
    /// Added to the address of a static of the section, gives the address of this CPU's copy of the static.
    distance: usize,
}

impl CpuArea {
    /// Returns the bytes that a copy of the section needs.
    pub fn size() -> usize {
        &raw const SECTION_END as usize - &raw const SECTION_START as usize
    }

    /// Fills `memory` with a copy of the section as it was linked.
    ///
    /// # Panics
    /// If `memory` is shorter than [`CpuArea::size`], or not aligned to [`AREA_ALIGNMENT`].
    pub fn new(memory: &'static mut [MaybeUninit<u8>]) -> Self {
        assert!(memory.len() >= Self::size(), "a CPU's copy of the section cpu_local needs more room");
        let copy = memory.as_mut_ptr().cast::<u8>();
        assert!(
            copy.addr().is_multiple_of(AREA_ALIGNMENT),
            "a CPU's copy of the section cpu_local is not aligned"
        );
        // SAFETY: both are `size` bytes long, `memory` by the first assertion. Nothing writes to the section itself: its statics
        // are reached through GS or a `CpuArea`, which lead to copies.
        unsafe { copy.copy_from_nonoverlapping(&raw const SECTION_START, Self::size()) };
        let distance = copy.expose_provenance().wrapping_sub(&raw const SECTION_START as usize);
        let mut addressed = &raw const ADDRESSED_START;
        while addressed < &raw const ADDRESSED_END {
            // SAFETY: the linker lists there the addresses of statics of the section that begin with the offset from that
            // address to their value. The copy is not shared yet.
            unsafe {
                let address = (*addressed).wrapping_add(distance);
                *core::ptr::with_exposed_provenance_mut::<usize>(address) += address;
                addressed = addressed.add(1);
            }
        }
        let area = Self { distance };
        area.head().distance.store(distance, Ordering::Relaxed);
        area
    }

    /// Returns the running CPU's area. If the thread can move to another CPU, it may do so before the caller uses the result.
    #[inline(always)]
    pub fn current() -> Self {
        let distance: usize;
        // SAFETY: GS leads to a copy of the section from `init_early` on. This word of it never changes.
        unsafe {
            asm!("mov {}, gs:[{head}]", out(reg) distance, head = sym HEAD, options(nostack, preserves_flags, readonly))
        };
        Self { distance }
    }

    /// Makes this the running CPU's area.
    ///
    /// # Safety
    /// No other CPU uses the area as its own. On this CPU, nothing uses the former area afterwards as the running CPU's.
    pub unsafe fn install(self) {
        GsBase::write(::x86_64::VirtAddr::new_truncate(self.distance as u64));
    }

    /// Makes every access to the running CPU's area a fault, for the fault injection.
    ///
    /// # Safety
    /// The CPU goes down without using its area.
    pub unsafe fn lose() {
        // The lower half, where nothing is mapped, seen from the section in the top 2 GiB.
        GsBase::write(::x86_64::VirtAddr::new_truncate(0x0000_1000_0000_0000));
    }

    /// Returns the address of this area's copy of a static.
    ///
    /// `of` must be a static of the section `cpu_local`: otherwise the result is no valid address.
    #[inline(always)]
    pub fn copy_of<T>(self, of: *const T) -> *const T {
        core::ptr::with_exposed_provenance((of as usize).wrapping_add(self.distance))
    }

    /// Returns the task that the CPU runs.
    pub fn task(self) -> *const () {
        self.head().task.load(Ordering::Relaxed)
    }

    /// Sets the end of the stack on which the CPU calls functions of drivers.
    pub fn set_call_stack(self, top: VirtAddr) {
        self.head().call_stack.store(top.0 as usize, Ordering::Relaxed);
    }

    /// Returns where the CPU's call stack ends, or `None` if it has none.
    pub fn call_stack_top(self) -> Option<VirtAddr> {
        let top = self.head().call_stack.load(Ordering::Relaxed) as u64;
        (top != 0).then_some(VirtAddr(top))
    }

    /// Sets the task that the CPU runs first.
    pub fn set_task<T: Task>(self, task: &'static T) {
        self.head().task.store(core::ptr::from_ref(task).cast_mut().cast(), Ordering::Relaxed);
    }

    #[inline(always)]
    fn head(self) -> &'static CpuHead {
        // SAFETY: `HEAD` is in the section, and the area is a copy of the section that exists for good.
        unsafe { &*self.copy_of(&raw const HEAD) }
    }
}

/// Reads the first word of the running CPU's copy of a static of the section `cpu_local`, in one instruction.
macro_rules! cpu_local_word {
    ($name:path) => {{
        let word: *const ();
        // SAFETY: GS leads to a copy of the section, all of which may be read.
        unsafe {
            core::arch::asm!("mov {}, gs:[{}]", out(reg) word, sym $name, options(nostack, preserves_flags, readonly))
        };
        word
    }};
}
pub(crate) use cpu_local_word;

/// Returns true if the first word of the running CPU's copy of a static of the section `cpu_local` is the address of another static. One
/// instruction reads it.
macro_rules! cpu_local_word_is {
    ($name:path, $other:path) => {{
        #[inline(always)]
        fn is_other() -> bool {
            // SAFETY: GS leads to a copy of the section, all of which may be read. The addresses of statics fit a number of 32 bits.
            unsafe {
                core::arch::asm!("cmp qword ptr gs:[{}], offset {}", "jne {}", sym $name, sym $other, label { return true },
                    options(nostack, readonly))
            };
            false
        }
        !is_other()
    }};
}
pub(crate) use cpu_local_word_is;

/// Writes the first word of the running CPU's copy of a static of the section `cpu_local`, in one instruction.
macro_rules! set_cpu_local_word {
    ($name:path, $word:expr) => {{
        let word: *const () = $word;
        // SAFETY: GS leads to a copy of the section. The caller owns the static, whose first word may hold any pointer that it
        // passes here.
        unsafe { core::arch::asm!("mov gs:[{}], {}", sym $name, in(reg) word, options(nostack, preserves_flags)) };
    }};
}
pub(crate) use set_cpu_local_word;

/// Reads a word of the running CPU's copy of a static of the section `cpu_local`, in one instruction. The static is an array of
/// words, and the index is below its length.
macro_rules! cpu_local_element {
    ($name:path, $index:expr) => {{
        let index: usize = $index;
        let word: *const ();
        // SAFETY: GS leads to a copy of the section, all of which may be read.
        unsafe {
            core::arch::asm!("mov {}, gs:[{} + 8 * {}]", out(reg) word, sym $name, in(reg) index,
                options(nostack, preserves_flags, readonly))
        };
        word
    }};
}
pub(crate) use cpu_local_element;

/// Returns true if the first byte of the running CPU's copy of a static of the section `cpu_local` is not 0.
macro_rules! is_cpu_local_byte_set {
    ($name:path) => {
        'set: {
            // SAFETY: GS leads to a copy of the section, all of which may be read.
            unsafe {
                core::arch::asm!("cmp byte ptr gs:[{}], 0", "jne {}", sym $name, label { break 'set true },
                    options(nostack, readonly))
            };
            false
        }
    };
}
pub(crate) use is_cpu_local_byte_set;

/// Adds to a word of the running CPU's copy of a static of the section `cpu_local`, in one instruction, which no interrupt divides. The
/// static is an array of words, and the index is below its length. The sum wraps.
macro_rules! add_to_cpu_local_element {
    ($name:path, $index:expr, const $more:literal) => {{
        let index: usize = $index;
        // SAFETY: as below.
        unsafe {
            core::arch::asm!("add qword ptr gs:[{} + 8 * {}], {}", sym $name, in(reg) index, const $more, options(nostack))
        };
    }};
    ($name:path, $index:expr, $more:expr) => {{
        let index: usize = $index;
        let more: u64 = $more;
        // SAFETY: GS leads to a copy of the section. The caller owns the static, whose words are atomic numbers, and the index is in it.
        unsafe {
            core::arch::asm!("add qword ptr gs:[{} + 8 * {}], {}", sym $name, in(reg) index, in(reg) more, options(nostack))
        };
    }};
}
pub(crate) use add_to_cpu_local_element;

/// Returns the task that the running CPU runs. One instruction reads it, so the result is right even if the thread moves.
#[inline]
pub fn current_task() -> *const () {
    let task: *const ();
    // SAFETY: GS leads to a copy of the section, all of which may be read.
    unsafe {
        asm!("mov {}, gs:[{head} + {offset}]", out(reg) task, head = sym HEAD, offset = const offset_of!(CpuHead, task),
            options(nostack, preserves_flags, readonly))
    };
    task
}

/// Sets the task that the running CPU runs.
#[inline]
pub fn set_current_task<T: Task>(task: &'static T) {
    // SAFETY: GS leads to the running CPU's copy of the section. Only that CPU writes the word.
    unsafe {
        asm!("mov gs:[{head} + {offset}], {}", in(reg) task, head = sym HEAD, offset = const offset_of!(CpuHead, task),
            options(nostack, preserves_flags))
    };
}

/// What the end of a stretch without preemption calls if work is pending.
pub trait PreemptionEnd {
    /// Does the pending work. The CPU may run other threads before this returns.
    extern "C" fn preempt();
}

/// Begins a stretch without preemption, in one instruction.
#[inline]
pub fn begin_no_preemption() {
    // SAFETY: GS leads to the running CPU's copy of the section, and the word only counts stretches without preemption.
    unsafe {
        asm!("inc dword ptr gs:[{head} + {offset}]", head = sym HEAD, offset = const offset_of!(CpuHead, preemption),
            options(nostack))
    };
}

/// Ends a stretch without preemption. If it was the outermost one and work is pending, calls `E`.
///
/// The call keeps all registers, so the code around it need not save any. The block may push, so the compiler keeps the stack
/// aligned for it, which costs 2 instructions in a function that calls nothing else. A call in a block of Rust code behind
/// `asm goto` would cost a pair of page allocation and free 8 instructions more.
///
/// # Safety
/// The caller began a stretch with [`begin_no_preemption`] on this CPU, and has not ended it.
#[inline]
pub unsafe fn end_no_preemption<E: PreemptionEnd>() {
    // SAFETY: by `# Safety` the count includes a stretch of the caller's. `call_with_registers_kept` changes no register and
    // keeps the stack, which the compiler aligns to 16 bytes because the block is not `nostack`.
    unsafe {
        asm!(
            "dec dword ptr gs:[{head} + {offset}]",
            "jnz 2f",
            "call {call}",
            "2:",
            head = sym HEAD,
            offset = const offset_of!(CpuHead, preemption),
            call = sym call_with_registers_kept::<E>,
        );
    }
}

/// Ends a stretch without preemption. Returns true if it was the outermost one and work is pending, which the caller then does.
///
/// Unlike [`end_no_preemption`], this makes no call and needs no aligned stack. It pays in a function that does the work as its
/// very last step.
///
/// # Safety
/// As for [`end_no_preemption`].
#[inline(always)]
#[must_use = "the pending work is to be done"]
pub unsafe fn end_no_preemption_is_due() -> bool {
    // SAFETY: by `# Safety` the count includes a stretch of the caller's. The block uses no stack.
    unsafe {
        asm!(
            "dec dword ptr gs:[{head} + {offset}]",
            "jz {due}",
            head = sym HEAD,
            offset = const offset_of!(CpuHead, preemption),
            due = label { return true },
            options(nostack),
        );
    }
    false
}

/// Calls `E` and keeps the registers that the calling convention does not keep. The caller's stack is aligned to 16 bytes.
#[unsafe(naked)]
extern "C" fn call_with_registers_kept<E: PreemptionEnd>() {
    // The return address and nine registers: the stack is aligned to 16 bytes again.
    naked_asm!(
        // For traces of the stack, each change of the stack pointer is noted.
        ".cfi_startproc",
        ".irp register, rax, rcx, rdx, rsi, rdi, r8, r9, r10, r11",
        "push \\register",
        ".cfi_adjust_cfa_offset 8",
        ".endr",
        "call {preempt}",
        ".irp register, r11, r10, r9, r8, rdi, rsi, rdx, rcx, rax",
        "pop \\register",
        ".cfi_adjust_cfa_offset -8",
        ".endr",
        "ret",
        ".cfi_endproc",
        preempt = sym E::preempt,
    )
}

/// Returns true in a stretch without preemption. One instruction reads the count, so the result is right even if the thread
/// moves.
#[inline]
pub fn is_preemption_off() -> bool {
    let count: u32;
    // SAFETY: GS leads to a copy of the section, all of which may be read.
    unsafe {
        asm!("mov {:e}, gs:[{head} + {offset}]", out(reg) count, head = sym HEAD,
            offset = const offset_of!(CpuHead, preemption), options(nostack, preserves_flags, readonly))
    };
    count & !NO_WORK != 0
}

/// Returns true if preemption is on, so that work may be done now. Otherwise returns false and makes the end of the outermost
/// stretch without preemption call its [`PreemptionEnd`].
pub fn begin_work(_: &InterruptsOff) -> bool {
    let word = &CpuArea::current().head().preemption;
    // With interrupts off, nothing else on this CPU changes the word, and no other CPU does.
    let value = word.load(Ordering::Relaxed);
    let is_preemptible = value & !NO_WORK == 0;
    word.store(if is_preemptible { NO_WORK } else { value & !NO_WORK }, Ordering::Relaxed);
    is_preemptible
}
