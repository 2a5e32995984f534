//! The address space is as docs/memory-map.md has it, on every page, and the CPUs hold the kernel to it.
use super::on_each_cpu;
use super::{Outcome, ensure};
use crate::arch::{self, MappedPage, Protections};
use crate::cpu;
use crate::memory::address_space::{
    BOOT_LOADER, BOOT_LOADER_LAST, DRIVERS, PHYSICAL_MEMORY, PHYSICAL_MEMORY_END,
};
use crate::memory::page_tables;
use crate::memory::stack;
use core::sync::atomic::{AtomicUsize, Ordering};
use units::{PhysRange, VirtAddr};

/// The first address of the upper half.
const UPPER_HALF: u64 = 0xffff_8000_0000_0000;
/// The kernel is linked into the last 2 GiB.
const KERNEL: u64 = 0xffff_ffff_8000_0000;

/// Walks all page tables: no page is both written and executed, nothing is mapped in the lower half or left of the boot
/// loader's, memory is not executed, no guard page is mapped, code is the kernel's or a driver's, and the kernel's is not
/// written by way of any page. Then sees that every CPU's stacks stand on guard pages.
pub fn has_no_page_with_more_rights_than_it_needs() -> Outcome {
    let code = kernel_code()?;
    // Nothing may be allocated while the tables are locked, so words are made later.
    let mut wrong = None;
    arch::visit_pages(&mut |page| {
        wrong = wrong.or_else(|| complaint(page, code).map(|words| (words, *page)));
    });
    if let Some((words, page)) = wrong {
        return Err(alloc::format!("{words}: {} bytes at {}", page.bytes, page.start));
    }
    for cpu in cpu::online() {
        let own = VirtAddr(cpu.stack_seen() as u64);
        let interrupts = cpu.interrupt_stacks().iter().map(|top| VirtAddr(top.0 - 1));
        for address in interrupts.chain([own]) {
            let guard = stack::guard_under(address);
            let guard =
                guard.ok_or_else(|| alloc::format!("CPU {}'s stack is not where stacks are", cpu.id))?;
            ensure!(
                page_tables::access_at(guard).is_none(),
                "the guard page {guard} of CPU {} is mapped",
                cpu.id
            );
        }
    }
    Ok(())
}

/// Where the kernel's code lies in physical memory; this function's is among it.
fn kernel_code() -> Result<PhysRange, alloc::string::String> {
    let (mut start, mut end) = (u64::MAX, 0);
    arch::visit_pages(&mut |page| {
        if page.mapping.executable && page.start.0 >= KERNEL {
            start = start.min(page.mapping.address.0);
            end = end.max(page.mapping.address.0 + page.bytes);
        }
    });
    let code = PhysRange::new(start, end);
    let this = page_tables::translate(VirtAddr(kernel_code as *const () as u64));
    ensure!(this.is_some_and(|it| code.contains(it)), "this code is at {this:?}, not in {code:x?}");
    Ok(code)
}

fn complaint(page: &MappedPage, code: PhysRange) -> Option<&'static str> {
    let start = page.start.0;
    let leads_to = PhysRange::new(page.mapping.address.0, page.mapping.address.0 + page.bytes);
    let in_memory = (PHYSICAL_MEMORY.0..PHYSICAL_MEMORY_END.0).contains(&start);
    let code_belongs_here = start >= KERNEL || (DRIVERS.0..BOOT_LOADER.0).contains(&start);
    if start < UPPER_HALF {
        Some("mapped in the lower half")
    } else if page.mapping.writable && page.mapping.executable {
        Some("both written and executed")
    } else if in_memory && page.mapping.executable {
        Some("memory that is executed")
    } else if page.mapping.writable && !leads_to.intersection(code).is_empty() {
        Some("the kernel's code, written")
    } else if page.mapping.executable && !code_belongs_here {
        Some("code where none belongs")
    } else if (BOOT_LOADER.0..=BOOT_LOADER_LAST.0).contains(&start) {
        Some("left of the boot loader's")
    } else if stack::is_guard(page.start) {
        Some("a guard page that is mapped")
    } else {
        None
    }
}

/// The kernel's constants are not written, and its data is.
pub fn protects_constants_and_not_data() -> Outcome {
    static CONSTANT: u64 = 1;
    let at = |address: usize| page_tables::access_at(VirtAddr(address as u64));
    let constant = at(core::ptr::from_ref(core::hint::black_box(&CONSTANT)).addr());
    ensure!(constant.is_some_and(|it| !it.writable && !it.executable), "constants: {constant:?}");
    let data = at(core::ptr::from_ref(&UNPROTECTED).addr());
    ensure!(data.is_some_and(|it| it.writable && !it.executable), "data: {data:?}");
    Ok(())
}

/// CPUs with a protection off that they have.
static UNPROTECTED: AtomicUsize = AtomicUsize::new(0);

/// Every protection that a CPU has is on, on every CPU.
pub fn protections_are_on() -> Outcome {
    UNPROTECTED.store(0, Ordering::Relaxed);
    on_each_cpu::run_on_each_cpu(|_| {
        let protected = Protections::enabled() == Protections::available();
        UNPROTECTED.fetch_add(usize::from(!protected), Ordering::Relaxed);
    });
    let unprotected = UNPROTECTED.load(Ordering::Relaxed);
    ensure!(unprotected == 0, "{unprotected} CPUs have a protection that is off");
    Ok(())
}
