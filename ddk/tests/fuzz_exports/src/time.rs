//! The time, timers, and waits at addresses.
use crate::addresses::no_code;
use crate::callbacks::{self, Callbacks};
use crate::worker::{Worker, check};
use arrayvec::ArrayVec;
use core::ffi::c_int;
use core::sync::atomic::Ordering;
use driver_kit::abi;

const MOST_TIMERS: usize = 4;
const LEAST_PERIOD_NS: u64 = 300_000;

/// The timers of a worker.
pub struct Timers {
    ids: ArrayVec<c_int, MOST_TIMERS>,
    /// One that was destroyed; 0 without one.
    stale: c_int,
    last_time: u64,
}

impl Timers {
    pub const fn new() -> Self {
        Self { ids: ArrayVec::new_const(), stale: 0, last_time: 0 }
    }

    pub fn count(&self) -> usize {
        self.ids.len()
    }
}

pub fn step(worker: &mut Worker) {
    match worker.random.below(8) {
        0 => time(worker),
        1 if !worker.timers.ids.is_full() => create(worker),
        2 | 3 if !worker.timers.ids.is_empty() => set(worker),
        4 if worker.random.once_in(4) => destroy(worker),
        5 => refused(worker),
        6 => wake(worker),
        _ => wait(worker),
    }
}

fn time(worker: &mut Worker) {
    worker.count(2);
    // SAFETY: the functions take any numbers.
    unsafe {
        let now = abi::Kernel_GetTime();
        check!(worker, now >= worker.timers.last_time);
        let delay = worker.random.below(3000);
        abi::Kernel_Delay(delay);
        worker.timers.last_time = abi::Kernel_GetTime();
        check!(worker, worker.timers.last_time >= now + delay);
    }
}

fn create(worker: &mut Worker) {
    let any = worker.random.index(crate::cpus()) as c_int;
    let cpu = worker.random.pick(&[-1, any]);
    let context = core::ptr::from_ref::<Callbacks>(worker.callbacks).cast_mut().cast();
    worker.count(1);
    // SAFETY: the callback takes such a context, which is static.
    let id = unsafe { abi::Kernel_CreateTimer(Some(callbacks::on_timer), context, cpu) };
    if id > 0 {
        worker.timers.ids.push(id);
    }
}

fn set(worker: &mut Worker) {
    let id = worker.timers.ids[worker.random.index(worker.timers.ids.len())];
    let (period, soon) = (LEAST_PERIOD_NS + worker.random.below(1_000_000), worker.random.below(500_000));
    let period = worker.random.pick(&[0, 0, period]);
    worker.count(1);
    // SAFETY: the functions take any numbers.
    unsafe {
        let when = worker.random.pick(&[0, 1, abi::Kernel_GetTime() + soon, u64::MAX]);
        check!(worker, abi::Kernel_SetTimer(id, when, period));
    }
}

fn destroy(worker: &mut Worker) {
    if let Some(id) = worker.timers.ids.pop() {
        worker.count(1);
        // SAFETY: the function takes any number.
        check!(worker, unsafe { abi::Kernel_DestroyTimer(id) });
        worker.timers.stale = id;
    }
}

fn refused(worker: &mut Worker) {
    let id = worker.random.pick(&[0, -1, c_int::MAX, worker.hostages.timer(), worker.timers.stale]);
    let cpu = worker.random.no_index(crate::cpus() as i32);
    let cpu = if cpu == -1 { -2 } else { cpu };
    // SAFETY: the kernel does not call what is no code. The type is that of a pointer that may be null.
    let no_code =
        unsafe { core::mem::transmute::<*const (), abi::TimerCallback>(no_code(&mut worker.random)) };
    worker.count(4);
    // SAFETY: the functions take any numbers.
    unsafe {
        check!(worker, !abi::Kernel_SetTimer(id, 1, 0));
        check!(worker, !abi::Kernel_DestroyTimer(id));
        check!(worker, abi::Kernel_CreateTimer(Some(callbacks::on_timer), core::ptr::null_mut(), cpu) == -1);
        check!(worker, abi::Kernel_CreateTimer(no_code, core::ptr::null_mut(), -1) == -1);
    }
}

fn wake(worker: &mut Worker) {
    let bad = crate::addresses::unmapped::<u32>(&mut worker.random);
    let count = worker.random.pick(&[0, 1, 9, c_int::MAX]);
    worker.count(3);
    // SAFETY: the function follows no pointer.
    unsafe {
        check!(worker, (0..=count).contains(&abi::Kernel_WakeAddress(worker.callbacks.word.as_ptr(), count)));
        check!(worker, abi::Kernel_WakeAddress(worker.callbacks.word.as_ptr(), -1) == 0);
        check!(worker, abi::Kernel_WakeAddress(bad, 1) == 0);
    }
}

fn wait(worker: &mut Worker) {
    let word = &worker.callbacks.word;
    let bad = crate::addresses::unmapped::<u32>(&mut worker.random);
    let most = worker.random.below(20_000);
    worker.count(3);
    // SAFETY: the word is static, and the function follows no pointer that it refuses.
    unsafe {
        check!(worker, abi::Kernel_WaitAddress(bad, 0, 0) == -1);
        let value = word.load(Ordering::Relaxed);
        check!(worker, abi::Kernel_WaitAddress(word.as_ptr(), !value, u64::MAX) == abi::KERNEL_WAIT_WOKEN);
        let answer = abi::Kernel_WaitAddress(word.as_ptr(), value, most);
        check!(worker, matches!(answer, abi::KERNEL_WAIT_WOKEN | abi::KERNEL_WAIT_TIMED_OUT));
    }
}

pub fn give_back(worker: &mut Worker) {
    while !worker.timers.ids.is_empty() {
        destroy(worker);
    }
}
