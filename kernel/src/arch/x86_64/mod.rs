//! x86-64: instructions, descriptor tables, interrupts, the APIC, starting CPUs, page tables, ports.

mod apic;
mod context;
mod cpu_local;
mod cpuid;
mod descriptors;
mod fault;
pub mod guarded;
mod guarded_call;
mod instructions;
mod interrupts;
mod io_apic;
mod ist;
mod legacy_pic;
mod local_interrupts;
mod machine_check;
mod message;
mod new_address_space;
mod page_entry;
mod page_table;
mod paging;
mod physical_memory;
mod pit;
mod pm_timer;
mod port;
mod protection;
mod registers;
mod serial;
mod start_page;
mod startup;
mod time;
mod timer;
pub mod vectors;

pub use apic::{
    ApicSettings, avoid_x2apic, end_of_interrupt, frame as apic_frame, has_x2apic,
    init_this_cpu as init_apic, interrupt_for_device, interrupt_this_cpu, request_barrier, request_drain,
    request_end_of_thread, request_shootdown, request_tick, resend_lost_interrupt, settings as apic_settings,
    stop_cpu, this_cpu as this_apic_id, wake_cpu,
};
pub use context::{Context, switch};
pub use cpu_local::{
    AREA_ALIGNMENT, CALL_STACK, CpuArea, HEAD, PreemptionEnd, TASK, Task, begin_no_preemption, begin_work,
    current_task, end_no_preemption, end_no_preemption_is_due, is_preemption_off, set_current_task,
};
pub(crate) use cpu_local::{
    add_to_cpu_local_element, cpu_local_element, cpu_local_word, cpu_local_word_is, is_cpu_local_byte_set,
    set_cpu_local_word,
};
pub use cpuid::{cpuid, has_hypervisor, has_invariant_tsc, physical_address_bits};
pub use descriptors::CpuTables;
pub use fault::{
    continue_at, fault_address, is_by_instruction, is_double_fault, is_interrupt_without_stack,
    is_jump_to_nowhere, is_key_violation, is_machine_check, is_non_maskable, is_of_code, is_use_of_the_fpu,
    page_fault_words, return_trap, trap_next_instruction,
};
pub use guarded_call::CallRecord;
pub(crate) use guarded_call::guarded_call;
pub use instructions::{
    InterruptsOff, enable_interrupts, halt_forever, halt_until_interrupt, invalid_instruction,
    let_interrupts_in, registers_here, switch_stack, ticks, ticks_after_loads, ticks_in_order, use_fpu,
};
pub use interrupts::{Frame, InterruptHandler, interrupt_as_a_device_does, is_entry_code, key_interrupts};
pub use io_apic::{IO_APIC_SIZE, IoApic, LineTrigger};
pub use ist::{INTERRUPT_STACK_SIZE, INTERRUPT_STACKS, InterruptStacks, early_interrupt_stacks};
pub use legacy_pic::silence as silence_legacy_interrupts;
pub use local_interrupts::LocalInterrupt;
pub use machine_check::{
    banks as machine_check_banks, error as machine_check_error, init_this_cpu as init_machine_checks,
    is_on_and_clear as are_machine_checks_on, status as machine_check_status,
};
pub use message::{InterruptMessage, message_to, non_maskable_message_to};
pub use new_address_space::NewAddressSpace;
pub use page_entry::{Mapping, PageKind};
pub use page_table::MapError;
pub use paging::{
    MappedPage, PageTables, access_at, exchange_key, flush_translation, flush_translations, is_any_mapped,
    map_at_any_time, missing_tables, replace_key, set_key, unmap_at_any_time, visit_pages,
};
pub use physical_memory::physical_memory;
pub use pit::{read_pit, start_pit, stop_pit_interrupts};
pub use pm_timer::PmTimerPort;
pub use port::Port;
pub use protection::{
    CALL_STACK_BYTES, DriverReturn, NOT_THE_KERNELS, PKRS, RIGHTS, STACK_SHIFT, STACKS_TOP_BITS,
    THREAD_RIGHTS, has_keys, lead_calls_to, run_driver,
};
pub(crate) use protection::{call_gate, export_gate};
pub use registers::{CpuRegisters, init_this_cpu as init_registers};
pub use serial::{SerialBase, SerialPort, SerialReceiver};
pub use start_page::{StartCpu, StartFrames};
pub use startup::start_cpus;
pub use time::{count_as_wait, waited_ticks};
pub use timer::{
    TimerMeasurement, interrupt_as_the_timer_does, set_ticks_per_ms, set_timer, stop_timer, ticks_per_ms,
    timer_ticks_left,
};
