//! Tests that every page is mapped as docs/memory-map.md says, and that the CPUs enforce the rights.
use super::{Outcome, ensure};
use crate::arch::{self, MappedPage};
use crate::cpu;
use crate::memory::page_tables;
use ::address_space::layout::{
    BOOT_LOADER, BOOT_LOADER_LAST, DRIVERS, PHYSICAL_MEMORY, PHYSICAL_MEMORY_END, STACKS,
};
use core::sync::atomic::AtomicUsize;
use units::{FRAME_SIZE, PhysRange, VirtAddr};

/// The first address of the upper half.
const UPPER_HALF: u64 = 0xffff_8000_0000_0000;
/// The first address that the kernel may be linked to: the last 2 GiB.
const KERNEL: u64 = 0xffff_ffff_8000_0000;

/// Walks all page tables, and checks every page as [`complaint`] does. Then checks that every CPU's stacks stand on guard areas.
pub fn has_no_page_with_more_rights_than_it_needs() -> Outcome {
    let code = kernel_code()?;
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
            let bottom = bottom_of_stack(address)
                .ok_or_else(|| alloc::format!("CPU {}'s stack is not where stacks are", cpu.id))?;
            for page in 1..=STACKS.guard_pages {
                let guard = VirtAddr(bottom.0 - page * FRAME_SIZE);
                let is_mapped = page_tables::access_at(guard).is_some();
                ensure!(!is_mapped, "the guard page {guard} of CPU {} is mapped", cpu.id);
            }
        }
    }
    Ok(())
}

/// Returns the lowest address of the stack that the address lies in.
fn bottom_of_stack(address: VirtAddr) -> Option<VirtAddr> {
    let (node, slot) = STACKS.slot_of(address)?;
    Some(STACKS.bottom(node, slot))
}

/// Returns where the kernel's code is in physical memory. The code of this function must be there, too.
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

/// Returns what is wrong with a mapped page, if anything. `code` is where the kernel's code is in physical memory.
fn complaint(page: &MappedPage, code: PhysRange) -> Option<&'static str> {
    let start = page.start.0;
    let mapped_to = PhysRange::new(page.mapping.address.0, page.mapping.address.0 + page.bytes);
    let in_memory = (PHYSICAL_MEMORY.0..PHYSICAL_MEMORY_END.0).contains(&start);
    let may_hold_code = start >= KERNEL || (DRIVERS.0..BOOT_LOADER.0).contains(&start);
    if start < UPPER_HALF {
        Some("mapped in the lower half")
    } else if page.mapping.writable && page.mapping.executable {
        Some("both writable and executable")
    } else if in_memory && page.mapping.executable {
        Some("physical memory that is executable")
    } else if page.mapping.writable && !mapped_to.intersection(code).is_empty() {
        Some("the kernel's code, writable")
    } else if page.mapping.executable && !may_hold_code {
        Some("executable outside of the kernel's and the drivers' images")
    } else if (BOOT_LOADER.0..=BOOT_LOADER_LAST.0).contains(&start) {
        Some("left of the boot loader's part")
    } else if STACKS.is_guard(page.start) {
        Some("a guard page that is mapped")
    } else {
        None
    }
}

/// Checks that the kernel's constants cannot be written, and that its data can.
pub fn protects_constants_and_not_data() -> Outcome {
    static CONSTANT: u64 = 1;
    static VARIABLE: AtomicUsize = AtomicUsize::new(0);
    let at = |address: usize| page_tables::access_at(VirtAddr(address as u64));
    let constant = at(core::ptr::from_ref(core::hint::black_box(&CONSTANT)).addr());
    ensure!(constant.is_some_and(|it| !it.writable && !it.executable), "constants: {constant:?}");
    let data = at(core::ptr::from_ref(&VARIABLE).addr());
    ensure!(data.is_some_and(|it| it.writable && !it.executable), "data: {data:?}");
    Ok(())
}
