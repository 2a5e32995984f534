//! Whose code a CPU runs. An interrupt calls a handler, and one driver another's functions of a block device, so the running thread
//! says nothing about whose code it is.
//!
//! The kernel calls such functions here, as guarded calls: a function that fails can be abandoned ([`abandon`]).
use super::cpu_local;
use crate::arch::{self, CallRecord, Frame, set_cpu_local_word};
use core::mem::offset_of;
use core::ptr;
use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicU8, Ordering};
use protection_keys::Key;

/// How code is called.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum CodeKind {
    /// As a function of a block device's driver. The mark is the first field of the device's queue.
    OfQueue = 0,
    /// By the running thread: the code is its own.
    Thread = 1,
    /// By an interrupt.
    Handler = 2,
    /// As the function `Done` of a request.
    Done = 3,
}

/// Whose code it is that the CPU runs, and how it is called.
#[repr(C)]
pub struct CodeMark {
    /// The driver; null for the kernel, and for the code of a thread.
    owner: AtomicPtr<()>,
    kind: CodeKind,
    /// The driver has failed: its code is not called any more.
    has_failed: AtomicBool,
    /// The number of the driver's key; 0 for the kernel, for the code of a thread, and without protection.
    key: AtomicU8,
}

impl CodeMark {
    /// Returns the mark of code of this owner.
    pub const fn new(owner: *const (), kind: CodeKind) -> Self {
        let (has_failed, key) = (AtomicBool::new(false), AtomicU8::new(Key::KERNEL.number()));
        Self { owner: AtomicPtr::new(owner.cast_mut()), kind, has_failed, key }
    }

    /// Sets the owner. Until now there is none, or code of the one before runs no more.
    pub fn set_owner(&self, owner: *const ()) {
        self.owner.store(owner.cast_mut(), Ordering::Relaxed);
    }

    /// Sets the driver's key: code with this mark may write its pages. Until now there is none, or code of the one before runs no more.
    pub fn set_key(&self, key: Key) {
        self.key.store(key.number(), Ordering::Relaxed);
    }

    /// Returns the owner; null for the kernel, and for the code of a thread.
    #[inline(always)]
    pub fn owner(&self) -> *const () {
        self.owner.load(Ordering::Relaxed)
    }

    /// Returns how the code is called.
    #[inline(always)]
    pub fn kind(&self) -> CodeKind {
        self.kind
    }

    /// Notes whether the driver has failed.
    pub fn set_failed(&self, has_failed: bool) {
        self.has_failed.store(has_failed, Ordering::SeqCst);
    }

    /// Returns true if the driver has failed, so that its code is not to be called any more.
    #[inline(always)]
    pub fn has_failed(&self) -> bool {
        self.has_failed.load(Ordering::Relaxed)
    }
}

/// The mark of a CPU that runs its thread's own code.
static THREAD: CodeMark = CodeMark::new(ptr::null(), CodeKind::Thread);

/// The mark of the kernel's own handlers.
pub static KERNELS_HANDLER: CodeMark = CodeMark::new(ptr::null(), CodeKind::Handler);

/// What a CPU's calls begin with.
static OUTERMOST: CallRecord = CallRecord::outermost((&raw const THREAD).cast());

cpu_local! {
    /// The record of the innermost guarded call of the CPU. Its mark is the mark of the code that the CPU runs.
    static CALLS: AtomicPtr<CallRecord> = AtomicPtr::new((&raw const OUTERMOST).cast_mut());
}

const _: () = assert!(CodeKind::OfQueue as u32 == 0 && size_of::<CodeMark>() == 16);

// The gate that guarded calls lead to where keys protect memory.
arch::call_gate!(gate, CALLS, offset_of!(CodeMark, key), offset_of!(CodeMark, kind));

/// Calls a function of one argument as code with this mark. Returns what it returns, or `FAILED` if it was abandoned.
///
/// # Safety
/// The function has this type for a C compiler, up to the type of the result, and may be called with this argument. Until it returns, the
/// mark stays in memory, and preemption or interrupts are off.
#[inline(always)]
pub unsafe fn call_with_one<const FAILED: i32>(mark: &CodeMark, function: *const (), argument: usize) -> i32 {
    let mark = ptr::from_ref(mark);
    // SAFETY: `# Safety` is the same.
    unsafe { arch::guarded_call!(CALLS, mark, function, FAILED, "rdi" = argument) }
}

/// Calls a function of two arguments, as [`call_with_one`] does.
///
/// # Safety
/// As for [`call_with_one`].
#[inline(always)]
pub unsafe fn call_with_two<const FAILED: i32>(
    mark: &CodeMark,
    function: *const (),
    (first, second): (usize, i32),
) -> i32 {
    let mark = ptr::from_ref(mark);
    // SAFETY: `# Safety` is the same.
    unsafe { arch::guarded_call!(CALLS, mark, function, FAILED, "rdi" = first, "esi" = second) }
}

/// Calls a function of four arguments, as [`call_with_one`] does.
///
/// # Safety
/// As for [`call_with_one`].
#[inline(always)]
pub unsafe fn call_with_four<const FAILED: i32>(
    mark: &CodeMark,
    function: *const (),
    (first, second, third, fourth): (usize, i32, usize, i32),
) -> i32 {
    let mark = ptr::from_ref(mark);
    // SAFETY: `# Safety` is the same.
    unsafe {
        arch::guarded_call!(
            CALLS,
            mark,
            function,
            FAILED,
            "rdi" = first,
            "esi" = second,
            "rdx" = third,
            "ecx" = fourth
        )
    }
}

/// Returns true if the running CPU runs its thread's own code.
#[inline(always)]
pub fn is_of_thread() -> bool {
    arch::cpu_local_word_is!(CALLS, OUTERMOST)
}

/// Returns the running CPU's mark, which is in memory until the code that calls returns. One instruction reads where it is: a thread may
/// move to another CPU at any time, and is in its own code then.
#[inline(always)]
pub fn current<'c>() -> &'c CodeMark {
    // SAFETY: by the condition of `call_with_one`, the mark is in memory while the code runs that it belongs to, which calls this.
    unsafe { &*innermost().mark().cast::<CodeMark>() }
}

/// Returns the record of the innermost guarded call of the running CPU, which is there until the code that calls returns.
#[inline(always)]
pub fn innermost<'c>() -> &'c CallRecord {
    let record = arch::cpu_local_word!(CALLS).cast::<CallRecord>();
    // SAFETY: the word leads to `OUTERMOST`, or to what a guarded call has pushed whose function runs. That function, or one that it
    // calls, calls this.
    unsafe { &*record }
}

/// Abandons the function that a guarded call of the running CPU has called: the CPU continues behind the innermost call. Returns false, and
/// changes nothing, if there is no such call, or if its record was overwritten.
///
/// # Safety
/// The frame is that of an exception or an interrupt in the function's own code, or in what it has jumped to, and in no code of the kernel
/// that it has called.
pub unsafe fn abandon(frame: &mut Frame) -> bool {
    let record = innermost();
    let previous = record.previous();
    if previous.is_null() || !record.abandon(frame) {
        return false;
    }
    set_cpu_local_word!(CALLS, previous.cast());
    true
}
