//! A thread's life: creating, exiting, giving back what it had, joining, and changing where it may run.
//!
//! A thread that exits cannot give back the stack it stands on: the reaper, a thread of the kernel's own, does that, and
//! then tells whoever joins. Joining gives the control block back, the last of its pages.
use super::cpu_threads::{self, Settled};
use super::scheduler;
use super::thread::{Start, State, Thread, ThreadId};
use super::thread_list::ThreadList;
use super::thread_table;
use super::wait_queue::WaitQueue;
use crate::arch::{self, Context, InterruptsOff};
use crate::cpu::{self, DeferredWork};
use crate::memory::memory_context::MemoryContext;
use crate::memory::stack::Stack;
use core::sync::atomic::Ordering;
use scheduling::{CpuMap, CpuSet};
use units::NodeId;

/// Why a thread was not created.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CreateError {
    /// There are as many threads as there can be.
    TooMany,
    /// No memory for its control block or its stack.
    NoMemory,
}

/// Why a thread could not be joined, found or moved.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ThreadError {
    /// There is no thread with this id.
    NoSuchThread(ThreadId),
    /// Somebody joins it already.
    Joined(ThreadId),
    /// A thread cannot wait for itself.
    Itself,
    /// None of the CPUs is online.
    NoCpu,
}

/// Creates a thread and lets it run, on the least busy CPU of the node that it prefers.
///
/// It prefers `node` if given, else what its creator prefers, and has its control block and its stack there.
///
/// # Errors
/// [`CreateError`]; nothing is left of it.
pub fn create(name: &str, start: Start, node: Option<NodeId>) -> Result<ThreadId, CreateError> {
    let id = thread_table::lock().reserve().ok_or(CreateError::TooMany)?;
    let thread = build(id, name, start, node).inspect_err(|_| thread_table::lock().remove(id))?;
    thread_table::lock().insert(thread);
    let _off = InterruptsOff::new();
    scheduler::enqueue(thread, scheduler::place(thread));
    Ok(id)
}

fn build(
    id: ThreadId,
    name: &str,
    start: Start,
    node: Option<NodeId>,
) -> Result<&'static Thread, CreateError> {
    let creator = cpu_threads::current_thread();
    let home = node.unwrap_or_else(|| MemoryContext::current().home_node());
    let stack = Stack::allocate(home).ok_or(CreateError::NoMemory)?;
    // SAFETY: the stack is new.
    let context = unsafe { Context::fresh(stack.top, thread_main) };
    let Some(thread) = Thread::create(id, name, home, creator, context) else {
        // SAFETY: no thread has it yet.
        unsafe { stack.free() };
        return Err(CreateError::NoMemory);
    };
    thread.stack.set(Some(stack));
    thread.start.set(Some(start));
    if node.is_some() {
        // What the creator's policy says goes before a preferred node, and is about another thread's memory.
        thread.memory.set_policy(None);
        thread.memory.set_preferred_node(node);
    }
    Ok(thread)
}

/// A control block for a thread that begins on a stack of the kernel's own: a CPU's first thread, or its idle thread.
pub fn adopt(name: &str, node: NodeId, context: Context) -> Option<&'static Thread> {
    let id = thread_table::lock().reserve()?;
    let thread = Thread::create(id, name, node, cpu_threads::current_thread(), context)?;
    thread_table::lock().insert(thread);
    Some(thread)
}

/// Where every thread but a CPU's first begins.
extern "C" fn thread_main() -> ! {
    let start = cpu_threads::current_thread().start.take();
    arch::enable_interrupts();
    let code = start.map_or(0, |start| {
        // SAFETY: whoever created the thread vouches for its entry and argument.
        unsafe { (start.entry)(start.argument) }
    });
    exit(code)
}

/// Threads that have exited, and their codes, on their way to the reaper.
static EXITED: WaitQueue<ThreadList> = WaitQueue::new(ThreadList::new());

/// Ends the running thread.
pub fn exit(code: i32) -> ! {
    let _off = InterruptsOff::new();
    let thread = cpu_threads::current_thread();
    thread.set_exit_code(code);
    EXITED.wake_one(|exited| {
        thread.set_state(State::Exited);
        exited.push(thread);
    });
    scheduler::block_with_interrupts_off(cpu_threads::current());
    unreachable!("a thread that has exited was switched to")
}

/// The reaper's work.
unsafe extern "C" fn reap(_: *mut core::ffi::c_void) -> i32 {
    loop {
        let thread = EXITED.wait(ThreadList::pop);
        while thread.context.is_on_stack() {
            core::hint::spin_loop();
        }
        if let Some(stack) = thread.stack.take() {
            // SAFETY: the thread has left it for good.
            unsafe { stack.free() };
        }
        // Before anybody learns that it has ended: a driver that joins its threads has none left.
        thread.leave_driver();
        // From here on the thread belongs to whoever joins it.
        let code = thread.exit_code();
        thread.finished.wake_all(|finished| *finished = Some(code));
    }
}

/// Starts the reaper.
///
/// # Errors
/// [`CreateError`].
pub fn start_reaper() -> Result<ThreadId, CreateError> {
    create("reaper", Start { entry: reap, argument: core::ptr::null_mut() }, None)
}

/// Waits until the thread has finished, and returns its exit code. Afterwards the id is nobody's, and every page that the
/// thread had from the kernel is given back.
///
/// # Errors
/// [`ThreadError`], at once.
pub fn join(id: ThreadId) -> Result<i32, ThreadError> {
    let thread = {
        let table = thread_table::lock();
        let thread = table.find(id).ok_or(ThreadError::NoSuchThread(id))?;
        if core::ptr::eq(thread, cpu_threads::current_thread()) {
            return Err(ThreadError::Itself);
        }
        if thread.joined.swap(true, Ordering::Relaxed) {
            return Err(ThreadError::Joined(id));
        }
        thread
    };
    let code = thread.finished.wait(|finished| *finished);
    thread_table::lock().remove(id);
    // SAFETY: it has finished, its id is gone from the table, and nobody else joins it.
    unsafe { thread.destroy() };
    Ok(code)
}

/// Whether a driver created the thread with this id; `false` where there is none.
pub fn is_drivers_own(id: ThreadId) -> bool {
    thread_table::lock().find(id).is_some_and(Thread::is_drivers_own)
}

/// Lets the thread run on these CPUs only. When the call returns it runs nowhere else any more.
///
/// # Errors
/// [`ThreadError`]; nothing is changed.
pub fn set_affinity(id: ThreadId, cpus: &CpuSet) -> Result<(), ThreadError> {
    let allowed = cpus.intersection(&running_cpus());
    if allowed.is_empty() {
        return Err(ThreadError::NoCpu);
    }
    let mut asked = None;
    loop {
        {
            let table = thread_table::lock();
            let thread = table.find(id).ok_or(ThreadError::NoSuchThread(id))?;
            let _off = InterruptsOff::new();
            let Some(cpu) = cpu_threads::get(thread.cpu()) else { return Ok(()) };
            match cpu.set_affinity(thread, &allowed) {
                Settled::Yes => return Ok(()),
                Settled::No => {}
                Settled::Taken => {
                    scheduler::enqueue(thread, scheduler::place(thread));
                    return Ok(());
                }
                Settled::Runs if core::ptr::eq(thread, cpu_threads::current_thread()) => {}
                // One interrupt is enough: the CPU lets go of the thread before it goes on with it.
                Settled::Runs if asked == Some(cpu.id()) => {}
                Settled::Runs => {
                    asked = Some(cpu.id());
                    cpu::defer(cpu.cpu(), DeferredWork::Switch);
                    cpu.cpu().wake_up();
                }
            }
        }
        // Where it is this very thread that must move, it does so now; another is let go by its CPU at the next chance.
        scheduler::move_away_if_forbidden();
        scheduler::yield_now();
        core::hint::spin_loop();
    }
}

/// The CPUs on which the thread may run.
///
/// # Errors
/// [`ThreadError::NoSuchThread`].
pub fn affinity(id: ThreadId) -> Result<CpuSet, ThreadError> {
    let table = thread_table::lock();
    let thread = table.find(id).ok_or(ThreadError::NoSuchThread(id))?;
    Ok(thread.affinity().intersection(&running_cpus()))
}

fn running_cpus() -> CpuSet {
    scheduler::cpu_map().map_or(CpuSet::EMPTY, CpuMap::all)
}
