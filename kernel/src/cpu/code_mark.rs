//! Whose code a CPU runs. An interrupt calls a handler, and one driver another's functions of a block device, so the running thread
//! says nothing about whose code it is.
use super::cpu_local;
use super::local::Pinned;
use crate::arch::{self, set_cpu_local_word};
use core::ptr;
use core::sync::atomic::{AtomicPtr, Ordering};

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
}

impl CodeMark {
    /// Returns the mark of code of this owner.
    pub const fn new(owner: *const (), kind: CodeKind) -> Self {
        Self { owner: AtomicPtr::new(owner.cast_mut()), kind }
    }

    /// Sets the owner. Until now there is none, or code of the one before runs no more.
    pub fn set_owner(&self, owner: *const ()) {
        self.owner.store(owner.cast_mut(), Ordering::Relaxed);
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
}

/// The mark of a CPU that runs its thread's own code.
static THREAD: CodeMark = CodeMark::new(ptr::null(), CodeKind::Thread);

/// The mark of the kernel's own handlers.
pub static KERNELS_HANDLER: CodeMark = CodeMark::new(ptr::null(), CodeKind::Handler);

cpu_local! {
    /// The mark of the code that the CPU runs.
    static MARK: AtomicPtr<CodeMark> = AtomicPtr::new((&raw const THREAD).cast_mut());
}

/// The mark that a CPU had before.
#[derive(Clone, Copy)]
pub struct MarkBefore(*const ());

impl MarkBefore {
    /// Marks the CPU as it was. This is the CPU on which the code was entered.
    #[inline(always)]
    pub fn restore(self) {
        set_cpu_local_word!(MARK, self.0);
    }

    /// Returns this mark, the running CPU's, as the one to be restored.
    #[inline(always)]
    pub fn of(mark: &CodeMark) -> Self {
        Self(ptr::from_ref(mark).cast())
    }

    /// Returns the running CPU's mark as the one to be restored.
    #[inline(always)]
    pub fn now() -> Self {
        Self(arch::cpu_local_word!(MARK))
    }
}

/// Marks the running CPU as one that runs code with this mark, until the mark before is restored.
///
/// # Safety
/// The mark stays in memory until then, and no other thread runs on the CPU meanwhile.
#[inline(always)]
pub unsafe fn enter(mark: &CodeMark, _: &impl Pinned) -> MarkBefore {
    let before = MarkBefore::now();
    // SAFETY: `# Safety` is the same.
    unsafe { change_to(mark) };
    before
}

/// Marks the running CPU as one that runs code with this mark. The caller restores the mark before.
///
/// # Safety
/// As [`enter`].
#[inline(always)]
pub unsafe fn change_to(mark: &CodeMark) {
    set_cpu_local_word!(MARK, ptr::from_ref(mark).cast());
}

/// Returns the running CPU's mark, which is in memory until the code that calls returns. One instruction reads it: a thread may move to
/// another CPU at any time, and is in its own code then.
#[inline(always)]
pub fn current<'c>() -> &'c CodeMark {
    let mark = arch::cpu_local_word!(MARK).cast::<CodeMark>();
    // SAFETY: by the condition of `enter`, the mark is in memory while the code runs that it belongs to, which calls this.
    unsafe { &*mark }
}
