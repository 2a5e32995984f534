//! x86-64: descriptor tables, interrupts, APIC, starting CPUs, page tables, ports.

mod apic;
mod context;
mod cpu_local;
mod descriptors;
mod fault;
mod instructions;
mod interrupts;
mod legacy_pic;
mod page_table;
mod paging;
mod port;
mod protection;
mod serial;
mod startup;
mod time;
mod timer;
pub mod vectors;

pub use apic::{
    end_of_interrupt, frame as apic_frame, init_this_cpu as init_apic, request_drain, request_shootdown,
    stop_cpu, this_cpu as this_apic_id, wake_cpu,
};
pub use context::{Context, switch};
pub(crate) use cpu_local::cpu_local_word;
pub use cpu_local::{
    AREA_ALIGNMENT, CpuArea, PreemptionEnd, Task, begin_no_preemption, begin_work, current_task,
    end_no_preemption, set_current_task,
};
pub use descriptors::{
    CpuTables, INTERRUPT_STACK_SIZE, INTERRUPT_STACKS, InterruptStacks, early_interrupt_stacks,
};
pub use fault::{exception_name, fault_address, page_fault_words};
pub use instructions::{
    InterruptsOff, enable_interrupts, halt_forever, halt_until_interrupt, invalid_instruction, switch_stack,
    ticks, with_interrupts_on,
};
pub use interrupts::{Frame, InterruptHandler};
pub use legacy_pic::silence as silence_legacy_interrupts;
pub use paging::{
    MapError, MappedPage, Mapping, NewAddressSpace, PageKind, access_at, forget_part, forget_translations,
    map, physical_memory, unmap, visit_pages,
};
pub use port::Port;
pub use protection::{Protections, enable_protections};
pub use serial::SerialPort;
pub use startup::{StartCpu, StartFrames, start_cpus};
pub use time::waited_ticks;
pub use timer::{interrupt_as_the_timer_does, measure_timer, set_timer, stop_timer, ticks_per_ms};
