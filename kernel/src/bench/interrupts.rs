//! Benchmarks of devices' interrupts. The running CPU raises them itself: a handler is reached as by MSI-X.
use super::report;
use crate::arch::{self, InterruptsOff};
use crate::cpu;
use crate::cpu::code_mark::KERNELS_HANDLER;
use crate::cpu::device_vectors::{self, AttachedHandler, Source};
use crate::devices::device_registry::{self, Device};
use crate::devices::interrupt_allocation::{self, Kinds};
use crate::devices::interrupt_attach;
use crate::devices::{power, release};
use crate::threads::owner::{Owner, OwnerName};
use alloc::boxed::Box;
use core::ffi::c_void;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicU64, Ordering};

/// Rounds of each benchmark, after as many to warm up.
const ROUNDS: u64 = 1000;
/// How often the interrupts of a device are set up, after as often to warm up; and their number.
const SETUPS: u64 = 20;
const VECTORS: u64 = 8;
/// The vector that is raised.
const VECTOR: u8 = 0xd0;

/// When the handler began and ended, in ticks.
static BEGUN: AtomicU64 = AtomicU64::new(0);
static ENDED: AtomicU64 = AtomicU64::new(0);

unsafe extern "C" fn handle(_: *mut c_void) -> u32 {
    BEGUN.store(arch::ticks(), Ordering::Relaxed);
    ENDED.store(arch::ticks(), Ordering::Relaxed);
    1
}

/// Runs the benchmarks. The running thread stays on its CPU, whose tick is off.
pub fn run() {
    let cpu = cpu::current();
    let Some(may_wait) = device_vectors::may_wait() else { return };
    if !device_vectors::vectors_of(cpu).allocate_this(VECTOR) {
        return;
    }
    // SAFETY: `handle` uses no context.
    let handler = unsafe { AttachedHandler::new(handle, core::ptr::null_mut(), &KERNELS_HANDLER) };
    let source = Source::new(0);
    // SAFETY: nobody else has the list. Both stay in memory until this function returns, and it waits for the CPU before that.
    unsafe {
        source.add(NonNull::from(&handler));
        device_vectors::publish(cpu, VECTOR, NonNull::from(&source));
    }
    measure();
    device_vectors::unpublish(cpu, VECTOR);
    device_vectors::wait_for_handlers(cpu, &may_wait);
    device_vectors::vectors_of(cpu).free(VECTOR);
}

/// Measures allocating the interrupts of a device with MSI-X, and attaching a handler to each.
pub fn setup() {
    let may_own = |device: &&Device| !device.is_kernels() && device.owner().is_none();
    let mut candidates = device_registry::all().iter().filter(may_own);
    let has_vectors =
        |device: &&Device| device.function.msi_x.is_some_and(|msi_x| msi_x.vectors >= VECTORS as u16);
    let (Some(device), Some(owner)) = (candidates.find(has_vectors), Owner::new(OwnerName::new(), 0..0))
    else {
        return;
    };
    let owner: &'static Owner = Box::leak(Box::new(owner));
    let mut ticks = 0;
    for round in 0..2 * SETUPS {
        if !device.claim(owner) || !power::enable(device, owner, pci::command::MEMORY) {
            return;
        }
        let start = arch::ticks();
        let is_set_up = set_up(device, owner);
        if round >= SETUPS {
            ticks += arch::ticks() - start;
        }
        release::release(device, owner);
        if !is_set_up {
            return;
        }
    }
    report("irq.allocate_attach", ticks, SETUPS * VECTORS);
}

/// Allocates the interrupts, and attaches a handler to each.
fn set_up(device: &'static Device, owner: &'static Owner) -> bool {
    let kinds = Kinds { msi_x: true, msi: false, line: false };
    let count = VECTORS as usize;
    let Some(may_wait) = device_vectors::may_wait() else { return false };
    let handler = (handle as device_vectors::DeviceHandler, core::ptr::null_mut());
    interrupt_allocation::allocate(device, owner, count, count, kinds) == Some(count)
        // SAFETY: `handle` uses no context.
        && (0..count).all(|index| unsafe { interrupt_attach::attach(device, owner, index, handler, None, &may_wait) })
}

/// Measures the way from the interrupted instruction to the handler, and the whole way without the handler.
fn measure() {
    let _off = InterruptsOff::new();
    let (mut to_handler, mut whole) = (0, 0);
    for round in 0..2 * ROUNDS {
        let start = arch::ticks();
        arch::interrupt_as_a_device_does::<VECTOR>();
        let end = arch::ticks();
        if round >= ROUNDS {
            let (begun, ended) = (BEGUN.load(Ordering::Relaxed), ENDED.load(Ordering::Relaxed));
            to_handler += begun.wrapping_sub(start);
            whole += end.wrapping_sub(start) - ended.wrapping_sub(begun);
        }
    }
    report("irq.msix.entry", to_handler, ROUNDS);
    report("irq.msix.whole", whole, ROUNDS);
}
