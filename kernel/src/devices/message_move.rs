//! Moves a message that cannot be masked to another CPU, while the device may send it at any time.
//!
//! Address and data are two registers. So the data changes first, to a vector that is free on both CPUs and that the old CPU knows, too;
//! then the address. Each message that the device sends meanwhile finds its source. The new CPU only counts its messages until the
//! old one has handled what had reached it: a handler never runs on two CPUs at once.
use super::interrupt_lines::LinePlace;
use crate::arch;
use crate::cpu::code_mark::KERNELS_HANDLER;
use crate::cpu::device_vectors::{self, AttachedHandler, Source};
use crate::cpu::{Cpu, MayWait};
use core::ffi::c_void;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicU32, Ordering};
use pci::{ConfigSpace, Msi, PciAddress};

/// How often the search for a common vector begins anew because another thread has taken the one that was found.
const TRIES: u32 = 16;

/// Counts a message that came to the new CPU early.
///
/// # Safety
/// `context` is an `AtomicU32`.
unsafe extern "C" fn count_early(context: *mut c_void) -> u32 {
    // SAFETY: by this function's condition, `context` is a counter, and counters may be shared.
    unsafe { &*context.cast::<AtomicU32>() }.fetch_add(1, Ordering::Relaxed);
    1
}

/// Allocates one vector on both CPUs; `old`, which the message has, is allocated on the first already.
fn allocate_common(from: &Cpu, to: &Cpu, old: u8) -> Option<u8> {
    let (of_from, of_to) = (device_vectors::vectors_of(from), device_vectors::vectors_of(to));
    (0..TRIES).find_map(|_| {
        let vector = of_to.allocate_common(of_from, old)?;
        if vector == old || of_from.allocate_this(vector) {
            return Some(vector);
        }
        of_to.free(vector);
        None
    })
}

/// Moves the message of a function. Returns its new place, or `None`, and changes nothing, if the CPUs have no free vector in common.
///
/// # Safety
/// The source is published at the first place. It stays in memory until it was unpublished and its CPU was waited for.
pub unsafe fn move_unmasked(
    config: &impl ConfigSpace,
    function: PciAddress,
    msi: &Msi,
    source: NonNull<Source>,
    (from, to): (LinePlace, &'static Cpu),
    may_wait: &MayWait,
) -> Option<LinePlace> {
    let (old, of_from) = (from.vector, device_vectors::vectors_of(from.cpu));
    let vector = allocate_common(from.cpu, to, old)?;
    let is_other = vector != old;
    let Some(message) = arch::message_to(to.apic, vector) else {
        device_vectors::vectors_of(to).free(vector);
        if is_other {
            of_from.free(vector);
        }
        return None;
    };
    let early = AtomicU32::new(0);
    // SAFETY: `count_early` gets the counter that it asks for, which stays until this function returns. Then no list has the handler: the
    // wait for the new CPU is behind the second `publish` there.
    let counter = unsafe {
        AttachedHandler::new(count_early, core::ptr::from_ref(&early).cast_mut().cast(), &KERNELS_HANDLER)
    };
    let waiting = Source::new(0);
    // SAFETY: nobody else has the list. Source and handler stay in memory until this function returns, behind the wait for the new CPU,
    // and no other CPU is told of them.
    unsafe {
        waiting.add(NonNull::from(&counter));
        device_vectors::publish(to, vector, NonNull::from(&waiting));
    }
    if is_other {
        // SAFETY: by this function's condition, the source stays in memory until it was unpublished and waited for, and the old CPU is the
        // one that handles it.
        unsafe { device_vectors::publish(from.cpu, vector, source) };
        msi.set_data(config, function, message.data as u16);
    }
    msi.set_address(config, function, message.address);
    // The read returns only when the messages that the function has sent are at the CPUs.
    let _ = config.read(function, msi.offset);
    device_vectors::wait_for_handlers(from.cpu, may_wait);
    device_vectors::unpublish(from.cpu, old);
    device_vectors::unpublish(from.cpu, vector);
    // SAFETY: the source stays in memory by this function's condition. The old CPU is done with it.
    unsafe { device_vectors::publish(to, vector, source) };
    device_vectors::wait_for_handlers(to, may_wait);
    if early.load(Ordering::Relaxed) > 0 {
        // Several messages of one vector may become one on any CPU, so one takes the place of all.
        arch::interrupt_for_device(to.apic, vector);
    }
    device_vectors::wait_for_handlers(from.cpu, may_wait);
    of_from.free(old);
    if is_other {
        of_from.free(vector);
    }
    Some(LinePlace { cpu: to, vector })
}
