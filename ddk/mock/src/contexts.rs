//! What runs on the machine's CPUs: threads and handlers, each on a stack of its own, one at a time on the host.
use crate::clock::Clock;
use crate::regions::{Regions, Use};
use abi::{KERNEL_WAIT_STOPPING, KERNEL_WAIT_TIMED_OUT, KERNEL_WAIT_WOKEN};

/// The index of a context.
pub type ContextId = usize;

/// The test's own context, which runs on CPU 0.
pub const TEST: ContextId = 0;

/// Bytes of a thread's stack. The kernel's have 64 KiB; code that is not optimized needs more, and so do the signals of register accesses.
const STACK_BYTES: usize = 512 << 10;

/// Who calls an export.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Owner {
    /// The driver under test.
    Driver,
    /// The test, which is another driver for the one under test.
    Test,
}

/// What a context does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    /// It runs, or would if its CPU were free.
    Ready,
    /// It waits for this word to be woken, until a time.
    Waiting(usize, u64),
    /// It sleeps until a time.
    Sleeping(u64),
    /// It waits until a context has ended, until a time.
    Joining(ContextId, u64),
    /// It has ended with this code.
    Ended(i32),
}

/// What a context is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// A thread, which may wait.
    Thread,
    /// An interrupt handler or a timer's callback.
    Handler,
}

/// A thread or a handler.
pub struct Context {
    /// What it is.
    pub role: Role,
    /// The id of a thread; 0 for a handler.
    pub thread: i32,
    /// The name, for reports.
    pub name: String,
    /// On whose behalf its code calls exports now.
    pub owner: Owner,
    /// The driver has created the thread, and may join it.
    pub is_joinable: bool,
    /// Somebody joins it.
    pub is_joined: bool,
    /// The CPU that it runs on.
    pub cpu: usize,
    /// The CPUs that it may run on.
    pub affinity: u64,
    /// What it does.
    pub state: State,
    /// What the last wait returned.
    pub wait_result: i32,
    /// Its CPU's interrupts are off.
    pub interrupts_off: bool,
    /// How many functions of block devices it is in.
    pub block_depth: u32,
    /// The preferred node; -1: none.
    pub preferred: i32,
    /// The thread's policy.
    pub policy: Option<crate::placement::Policy>,
    /// The stack pointer while it does not run.
    pub stack_pointer: usize,
    /// What it runs when it starts.
    pub entry: Option<Box<dyn FnOnce() -> i32>>,
    /// What ran when the handler began.
    interrupted: ContextId,
    stack: usize,
    last_run: u64,
}

/// One CPU.
#[derive(Clone, Copy, Default, Debug)]
pub struct Cpu {
    /// The handler that runs.
    pub handler: Option<ContextId>,
    /// The thread that runs, or that the handler has interrupted.
    pub thread: Option<ContextId>,
}

/// All contexts, and the CPUs that they run on.
pub struct Contexts {
    all: Vec<Option<Box<Context>>>,
    /// The CPUs.
    pub cpus: Vec<Cpu>,
    /// The one that runs on the host.
    pub current: ContextId,
    next_thread: i32,
    runs: u64,
    free_stacks: Vec<usize>,
    /// Contexts that have ended and are still on their stack.
    ended: Vec<ContextId>,
    /// What a context begins with.
    begin: extern "C" fn() -> !,
}

/// The first id of a thread. The kinds of ids do not overlap, so that a mistaken one names nothing.
const FIRST_THREAD: i32 = 0x1001;

impl Contexts {
    /// Returns the CPUs with the test's context on the first. Every other context begins with `begin`.
    pub fn new(cpus: usize, begin: extern "C" fn() -> !) -> Self {
        let mut contexts = Self {
            all: Vec::new(),
            cpus: vec![Cpu::default(); cpus],
            current: TEST,
            next_thread: FIRST_THREAD,
            runs: 0,
            free_stacks: Vec::new(),
            ended: Vec::new(),
            begin,
        };
        let test = Context { owner: Owner::Test, ..contexts.new_thread("the test", 0) };
        contexts.all.push(Some(Box::new(test)));
        contexts.cpus[0].thread = Some(TEST);
        contexts
    }

    fn new_thread(&mut self, name: &str, cpu: usize) -> Context {
        let thread = self.next_thread;
        self.next_thread += 1;
        Context {
            role: Role::Thread,
            thread,
            name: name.into(),
            owner: Owner::Driver,
            is_joinable: false,
            is_joined: false,
            cpu,
            affinity: u64::MAX,
            state: State::Ready,
            wait_result: 0,
            interrupts_off: false,
            block_depth: 0,
            preferred: -1,
            policy: None,
            stack_pointer: 0,
            entry: None,
            interrupted: self.current,
            stack: 0,
            last_run: 0,
        }
    }

    /// Creates a thread on a CPU. Returns `None` if the host has no memory for its stack.
    pub fn create_thread(
        &mut self,
        regions: &mut Regions,
        name: &str,
        cpu: usize,
        entry: Box<dyn FnOnce() -> i32>,
    ) -> Option<ContextId> {
        let context = self.new_thread(name, cpu);
        self.start(regions, context, entry)
    }

    /// Creates the context of a handler that runs on a CPU from now on.
    pub fn create_handler(
        &mut self,
        regions: &mut Regions,
        name: &str,
        cpu: usize,
        entry: Box<dyn FnOnce() -> i32>,
    ) -> Option<ContextId> {
        let handler = Context {
            role: Role::Handler,
            thread: self.cpus[cpu].thread.map_or(0, |thread| self.get(thread).thread),
            interrupts_off: true,
            ..self.new_thread(name, cpu)
        };
        let id = self.start(regions, handler, entry)?;
        self.cpus[cpu].handler = Some(id);
        Some(id)
    }

    fn start(
        &mut self,
        regions: &mut Regions,
        mut context: Context,
        entry: Box<dyn FnOnce() -> i32>,
    ) -> Option<ContextId> {
        let stack = match self.free_stacks.pop() {
            Some(stack) => {
                crate::sanitizer::forget(stack, STACK_BYTES);
                stack
            }
            None => regions.allocate(STACK_BYTES, 4096, Use::Stack, Some(0))?.expose_provenance(),
        };
        context.stack = stack;
        context.entry = Some(entry);
        // SAFETY: the stack is a region of its own, or that of a context which has ended and was left.
        context.stack_pointer = unsafe { crate::stack_switch::first(stack + STACK_BYTES, self.begin) };
        let free = self.all.iter().position(Option::is_none);
        let id = free.unwrap_or(self.all.len());
        if id == self.all.len() {
            self.all.push(None);
        }
        self.all[id] = Some(Box::new(context));
        Some(id)
    }

    /// Returns a context.
    pub fn get(&self, id: ContextId) -> &Context {
        self.all[id].as_ref().expect("the context exists")
    }

    /// Returns a context.
    pub fn get_mut(&mut self, id: ContextId) -> &mut Context {
        self.all[id].as_mut().expect("the context exists")
    }

    /// Returns the context that runs.
    pub fn here(&self) -> &Context {
        self.get(self.current)
    }

    /// Returns the context that runs.
    pub fn here_mut(&mut self) -> &mut Context {
        self.get_mut(self.current)
    }

    /// Returns all contexts with their ids.
    pub fn iter(&self) -> impl Iterator<Item = (ContextId, &Context)> {
        self.all.iter().enumerate().filter_map(|(id, context)| Some((id, context.as_deref()?)))
    }

    /// Returns the thread with this id.
    pub fn find_thread(&self, thread: i32) -> Option<ContextId> {
        let is_it = |context: &Context| context.role == Role::Thread && context.thread == thread;
        self.iter().find(|(_, context)| is_it(context)).map(|(id, _)| id)
    }

    /// Returns the least busy CPU of some.
    pub fn least_busy(&self, cpus: impl Iterator<Item = usize>) -> Option<usize> {
        let is_alive = |context: &Context| !matches!(context.state, State::Ended(_));
        let load =
            |cpu: &usize| self.iter().filter(|(_, context)| is_alive(context) && context.cpu == *cpu).count();
        cpus.min_by_key(load)
    }

    /// Returns true if the CPU runs no handler, and its thread has interrupts on.
    pub fn takes_interrupts(&self, cpu: usize) -> bool {
        let Cpu { handler, thread } = self.cpus[cpu];
        handler.is_none() && thread.is_none_or(|thread| !self.get(thread).interrupts_off)
    }

    fn is_runnable(&self, id: ContextId) -> bool {
        let context = self.get(id);
        let cpu = self.cpus[context.cpu];
        if context.state != State::Ready {
            return false;
        }
        if context.role == Role::Handler {
            return true;
        }
        let may_go = |running: ContextId| {
            let running = self.get(running);
            !running.interrupts_off && running.block_depth == 0
        };
        cpu.handler.is_none() && cpu.thread.is_none_or(|running| running == id || may_go(running))
    }

    /// Returns the contexts besides the running one that could run: first what a running handler has interrupted, then the one that has not
    /// run for longest.
    pub fn others(&self) -> Vec<ContextId> {
        let ids = self.iter().map(|(id, _)| id);
        let mut others: Vec<_> = ids.filter(|id| *id != self.current && self.is_runnable(*id)).collect();
        let here = self.here();
        let interrupted = (here.role == Role::Handler).then_some(here.interrupted);
        others.sort_by_key(|id| (Some(*id) != interrupted, self.get(*id).last_run));
        others
    }

    /// Returns true if the running context can go on.
    pub fn can_go_on(&self) -> bool {
        self.is_runnable(self.current)
    }

    /// Makes a context the running one. Returns where to save the stack pointer, and the one to load.
    pub fn switch_to(&mut self, id: ContextId) -> (*mut usize, usize) {
        self.runs += 1;
        let runs = self.runs;
        let current = self.current;
        let save = &raw mut self.get_mut(current).stack_pointer;
        self.current = id;
        let context = self.get_mut(id);
        context.last_run = runs;
        let (cpu, role) = (context.cpu, context.role);
        let load = context.stack_pointer;
        if role == Role::Thread {
            self.cpus[cpu].thread = Some(id);
        }
        (save, load)
    }

    /// Notes that the running context goes on. It may have moved to another CPU.
    pub fn go_on(&mut self) {
        let current = self.current;
        let (role, cpu) = (self.get(current).role, self.get(current).cpu);
        if role == Role::Thread {
            self.cpus[cpu].thread = Some(current);
        }
    }

    /// Moves a thread to a CPU, and lets it run on these CPUs only.
    pub fn move_to(&mut self, id: ContextId, cpu: usize, affinity: u64) {
        let context = self.get_mut(id);
        context.affinity = affinity;
        let before = std::mem::replace(&mut context.cpu, cpu);
        if before != cpu && self.cpus[before].thread == Some(id) {
            self.cpus[before].thread = None;
        }
    }

    /// Takes the running thread off its CPU: it waits from here on.
    pub fn block(&mut self, state: State) {
        let current = self.current;
        let context = self.get_mut(current);
        context.state = state;
        let cpu = context.cpu;
        if self.cpus[cpu].thread == Some(current) {
            self.cpus[cpu].thread = None;
        }
    }

    /// Ends the running context with a code.
    pub fn end(&mut self, code: i32) {
        let current = self.current;
        self.block(State::Ended(code));
        let cpu = self.get(current).cpu;
        if self.cpus[cpu].handler == Some(current) {
            self.cpus[cpu].handler = None;
        }
        for context in self.all.iter_mut().flatten() {
            if matches!(context.state, State::Joining(joined, _) if joined == current) {
                (context.state, context.wait_result) = (State::Ready, KERNEL_WAIT_WOKEN);
            }
        }
        self.ended.push(current);
    }

    /// Frees the stacks of contexts that have ended, and forgets handlers. The running context is none of them.
    pub fn reap(&mut self) {
        for id in std::mem::take(&mut self.ended) {
            let context = self.get_mut(id);
            let stack = std::mem::take(&mut context.stack);
            let is_forgotten = context.role == Role::Handler;
            self.free_stacks.extend((stack != 0).then_some(stack));
            if is_forgotten {
                self.all[id] = None;
            }
        }
    }

    /// Forgets a thread that has ended and was joined.
    pub fn forget(&mut self, id: ContextId) {
        self.reap();
        self.all[id] = None;
    }

    /// Wakes threads that wait at a word, those first that have waited longest. Returns how many.
    pub fn wake(&mut self, word: usize, most: usize) -> usize {
        let is_there = |context: &Context| matches!(context.state, State::Waiting(at, _) if at == word);
        let mut waiting: Vec<_> =
            self.iter().filter(|(_, context)| is_there(context)).map(|(id, _)| id).collect();
        waiting.sort_by_key(|id| self.get(*id).last_run);
        waiting.truncate(most);
        for id in &waiting {
            self.resume(*id, KERNEL_WAIT_WOKEN);
        }
        waiting.len()
    }

    fn resume(&mut self, id: ContextId, result: i32) {
        let context = self.get_mut(id);
        (context.state, context.wait_result) = (State::Ready, result);
    }

    /// Wakes each thread whose time has come.
    pub fn wake_due(&mut self, clock: &Clock) {
        for context in self.all.iter_mut().flatten() {
            let due = match context.state {
                State::Waiting(_, until) | State::Sleeping(until) | State::Joining(_, until) => until,
                State::Ready | State::Ended(_) => continue,
            };
            if due <= clock.now() {
                (context.state, context.wait_result) = (State::Ready, KERNEL_WAIT_TIMED_OUT);
            }
        }
    }

    /// Ends the waits and sleeps of the driver's threads, which is being stopped.
    pub fn stop_waits(&mut self) {
        for context in self.all.iter_mut().flatten().filter(|context| context.owner == Owner::Driver) {
            if matches!(context.state, State::Waiting(..) | State::Sleeping(_) | State::Joining(..)) {
                (context.state, context.wait_result) = (State::Ready, KERNEL_WAIT_STOPPING);
            }
        }
    }

    /// Returns when the next thread wakes by itself.
    pub fn next_due(&self) -> Option<u64> {
        let due = |context: &Context| match context.state {
            State::Waiting(_, until) | State::Sleeping(until) | State::Joining(_, until) => Some(until),
            State::Ready | State::Ended(_) => None,
        };
        self.iter().filter_map(|(_, context)| due(context)).filter(|until| *until != u64::MAX).min()
    }

    /// Returns a line for each thread that has not ended.
    pub fn describe(&self) -> String {
        let mut text = String::new();
        for (_, context) in self.iter().filter(|(_, context)| !matches!(context.state, State::Ended(_))) {
            let what = match context.state {
                State::Ready => "is ready".into(),
                State::Waiting(word, u64::MAX) => format!("waits at {word:#x} for ever"),
                State::Waiting(word, until) => format!("waits at {word:#x} until {until} ns"),
                State::Sleeping(until) => format!("sleeps until {until} ns"),
                State::Joining(joined, _) => format!("joins {:?}", self.get(joined).name),
                State::Ended(code) => format!("has ended with {code}"),
            };
            text += &format!("  {:?} on CPU {} {what}\n", context.name, context.cpu);
        }
        text
    }
}
