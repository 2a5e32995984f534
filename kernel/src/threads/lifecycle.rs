//! A thread's life: creating, exiting, reaping, and changing where it may run.
//!
//! A thread that exits cannot free the stack it stands on. The thread that waits for its end does that, if there is one. Else the reaper, a
//! thread of the kernel, does it.
use super::cpu_threads;
use super::join::{self, Joining};
use super::owner::Owner;
use super::scheduler::{self, ThisMachine};
use super::thread::{NewThread, Start, Thread, ThreadBox, ThreadId, ThreadPage};
use super::thread_table::{self, ThreadError};
use super::wait_queue::WaitQueue;
use crate::arch::{self, Context, InterruptsOff};
use crate::cpu::{self, Cpu, DeferredWork};
use crate::memory::memory_context::MemoryContext;
use crate::memory::stack::Stack;
use core::ffi::c_void;
use protection_keys::Rights;
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
    /// The driver is being stopped.
    Stopping,
}

/// Creates a thread and lets it run, on the least busy CPU of the node that it prefers.
///
/// The thread prefers `node` if given, else it inherits the preferred node and the policy of its creator. Its control block and
/// its stack are on that node. It runs the code of its creator's driver.
///
/// # Errors
/// [`CreateError`]; nothing was created.
pub fn create(name: &str, start: Start, node: Option<NodeId>) -> Result<ThreadId, CreateError> {
    let creator = cpu_threads::current_thread();
    if creator.is_leaving() {
        return Err(CreateError::Stopping);
    }
    let memory = creator.memory.inherit();
    if node.is_some() {
        // The creator's policy would override the preferred node, and is about the creator's memory.
        memory.set_policy(None);
        memory.set_preferred_node(node);
    }
    let new = NewThread {
        name,
        node: node.unwrap_or_else(|| creator.memory.home_node()),
        memory,
        start: Some(start),
        entry: Entry::blocked(),
        driver: creator.driver(),
        may_be_joined: true,
    };
    let (id, thread) = build(new)?;
    scheduler::start(thread);
    Ok(id)
}

/// Creates the first thread of a driver and lets it run. It may run on `cpu` alone, and has its control block and its stack on
/// that CPU's node. It has no preferred node and no policy. The caller alone may join it.
///
/// # Errors
/// [`CreateError`]; nothing was created.
pub fn create_for_driver(
    name: &str,
    start: Start,
    driver: &'static Owner,
    cpu: &Cpu,
) -> Result<Joining, CreateError> {
    let new = NewThread {
        name,
        node: cpu.node,
        memory: MemoryContext::new(),
        start: Some(start),
        entry: Entry::blocked().with_affinity(&CpuSet::from_iter([cpu.id])),
        driver: Some(driver),
        may_be_joined: false,
    };
    let (_, thread) = build(new)?;
    let joining = Joining::of_new(thread.thread());
    scheduler::start(thread);
    Ok(joining)
}

/// Creates a thread that runs a driver's code for one of its devices, and lets it run, on the least busy CPU of `node`, which it prefers.
/// Without a node, that is the running CPU's, and the thread prefers none. It has no policy. The caller alone may join it.
///
/// # Errors
/// [`CreateError`]; nothing was created.
pub fn create_for_device(
    name: &str,
    start: Start,
    driver: &'static Owner,
    node: Option<NodeId>,
) -> Result<Joining, CreateError> {
    let memory = MemoryContext::new();
    memory.set_preferred_node(node);
    let new = NewThread {
        name,
        node: node.unwrap_or_else(|| cpu::current().node),
        memory,
        start: Some(start),
        entry: Entry::blocked(),
        driver: Some(driver),
        may_be_joined: false,
    };
    let (_, thread) = build(new)?;
    let joining = Joining::of_new(thread.thread());
    scheduler::start(thread);
    Ok(joining)
}

/// Creates a thread that does not run yet.
fn build(new: NewThread<'_>) -> Result<(ThreadId, Blocked<Thread>), CreateError> {
    let id = thread_table::lock().reserve().ok_or(CreateError::TooMany)?;
    let created = build_with(id, new);
    let mut table = thread_table::lock();
    let Some(thread) = created else {
        table.remove(id);
        return Err(CreateError::NoMemory);
    };
    // SAFETY: the thread leaves the table and is destroyed when it has been joined. Before that it exits, after which no run
    // queue and no CPU holds it.
    let new = Blocked::claim(unsafe { thread.unbound() });
    table.insert(id, thread);
    Ok((id, new))
}

/// Allocates the control block and the stack of a thread.
fn build_with(id: ThreadId, new: NewThread<'_>) -> Option<ThreadBox> {
    // The stack comes last: its page tables stay, even if it were freed again.
    let page = ThreadPage::allocate(new.node)?;
    let stack = Stack::allocate(new.node)?;
    // SAFETY: the line above has allocated and mapped the stack, so nothing else uses it.
    let context = unsafe { Context::fresh(stack.top, thread_main) };
    if let Some(driver) = new.driver {
        stack.set_key(driver.protection_key());
        context.set_rights(Rights::of(driver.protection_key()));
    }
    let thread = ThreadBox::create(page, id, context, new);
    thread.remains.lock().stack = Some(stack);
    Some(thread)
}

/// Creates the control block of a thread that `cpu` runs on a stack of the kernel's own: the CPU's first thread, or its idle
/// thread. Such a thread stays on its CPU and is never joined. Returns `None` if there is no memory.
pub fn adopt(name: &str, cpu: CpuId, node: NodeId, context: Context) -> Option<&'static Thread> {
    let page = ThreadPage::allocate(node)?;
    let id = thread_table::lock().reserve()?;
    let entry = Entry::running_on(cpu).with_affinity(&CpuSet::from_iter([cpu]));
    let memory = MemoryContext::new();
    let new = NewThread { name, node, memory, start: None, entry, driver: None, may_be_joined: false };
    let thread = ThreadBox::create(page, id, context, new);
    // SAFETY: nothing joins the thread, as it was created so that nobody may; so nothing destroys it.
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
    if !join::leave_to_joiner(thread) {
        EXITED.wake_one(|exited| {
            thread.entry().exit();
            exited.push(thread);
        });
    }
    scheduler::run_another(cpu_threads::current());
    unreachable!("a CPU switched to a thread that has exited")
}

/// Ends the running thread, from another stack and with interrupts off. Nothing on its own stack is needed any more.
pub fn exit_on_empty_stack(code: i32) -> ! {
    extern "C" fn exit_with_code() -> ! {
        exit(cpu_threads::current_thread().exit_code())
    }
    let thread = cpu_threads::current_thread();
    thread.set_exit_code(code);
    let top = thread.stack_top().expect("a thread that runs a driver's function has a stack of its own");
    // SAFETY: nothing uses the thread's stack, by this function's condition. `exit_with_code` switches interrupts off for good, or finds them
    // so.
    unsafe { arch::switch_stack(top, exit_with_code) }
}

/// Does the reaper's work.
unsafe extern "C" fn reap(_: *mut c_void) -> i32 {
    loop {
        let thread = EXITED.wait(List::pop);
        // SAFETY: the thread has exited, and `leave_to_joiner` has left it to the reaper.
        unsafe { join::reap(thread) };
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

/// Returns true if the thread with this id runs a driver's code; false if there is no such thread.
pub fn is_drivers_own(id: ThreadId) -> bool {
    thread_table::lock().find(id).is_some_and(|thread| thread.driver().is_some())
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
