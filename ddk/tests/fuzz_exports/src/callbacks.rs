//! Calls from the callbacks of timers: functions for any context, and those for threads, which are refused.
use crate::random::Random;
use crate::worker::failed;
use core::cell::UnsafeCell;
use core::ffi::c_void;
use core::ptr;
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use driver_kit::abi;

/// What the callbacks of a worker's timers share.
pub struct Callbacks {
    /// A word to wait at.
    pub word: AtomicU32,
    calls: AtomicU64,
    /// Taken by the callback that draws: others, on other CPUs, pass it by.
    is_drawing: AtomicBool,
    random: UnsafeCell<Random>,
}

// SAFETY: only the callback that has set `is_drawing` uses `random`.
unsafe impl Sync for Callbacks {}

impl Callbacks {
    pub const fn new() -> Self {
        Self {
            word: AtomicU32::new(0),
            calls: AtomicU64::new(0),
            is_drawing: AtomicBool::new(false),
            random: UnsafeCell::new(Random::new(7)),
        }
    }

    /// Returns how many calls the callbacks have done.
    pub fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }
}

macro_rules! holds {
    ($holds:expr) => {
        if !$holds {
            failed(format_args!(
                "in a callback this does not hold: {} ({}:{})",
                stringify!($holds),
                file!(),
                line!()
            ));
        }
    };
}

pub unsafe extern "C" fn on_timer(context: *mut c_void) {
    // SAFETY: `create` passes the static context.
    let callbacks = unsafe { &*context.cast::<Callbacks>() };
    if callbacks.is_drawing.swap(true, Ordering::Acquire) {
        return;
    }
    // SAFETY: this callback alone has the right.
    let random = unsafe { &mut *callbacks.random.get() };
    // SAFETY: no pointer is followed that the functions refuse.
    unsafe {
        match random.below(3) {
            0 => any_context(random, &callbacks.word),
            _ => for_threads(random, &callbacks.word),
        }
    }
    callbacks.calls.fetch_add(1, Ordering::Relaxed);
    callbacks.is_drawing.store(false, Ordering::Release);
}

unsafe fn any_context(random: &mut Random, word: &AtomicU32) {
    let nobody = random.pick(&[0, -1, i32::MAX]);
    // SAFETY: the functions take any numbers and follow no pointer that they refuse.
    unsafe {
        match random.below(9) {
            0 => {
                word.fetch_add(1, Ordering::Relaxed);
                holds!((0..=8).contains(&abi::Kernel_WakeAddress(word.as_ptr(), i32::MAX)));
            }
            1 => {
                let now = abi::Kernel_GetTime();
                abi::Kernel_Delay(random.below(2000));
                holds!(abi::Kernel_GetTime() >= now);
            }
            2 => holds!(!abi::Kernel_SetTimer(nobody, 1, 0)),
            3 => holds!(abi::Kernel_SubmitBlock(nobody, ptr::null(), 1) == -1),
            4 => holds!(abi::Kernel_PollBlock(nobody, 0) == 0),
            5 => holds!(abi::Kernel_ReadDeviceConfig(nobody, 0, 4) == u32::MAX),
            6 => holds!(abi::Kernel_MapDma(nobody, ptr::null_mut(), 1, 1, ptr::null_mut(), 1) == -1),
            7 => holds!(!abi::Kernel_IsStopping()),
            _ => abi::Kernel_CompleteBlock(ptr::null_mut(), 0),
        }
    }
}

/// Functions for threads return their error value here, whatever the arguments are.
unsafe fn for_threads(random: &mut Random, word: &AtomicU32) {
    let name = c"hostages".as_ptr();
    // SAFETY: the kernel refuses these calls before it looks at the arguments, which are right nevertheless.
    unsafe {
        match random.below(18) {
            0 => holds!(abi::Kernel_AllocatePage() == 0),
            1 => holds!(abi::Kernel_AllocatePagesFromNode(1, 0) == 0),
            2 => holds!(abi::Kernel_AllocateMemory(64, 0).is_null()),
            3 => holds!(abi::Kernel_AllocateMemoryFromNode(64, 0, 0).is_null()),
            4 => holds!(abi::Kernel_SetPreferredNumaNode(-1) == -2),
            5 => holds!(abi::Kernel_CreateThread(name, Some(never), ptr::null_mut(), -1) == -1),
            6 => holds!(abi::Kernel_JoinThread(1, ptr::null_mut()) == -1),
            7 => abi::Kernel_SleepThread(1_000_000_000),
            8 => abi::Kernel_YieldThread(),
            9 => holds!(abi::Kernel_WaitAddress(word.as_ptr(), !0, 1_000_000_000) == -1),
            10 => holds!(abi::Kernel_CreateTimer(Some(on_timer), ptr::null_mut(), -1) == -1),
            11 => holds!(!abi::Kernel_DestroyTimer(1)),
            12 => holds!(abi::Kernel_OpenBlock(ptr::null(), 0) == -1),
            13 => holds!(!abi::Kernel_UnregisterBlock(1)),
            14 => holds!(abi::Kernel_LoadDriver(name) == -1),
            15 => holds!(abi::Kernel_UnloadDriver(name) == -1),
            16 => holds!(abi::Kernel_UseInterface(name, 1, 1).is_null()),
            _ => holds!(abi::Kernel_FindDevice(&abi::DeviceMatch::any(), 0) == -1),
        }
    }
}

unsafe extern "C" fn never(_: *mut c_void) -> i32 {
    failed(format_args!("a thread runs that a callback has created"));
    0
}
