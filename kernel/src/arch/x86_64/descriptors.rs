//! Each CPU's own GDT and TSS (Intel SDM vol. 3 §3.5, §8.7).
use super::interrupts::{self, InterruptHandler};
use super::ist::InterruptStacks;
use ::x86_64::VirtAddr;
use ::x86_64::instructions::segmentation::{CS, DS, ES, FS, GS, SS, Segment};
use ::x86_64::instructions::tables::load_tss;
use ::x86_64::registers::model_specific::GsBase;
use ::x86_64::structures::gdt::{Descriptor, GlobalDescriptorTable, SegmentSelector};
use ::x86_64::structures::tss::TaskStateSegment;

/// One CPU's GDT and TSS. The CPU reads both whenever it takes an interrupt, so loaded tables never move.
#[repr(C)]
pub struct CpuTables {
    gdt: GlobalDescriptorTable,
    tss: TaskStateSegment,
}

impl CpuTables {
    /// Returns tables that [`CpuTables::load`] can fill in.
    pub const fn new() -> Self {
        Self { gdt: GlobalDescriptorTable::new(), tss: TaskStateSegment::new() }
    }

    /// Fills in these tables and loads them, together with the interrupt table whose vectors all lead to `H`, on the
    /// running CPU. The base of GS does not change.
    ///
    /// # Safety
    /// - `tables` points to the result of [`CpuTables::new`]. It stays valid while this CPU runs.
    /// - This is the only call for these tables, and nothing else uses them, before it or after.
    /// - The stacks stay mapped while this CPU runs, and nothing else uses them.
    /// - Interrupts are off.
    pub unsafe fn load<H: InterruptHandler>(tables: *mut Self, stacks: &InterruptStacks) {
        // SAFETY: by the first two conditions of `# Safety`, the tables are valid and this is the only reference to them.
        // It becomes shared below, when the GDT takes the address of the TSS, and stays so.
        let tables = unsafe { &mut *tables };
        // By index: the TSS is packed, so no reference to its fields may be made.
        for (index, top) in stacks.iter().enumerate() {
            tables.tss.interrupt_stack_table[index] = VirtAddr::new(top.0);
        }
        let code = tables.gdt.append(Descriptor::kernel_code_segment());
        let data = tables.gdt.append(Descriptor::kernel_data_segment());
        let tss = tables.gdt.append(Descriptor::tss_segment(&tables.tss));
        tables.gdt.load();
        // SAFETY: the three `append`s above made the selectors, and the line above loaded the GDT that they index. No CPU
        // has loaded this TSS before, so it is not busy. Interrupts are off by the last condition of `# Safety`.
        unsafe { load_segments(code, data, tss) };
        interrupts::load_table::<H>();
    }
}

/// Loads the segment registers and the task register. The base of GS does not change.
///
/// # Safety
/// In the loaded GDT, the selectors index a kernel code segment, a kernel data segment and a TSS that is not busy. Interrupts
/// are off.
unsafe fn load_segments(code: SegmentSelector, data: SegmentSelector, tss: SegmentSelector) {
    let gs_base = GsBase::read();
    // SAFETY: `# Safety` gives the right kind of descriptor for each register. Loading GS clears its base. No code uses GS until
    // the base is restored below: these lines do not, and with interrupts off no handler runs in between.
    unsafe {
        CS::set_reg(code);
        SS::set_reg(data);
        DS::set_reg(data);
        ES::set_reg(data);
        FS::set_reg(SegmentSelector::NULL);
        GS::set_reg(SegmentSelector::NULL);
        load_tss(tss);
    }
    GsBase::write(gs_base);
}
