//! What arrives at COM1: by the port's interrupt where it comes, else a thread looks from time to time.
use crate::arch::{SerialPort, SerialReceiver};
use crate::devices::isa_interrupts;
use crate::sync::{Rank, SpinLock};
use crate::threads::{WaitQueue, sleep};
use arrayvec::ArrayVec;
use core::ffi::c_void;
use core::sync::atomic::{AtomicBool, Ordering};

/// The interrupt of COM1 on the ISA bus.
const IRQ: u8 = 4;
/// Bytes that wait for the reader. When there is no room for more, the port stops interrupting, and the sender waits, if it can.
const WAITING: usize = 512;
/// Bytes that are received at a time.
const PIECE: usize = 16;
/// How often the thread looks where no interrupt can come, and where none has come so far: the port of a board may have another one.
const LOOK_NS: u64 = 10_000_000;
const LOOK_UNPROVEN_NS: u64 = 50_000_000;

/// Set when the port's interrupt has brought something. From then on nobody looks.
static HAS_INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// The receiving half of the port.
struct Receiving {
    receiver: SerialReceiver,
    /// There was no room for more: the port does not interrupt, and nothing is received.
    is_stopped: bool,
}

static RECEIVING: SpinLock<Option<Receiving>> = SpinLock::new(Rank::Receiver, None);

/// Bytes that wait for the reader, which takes all of them at once.
static ARRIVED: WaitQueue<ArrayVec<u8, WAITING>> = WaitQueue::new(ArrayVec::new_const());

/// What a person or a program sends.
pub struct TerminalInput {
    has_interrupt: bool,
}

impl TerminalInput {
    /// Opens the input. Returns `None` if the machine has no such port.
    pub fn open() -> Option<Self> {
        let receiver = SerialReceiver::of(SerialPort::COM1)?;
        *RECEIVING.lock() = Some(Receiving { receiver, is_stopped: false });
        // SAFETY: `handle` ignores its argument, and may run on any CPU.
        let has_interrupt = unsafe { isa_interrupts::attach(IRQ, handle) };
        if has_interrupt {
            receive();
        }
        Some(Self { has_interrupt })
    }

    /// Returns true if the port interrupts when something arrives.
    pub fn has_interrupt(&self) -> bool {
        self.has_interrupt
    }

    /// Waits until something has arrived, and passes it to `take`.
    pub fn read(&self, mut take: impl FnMut(u8)) {
        let is_proven = || HAS_INTERRUPTED.load(Ordering::Relaxed);
        if !is_proven() {
            receive();
            while ARRIVED.wake_one(|arrived| arrived.is_empty()) && !is_proven() {
                sleep::sleep_ns(if self.has_interrupt { LOOK_UNPROVEN_NS } else { LOOK_NS });
                receive();
            }
        }
        let bytes = ARRIVED.wait(|arrived| (!arrived.is_empty()).then(|| core::mem::take(arrived)));
        bytes.into_iter().for_each(&mut take);
        resume();
    }
}

/// Handles the interrupt.
unsafe extern "C" fn handle(_: *mut c_void) -> u32 {
    let has_arrived = receive();
    if has_arrived {
        HAS_INTERRUPTED.store(true, Ordering::Relaxed);
    }
    has_arrived.into()
}

/// Receives again if there was no room and there is now. Bytes may have come since the reader took those that filled it.
fn resume() {
    let mut receiving = RECEIVING.lock();
    let Some(Receiving { is_stopped: is_stopped @ true, .. }) = receiving.as_mut() else { return };
    *is_stopped = ARRIVED.wake_one(|arrived| arrived.remaining_capacity() < PIECE);
    let is_resumed = !*is_stopped;
    drop(receiving);
    if is_resumed {
        receive();
    }
}

/// Takes what has arrived, as much as there is room for, and wakes the reader. Returns true if something has.
fn receive() -> bool {
    let mut receiving = RECEIVING.lock();
    let Some(Receiving { receiver, is_stopped }) = receiving.as_mut() else { return false };
    let mut has_arrived = false;
    while !*is_stopped {
        let mut piece = [0; PIECE];
        let count = receiver.receive(&mut piece);
        if count == 0 {
            break;
        }
        has_arrived = true;
        *is_stopped = ARRIVED.wake_one(|arrived| {
            // There is room for a piece: else nothing would have been received.
            let _ = arrived.try_extend_from_slice(&piece[..count]);
            arrived.remaining_capacity() < PIECE
        });
    }
    // What arrives behind the last look interrupts.
    receiver.set_interrupting(!*is_stopped);
    has_arrived
}
