//! A thread's life: creating, exiting, reaping, joining, and changing where it may run.
//!
//! A thread that exits cannot free the stack it stands on. The reaper, a thread of the kernel, does that and then wakes the
//! thread that joins. Joining frees the control block, the last of the thread's pages.
use super::cpu_threads;
use super::scheduler::{self, ThisMachine};
use super::thread::{NewThread, Start, Thread, ThreadBox, ThreadId, ThreadPage};
use super::thread_table;
use super::wait_queue::WaitQueue;
use crate::arch::{self, Context, InterruptsOff};
use crate::cpu::{self, DeferredWork};
use crate::memory::memory_context::MemoryContext;
use crate::memory::stack::Stack;
use core::ffi::c_void;
use core::ops::Deref;
use run_queue::{Blocked, Entry, List, Progress, Runnable};
use scheduling::{CpuMap, CpuSet};
use units::{CpuId, NodeId};

/// Why a thread was not created.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CreateError {
    /// The table of threads is full.
    TooMany,
    /// There is no memory for the control block or the stack.
    NoMemory,
}

/// Why a thread could not be joined, found or moved.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ThreadError {
    /// There is no thread with this id.
    NoSuchThread(ThreadId),
    /// Another thread joins it already, or it is a thread that nobody may join.
    Joined(ThreadId),
    /// A thread cannot join itself.
    Itself,
    /// None of the CPUs is online.
    NoCpu,
}

/// Creates a thread and lets it run, on the least busy CPU of the node that it prefers.
///
/// The thread prefers `node` if given, else the node that its creator prefers. Its control block and its stack are there.
///
/// # Errors
/// [`CreateError`]; nothing was created.
pub fn create(name: &str, start: Start, node: Option<NodeId>) -> Result<ThreadId, CreateError> {
    let id = thread_table::lock().reserve().ok_or(CreateError::TooMany)?;
    let created = build(id, name, start, node);
    let mut table = thread_table::lock();
    let Some(thread) = created else {
        table.remove(id);
        return Err(CreateError::NoMemory);
    };
    // SAFETY: the thread leaves the table and is destroyed when it has been joined. Before that it exits, after which no run
    // queue and no CPU holds it.
    let new = Blocked::claim(unsafe { thread.unbound() });
    table.insert(id, thread);
    drop(table);
    scheduler::start(new);
    Ok(id)
}

fn build(id: ThreadId, name: &str, start: Start, node: Option<NodeId>) -> Option<ThreadBox> {
    let home = node.unwrap_or_else(|| MemoryContext::current().home_node());
    // The stack comes last: its page tables stay, even if it were freed again.
    let page = ThreadPage::allocate(home)?;
    let stack = Stack::allocate(home)?;
    // SAFETY: the stack is mapped, and nothing else uses it: it was allocated just now.
    let context = unsafe { Context::fresh(stack.top, thread_main) };
    let new = NewThread { id, name, context, start: Some(start), entry: Entry::blocked() };
    let thread = ThreadBox::create(page, new, cpu_threads::current_thread());
    thread.end.lock().stack = Some(stack);
    if node.is_some() {
        // The creator's policy would override the preferred node, and is about the creator's memory.
        thread.memory.set_policy(None);
        thread.memory.set_preferred_node(node);
    }
    Some(thread)
}

/// Creates the control block of a thread that `cpu` runs on a stack of the kernel's own: the CPU's first thread, or its idle
/// thread. Such a thread stays on its CPU and is never joined. Returns `None` if there is no memory.
pub fn adopt(name: &str, cpu: CpuId, node: NodeId, context: Context) -> Option<&'static Thread> {
    let page = ThreadPage::allocate(node)?;
    let id = thread_table::lock().reserve()?;
    let entry = Entry::running_on(cpu).with_affinity(&CpuSet::from_iter([cpu]));
    let new = NewThread { id, name, context, start: None, entry };
    let thread = ThreadBox::create(page, new, cpu_threads::current_thread());
    thread.claim_join();
    // SAFETY: nothing joins the thread, as that right is taken here for good; so nothing destroys it.
    let adopted = unsafe { thread.unbound() };
    thread_table::lock().insert(id, thread);
    Some(adopted)
}

/// Begins every thread except a CPU's first.
extern "C" fn thread_main() -> ! {
    arch::enable_interrupts();
    exit(cpu_threads::current_thread().start.map_or(0, Start::call))
}

/// Threads that have exited, on their way to the reaper.
static EXITED: WaitQueue<List<Thread>> = WaitQueue::new(List::new());

/// Ends the running thread.
pub fn exit(code: i32) -> ! {
    let _off = InterruptsOff::new();
    let thread = cpu_threads::current_thread();
    thread.set_exit_code(code);
    EXITED.wake_one(|exited| {
        thread.entry().exit();
        exited.push(thread);
    });
    scheduler::run_another(cpu_threads::current());
    unreachable!("a CPU switched to a thread that has exited")
}

/// Does the reaper's work.
unsafe extern "C" fn reap(_: *mut c_void) -> i32 {
    loop {
        let thread = EXITED.wait(List::pop);
        while thread.context.is_on_stack() {
            core::hint::spin_loop();
        }
        let stack = thread.end.lock().stack.take();
        if let Some(stack) = stack {
            // SAFETY: the thread has exited and its CPU has switched away from the stack, which nothing else uses.
            unsafe { stack.free() };
        }
        // A driver that has joined its threads has none left, so this comes before the exit code.
        thread.leave_driver();
        let joiner = {
            let mut end = thread.end.lock();
            end.exit_code = Some(thread.exit_code());
            end.joiner.take()
        };
        // The thread may be destroyed from here on.
        if let Some(joiner) = joiner {
            scheduler::wake(joiner);
        }
    }
}

/// Starts the reaper.
///
/// # Errors
/// [`CreateError`].
pub fn start_reaper() -> Result<ThreadId, CreateError> {
    // SAFETY: `reap` ignores its argument.
    let start = unsafe { Start::new(reap, core::ptr::null_mut()) };
    create("reaper", start, None)
}

/// The right to join a thread, which one thread at most ever gets. It keeps the joined thread alive: nothing else takes that out
/// of the table.
struct Joining(&'static Thread);

impl Joining {
    fn claim(id: ThreadId) -> Result<Self, ThreadError> {
        let table = thread_table::lock();
        let thread = table.find(id).ok_or(ThreadError::NoSuchThread(id))?;
        if id == cpu_threads::current_thread().id {
            return Err(ThreadError::Itself);
        }
        if !thread.claim_join() {
            return Err(ThreadError::Joined(id));
        }
        // SAFETY: `finish` alone destroys a thread, and consumes the only right to join this one.
        Ok(Self(unsafe { thread.unbound() }))
    }

    /// Waits until the reaper is done with the thread, and returns the exit code.
    fn wait(&self) -> i32 {
        loop {
            let mut end = self.end.lock();
            if let Some(code) = end.exit_code {
                return code;
            }
            end.joiner = Some(Blocked::block(cpu_threads::current_thread()));
            scheduler::block(end);
        }
    }

    /// Takes the thread out of the table and frees its control block.
    fn finish(self) -> i32 {
        let code = self.wait();
        let thread = thread_table::lock().remove(self.0.id);
        if let Some(thread) = thread {
            // SAFETY: the reaper is done with the thread: it has exited and is in no list. Its id is gone from the table, and
            // this value, which held the last reference, is not used again.
            unsafe { thread.destroy() };
        }
        code
    }
}

impl Deref for Joining {
    type Target = Thread;

    fn deref(&self) -> &Thread {
        self.0
    }
}

/// Waits until the thread has exited, and returns its exit code. On return the id finds nothing, and every page that the kernel
/// gave the thread is freed.
///
/// # Errors
/// [`ThreadError`], at once.
pub fn join(id: ThreadId) -> Result<i32, ThreadError> {
    Ok(Joining::claim(id)?.finish())
}

/// Returns true if a driver created the thread with this id; false if there is no such thread.
pub fn is_drivers_own(id: ThreadId) -> bool {
    thread_table::lock().find(id).is_some_and(|thread| thread.is_drivers_own())
}

/// Restricts the thread to `cpus`. On return, the thread is neither running nor queued on any other CPU.
///
/// # Errors
/// [`ThreadError`]; nothing is changed.
pub fn set_affinity(id: ThreadId, cpus: &CpuSet) -> Result<(), ThreadError> {
    let allowed = cpus.intersection(&running_cpus());
    if allowed.is_empty() {
        return Err(ThreadError::NoCpu);
    }
    let mut asked = None;
    while let Progress::RunsOn(cpu) = try_to_restrict(id, &allowed)? {
        if id == cpu_threads::current_thread().id {
            scheduler::move_away_if_forbidden();
            continue;
        }
        // One interrupt is enough: the CPU lets the thread go before it runs it again.
        if asked != Some(cpu)
            && let Some(cpu) = cpu::get(cpu)
        {
            let _off = InterruptsOff::new();
            cpu::defer(cpu, DeferredWork::Switch);
            cpu.wake_up();
        }
        asked = Some(cpu);
        scheduler::yield_now();
        core::hint::spin_loop();
    }
    Ok(())
}

fn try_to_restrict(id: ThreadId, allowed: &CpuSet) -> Result<Progress, ThreadError> {
    let table = thread_table::lock();
    let thread = table.find(id).ok_or(ThreadError::NoSuchThread(id))?;
    let _off = InterruptsOff::new();
    Ok(run_queue::set_affinity(&ThisMachine, thread, allowed))
}

/// Returns the running CPUs on which the thread may run.
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
