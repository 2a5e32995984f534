//! Who runs next: at each call of an export and each access of a register, the running code may go on, or another thread, a handler or a
//! device may run first. Without a seed, devices and handlers run at once, and threads until they wait.
use crate::contexts::{Context, ContextId, Owner, Role, State};
use crate::devices::SharedModel;
use crate::finding::Kind;
use crate::model::Bus;
use crate::process;
use crate::stack_switch;
use crate::stepping;
use crate::world::{World, describe, with};
use std::ffi::c_void;
use std::ptr::with_exposed_provenance_mut;

/// The machine stops if nothing but the time goes on for so long, in nanoseconds.
const LONGEST_QUIET_NS: u64 = 3_600_000_000_000;
/// One in so many calls of the driver is interrupted at an instruction.
const ONE_IN: u64 = 48;
/// How often in a row a line may be nobody's.
const MOST_UNCLAIMED: u64 = 1000;

/// What happens next.
enum Next {
    /// The running code goes on.
    Continue,
    /// A device works.
    Work(usize),
    /// A handler or a timer's callback begins.
    Handle(Pending),
    /// A context goes on.
    Switch(ContextId),
    /// Nothing, until this time.
    Idle(u64),
    /// Nothing ever.
    Never,
}

/// What calls the driver.
#[derive(Clone, Copy)]
enum Pending {
    Interrupt(usize, usize),
    Timer(i32),
}

/// How the running code reaches this point.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// It does something.
    Works,
    /// It only looks: at the time, or at a register.
    Looks,
    /// It lets others run.
    Yields,
}

/// Lets others run before the running code goes on.
pub fn point(pace: Pace) {
    with(|world| {
        if pace == Pace::Works && world.caller() == Owner::Driver {
            world.clock.work();
        }
        let next = world.next_due();
        world.clock.step(next);
    });
    run_until_ready(pace);
}

/// Returns after how many instructions of the driver others run; 0: not at a certain one.
pub fn steps() -> u64 {
    with(|world| {
        if world.machine.seed.is_none() || !world.random.one_in(ONE_IN) {
            return 0;
        }
        // Rather few: executing an instruction alone takes microseconds.
        let most = 1 + world.random.below(stepping::MOST_STEPS);
        1 + world.random.below(most)
    })
}

/// Takes the running thread off its CPU until its state is ready again. Returns what ended the wait.
pub fn block(state: State) -> i32 {
    with(|world| world.contexts.block(state));
    run_until_ready(Pace::Yields);
    with(|world| world.contexts.here().wait_result)
}

/// Runs others until the running code goes on.
fn run_until_ready(pace: Pace) {
    let mut pace = pace;
    let mut quiet_since = None;
    loop {
        let next = with(|world| world.next(pace));
        if !matches!(next, Next::Idle(_)) {
            quiet_since = None;
        }
        match next {
            Next::Continue => return with(|world| world.contexts.go_on()),
            Next::Work(device) => work(device),
            Next::Handle(pending) => handle(pending),
            Next::Switch(id) => {
                switch_to(id);
                // Whoever has switched back here has chosen this context.
                if with(|world| world.contexts.can_go_on()) {
                    return with(|world| world.contexts.go_on());
                }
            }
            Next::Idle(until) => {
                let since = *quiet_since.get_or_insert(until);
                if until.saturating_sub(since) > LONGEST_QUIET_NS {
                    stuck("nothing but the time goes on");
                }
                with(|world| world.clock.advance_to(until));
            }
            Next::Never => stuck("all threads wait for ever"),
        }
        if pace == Pace::Yields {
            pace = Pace::Works;
        }
    }
}

fn stuck(what: &str) -> ! {
    process::fail(&format!("{what}\n{}", describe()))
}

impl World {
    fn next(&mut self, pace: Pace) -> Next {
        let can_go_on = self.contexts.can_go_on();
        if self.machine.seed.is_some() && can_go_on && pace != Pace::Yields && self.random.one_in(2) {
            return Next::Continue;
        }
        self.contexts.wake_due(&self.clock);
        // The time that has come may be that for which the running thread has waited.
        let can_go_on = can_go_on || self.contexts.can_go_on();
        let is_handler = self.contexts.here().role == Role::Handler;
        let now = self.clock.now();
        let devices = self.devices.all.iter().enumerate();
        let works: Vec<_> = devices
            .filter(|(_, device)| device.work_at.is_some_and(|when| when <= now))
            .map(|(index, _)| index)
            .collect();
        let pending = self.pending();
        if self.machine.seed.is_none() {
            if let Some(device) = works.first() {
                return Next::Work(*device);
            }
            // One handler after the other, as far as nobody waits for one.
            if let Some(pending) =
                pending.first().filter(|_| !is_handler || !can_go_on || pace == Pace::Yields)
            {
                return Next::Handle(*pending);
            }
            if can_go_on && pace != Pace::Yields {
                return Next::Continue;
            }
            return match self.contexts.others().first() {
                Some(other) => Next::Switch(*other),
                None if can_go_on => Next::Continue,
                None => self.idle(),
            };
        }
        let others = self.contexts.others();
        let mut choices: Vec<_> = works.into_iter().map(Next::Work).collect();
        choices.extend(pending.into_iter().map(Next::Handle));
        choices.extend(others.into_iter().map(Next::Switch));
        match choices.len() {
            0 if can_go_on => Next::Continue,
            0 => self.idle(),
            count => choices.swap_remove(self.random.below(count as u64) as usize),
        }
    }

    fn idle(&self) -> Next {
        self.next_due().map_or(Next::Never, |when| Next::Idle(when.max(self.clock.now() + 1)))
    }

    /// Returns the interrupts and timers that are due, on CPUs that take them.
    fn pending(&self) -> Vec<Pending> {
        let mut pending = Vec::new();
        for (device, state) in self.devices.all.iter().enumerate().filter(|(_, device)| device.kind != 0) {
            for (index, interrupt) in state.due() {
                if self.contexts.takes_interrupts(interrupt.cpu) {
                    pending.push(Pending::Interrupt(device, index));
                }
            }
        }
        let now = self.clock.now();
        for timer in &self.timers {
            if timer.when != 0
                && timer.when <= now
                && !timer.is_running
                && self.contexts.takes_interrupts(timer.cpu)
            {
                pending.push(Pending::Timer(timer.id));
            }
        }
        pending
    }
}

/// Lets a device do a piece of work.
fn work(device: usize) {
    let model: SharedModel = with(|world| {
        world.clock.work();
        world.devices.all[device].work_at = None;
        world.devices.all[device].model.clone()
    });
    model.borrow_mut().work(&Bus { device });
}

/// Begins a handler on its CPU, and runs it. With a seed, others may run in between.
fn handle(pending: Pending) {
    let id = with(|world| {
        world.clock.work();
        match pending {
            Pending::Interrupt(device, index) => {
                let interrupt = &mut world.devices.all[device].interrupts[index];
                (interrupt.is_pending, interrupt.is_running) = (false, true);
                let (cpu, name) = (interrupt.cpu, format!("interrupt {index} of device {device}"));
                let entry = Box::new(move || run_interrupt(device, index));
                world.contexts.create_handler(&mut world.regions, &name, cpu, entry)
            }
            Pending::Timer(id) => {
                let now = world.clock.now();
                let timer = world.timers.iter_mut().find(|timer| timer.id == id)?;
                timer.is_running = true;
                timer.when = match timer.period {
                    0 => 0,
                    // Times that have passed unnoticed are left out.
                    period => timer.when + period * ((now - timer.when) / period + 1),
                };
                let (cpu, name) = (timer.cpu, format!("timer {id}"));
                let entry = Box::new(move || run_timer(id));
                world.contexts.create_handler(&mut world.regions, &name, cpu, entry)
            }
        }
    });
    if let Some(id) = id {
        switch_to(id);
    }
}

fn run_interrupt(device: usize, index: usize) -> i32 {
    let (handler, begin) = with(|world| {
        let interrupt = &world.devices.all[device].interrupts[index];
        (interrupt.handler, world.clock.now())
    });
    let Some((handler, context)) = handler else { return 0 };
    stepping::begin(steps());
    // SAFETY: the driver has attached the function with this argument.
    let result = unsafe { handler(with_exposed_provenance_mut::<c_void>(context)) };
    with(|world| {
        check_handler(world, "an interrupt handler");
        let time = world.clock.now() - begin;
        if result > abi::INTERRUPT_HANDLED {
            world.found(Kind::BadReturn, format!("an interrupt handler has returned {result}"));
        }
        let Some(interrupt) = world.devices.all[device].interrupts.get_mut(index) else { return };
        interrupt.is_running = false;
        interrupt.count += 1;
        interrupt.longest_ns = interrupt.longest_ns.max(time);
        if result != abi::INTERRUPT_NOT_MINE {
            interrupt.unclaimed_in_a_row = 0;
            return;
        }
        interrupt.unclaimed += 1;
        interrupt.unclaimed_in_a_row += 1;
        if interrupt.unclaimed_in_a_row == MOST_UNCLAIMED {
            interrupt.is_masked = true;
            let text = format!("no handler claims interrupt {index} of device {device}; it is masked");
            world.found(Kind::Unclaimed, text);
        }
    });
    0
}

fn run_timer(id: i32) -> i32 {
    let timer = with(|world| world.timers.iter().find(|timer| timer.id == id).copied());
    let Some(timer) = timer else { return 0 };
    let (callback, context) = timer.callback;
    // SAFETY: the driver has created the timer with this function and argument.
    unsafe { callback(with_exposed_provenance_mut::<c_void>(context)) };
    with(|world| {
        check_handler(world, "a timer's callback");
        if let Some(timer) = world.timers.iter_mut().find(|timer| timer.id == id) {
            timer.is_running = false;
        }
    });
    0
}

fn check_handler(world: &mut World, what: &str) {
    let here = world.contexts.here();
    if !here.interrupts_off {
        world.found(Kind::UnbalancedInterrupts, format!("{what} has returned with interrupts on"));
    }
}

/// Goes on with another context. Returns when the running one is chosen again.
fn switch_to(id: ContextId) {
    let switched = with(|world| (world.contexts.current != id).then(|| world.contexts.switch_to(id)));
    let Some((save, load)) = switched else { return };
    // SAFETY: `load` is the stack pointer of a context that does not run. `save` lies in the running one's context, which exists until
    // it has ended.
    unsafe { stack_switch::switch(save, load) };
    with(|world| world.contexts.reap());
}

/// What a new context runs first: its entry. It never returns.
pub extern "C" fn begin() -> ! {
    with(|world| world.contexts.reap());
    let entry = with(|world| world.contexts.here_mut().entry.take());
    let code = entry.map_or(0, |entry| entry());
    end(code)
}

/// Ends the running context with this code, and goes on with others.
pub fn end(code: i32) -> ! {
    with(|world| {
        let here = world.contexts.here();
        if here.role == Role::Thread && (here.interrupts_off || here.block_depth != 0) {
            let text = format!("the thread {:?} has ended with interrupts or preemption off", here.name);
            world.found(Kind::UnbalancedInterrupts, text);
        }
        world.contexts.end(code);
    });
    loop {
        run_until_ready(Pace::Yields);
    }
}

/// Runs a function on a new thread of the driver, and waits until it has ended or the time has come. Returns its code.
pub fn run_thread(name: &str, cpu: usize, limit_ns: u64, entry: Box<dyn FnOnce() -> i32>) -> Option<i32> {
    let id = with(|world| world.contexts.create_thread(&mut world.regions, name, cpu, entry))?;
    join(id, limit_ns)
}

/// Waits until a thread has ended, for a time at most. Returns its code, and forgets the thread.
pub fn join(id: ContextId, limit_ns: u64) -> Option<i32> {
    let ended = |context: &Context| match context.state {
        State::Ended(code) => Some(code),
        _ => None,
    };
    let until = with(|world| world.clock.now().saturating_add(limit_ns));
    while with(|world| ended(world.contexts.get(id)).is_none()) {
        if block(State::Joining(id, until)) != abi::KERNEL_WAIT_WOKEN {
            break;
        }
    }
    let code = with(|world| ended(world.contexts.get(id)));
    if code.is_some() {
        with(|world| world.contexts.forget(id));
    }
    code
}

/// Runs a function of the driver or the submitter with preemption off, on behalf of `owner`.
pub fn in_block_function<R>(owner: Owner, run: impl FnOnce() -> R) -> R {
    let (id, before, off) = with(|world| {
        let id = world.contexts.current;
        let here = world.contexts.here_mut();
        here.block_depth += 1;
        (id, std::mem::replace(&mut here.owner, owner), here.interrupts_off)
    });
    let result = run();
    with(|world| {
        let here = world.contexts.get_mut(id);
        here.block_depth -= 1;
        here.owner = before;
        if std::mem::replace(&mut here.interrupts_off, off) != off {
            let text = "a function of a block device has changed whether interrupts are on".to_string();
            world.found(Kind::UnbalancedInterrupts, text);
        }
    });
    result
}
