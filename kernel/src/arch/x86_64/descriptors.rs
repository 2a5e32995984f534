//! Each CPU's descriptor tables: GDT and TSS of its own, with stacks of their own for the faults that may find the current
//! stack broken, and the one IDT that all share (Intel SDM vol. 3 §3.5, §6.10, §8.7).
use super::interrupts::{self, InterruptHandler};
use ::x86_64::VirtAddr;
use ::x86_64::instructions::segmentation::{CS, DS, ES, FS, GS, SS, Segment};
use ::x86_64::instructions::tables::load_tss;
use ::x86_64::registers::model_specific::GsBase;
use ::x86_64::structures::gdt::{Descriptor, GlobalDescriptorTable, SegmentSelector};
use ::x86_64::structures::tss::TaskStateSegment;
use core::cell::UnsafeCell;

/// The faults with a stack of their own; the value is the place in the TSS's interrupt stack table.
#[derive(Clone, Copy)]
pub enum InterruptStack {
    /// A fault while a fault was being delivered, an overflown stack among them.
    DoubleFault = 0,
    /// An interrupt that comes whatever the CPU is doing.
    NonMaskable = 1,
    /// The hardware has found an error in itself.
    MachineCheck = 2,
}

/// How many interrupt stacks a CPU has.
pub const INTERRUPT_STACKS: usize = 3;
/// Bytes in each of them.
pub const INTERRUPT_STACK_SIZE: u64 = 16 * 1024;

/// The ends of a CPU's interrupt stacks, in the order of [`InterruptStack`].
pub type InterruptStacks = [units::VirtAddr; INTERRUPT_STACKS];

/// One CPU's GDT and TSS.
///
/// The CPU keeps the address of all of it: once loaded, it stays where it is.
#[repr(C)]
pub struct CpuTables {
    gdt: GlobalDescriptorTable,
    tss: TaskStateSegment,
}

impl CpuTables {
    /// Tables that are not loaded yet.
    pub const fn new() -> Self {
        Self { gdt: GlobalDescriptorTable::new(), tss: TaskStateSegment::new() }
    }

    /// Fills these tables in and makes them this CPU's. Leaves GS as it is.
    ///
    /// # Safety
    /// `tables` points to tables made by [`CpuTables::new`] that stay for as long as this CPU runs, and that no CPU has
    /// loaded before. The stacks are mapped for as long, and nobody else's.
    pub unsafe fn load<H: InterruptHandler>(tables: *mut Self, stacks: &InterruptStacks) {
        // SAFETY: the caller says that nobody else uses the tables, now or later: after this call the CPU alone does.
        let tables = unsafe { &mut *tables };
        // By index: the TSS is packed, and its fields must not be referred to.
        for (index, top) in stacks.iter().enumerate() {
            tables.tss.interrupt_stack_table[index] = VirtAddr::new(top.0);
        }
        let code = tables.gdt.append(Descriptor::kernel_code_segment());
        let data = tables.gdt.append(Descriptor::kernel_data_segment());
        let tss = tables.gdt.append(Descriptor::tss_segment(&tables.tss));
        tables.gdt.load();
        // SAFETY: the selectors name entries of the GDT just loaded, with the rights that the kernel runs with.
        unsafe { use_segments(code, data, tss) };
        interrupts::load_table::<H>();
    }
}

/// The interrupt stacks of the boot CPU until there is memory for others; without guard pages.
pub fn early_interrupt_stacks() -> InterruptStacks {
    #[repr(C, align(16))]
    struct Memory(UnsafeCell<[[u8; INTERRUPT_STACK_SIZE as usize]; INTERRUPT_STACKS]>);
    // SAFETY: no code reaches it: the CPU alone pushes there.
    unsafe impl Sync for Memory {}
    static MEMORY: Memory = Memory(UnsafeCell::new([[0; INTERRUPT_STACK_SIZE as usize]; INTERRUPT_STACKS]));
    let start = MEMORY.0.get().expose_provenance() as u64;
    core::array::from_fn(|index| units::VirtAddr(start + (index as u64 + 1) * INTERRUPT_STACK_SIZE))
}

/// Puts the selectors into the segment registers.
///
/// # Safety
/// The selectors name a code segment, a data segment and a free TSS in the loaded GDT.
unsafe fn use_segments(code: SegmentSelector, data: SegmentSelector, tss: SegmentSelector) {
    let per_cpu = GsBase::read();
    // SAFETY: the caller vouches for the selectors. Loading GS clears its base, which is put back at once.
    unsafe {
        CS::set_reg(code);
        SS::set_reg(data);
        DS::set_reg(data);
        ES::set_reg(data);
        FS::set_reg(SegmentSelector::NULL);
        GS::set_reg(SegmentSelector::NULL);
        load_tss(tss);
    }
    GsBase::write(per_cpu);
}
