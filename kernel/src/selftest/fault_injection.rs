//! Breaking down on purpose, so that a test can watch how a fault is reported.
use parameters::Fault;

/// Does what the parameter `fault=` asks for. Returns only if the kernel survives it, which is an error of its own.
pub fn trigger(fault: Fault) {
    match fault {
        Fault::Panic => panic!("asked for by the parameter fault=panic"),
        // SAFETY: nothing is mapped there, so the CPU refuses it.
        Fault::Page => unsafe { core::ptr::without_provenance_mut::<u8>(0x0dea_dbee_f000).write_volatile(1) },
        Fault::Stack => {
            core::hint::black_box(overflow_stack(core::hint::black_box(1)));
        }
        Fault::Invalid => crate::arch::invalid_instruction(),
    }
    log::error!(target: "boot", "the kernel survived a fault that was asked for");
    crate::report::verdict::fail();
}

/// Calls itself until the stack ends.
#[allow(unconditional_recursion, reason = "that is what it is for")]
fn overflow_stack(depth: u64) -> u64 {
    let here = core::hint::black_box([depth; 64]);
    here[0] + overflow_stack(core::hint::black_box(depth + 1))
}
