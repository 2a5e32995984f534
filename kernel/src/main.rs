//! Proxima's boot, from the boot loader's jump to "boot: complete", readable from top to bottom.
#![no_std]
#![no_main]
// No path that firmware or a driver reaches aborts when there is no memory.
#![warn(clippy::disallowed_methods, clippy::disallowed_macros)]

extern crate alloc;

mod arch;
#[allow(clippy::disallowed_methods, clippy::disallowed_macros)]
mod bench;
mod block;
mod bringup;
mod clock;
mod console;
mod cpu;
mod devices;
mod drivers;
mod exports;
mod memory;
mod platform;
mod report;
#[allow(clippy::disallowed_methods, clippy::disallowed_macros)]
mod selftest;
mod sync;
mod threads;

use ::address_space::layout::{BOOT_LOADER, BOOT_LOADER_LAST, PHYSICAL_MEMORY};
use bootloader_api::config::Mapping;
use bootloader_api::{BootInfo, BootloaderConfig, entry_point};
use bringup::{cpus, screen_thread, start_frames};
use cpu::device_vectors;
use devices::interrupt_lines;
use drivers::{images, report_free};
use events::PageCounts;
use memory::address_space;
use memory::{allocate, cache_drain, device_memory, fail_allocation, frames, heap, page_report, page_setup};
use parameters::{Parameters, Protection, Watchdog};
use platform::ramdisk::Ramdisk;
use platform::{
    acpi, clock_tables, command_line, interrupt_tables, numa_topology, pci_tables, power_end, power_tables,
    qemu,
};
use report::{
    PixelMemory, console as log_console, event_stream, fault, phases, screen, stack_trace, verdict,
};
use selftest::fault_injection;
use spin::Once;
use text_screen::{Mode, PixelFormat};
use threads::{lifecycle, scheduler, tick, trimmer};
use units::{PhysRange, VirtAddr};

/// Bytes of the boot loader's stack, which the kernel uses until it can allocate one. Building the topology takes some 300 KiB of it.
const EARLY_STACK_SIZE: u64 = 1 << 20;

static BOOT_CONFIG: BootloaderConfig = {
    let mut config = BootloaderConfig::new_default();
    config.kernel_stack_size = EARLY_STACK_SIZE;
    config.mappings.physical_memory = Some(Mapping::FixedAddress(PHYSICAL_MEMORY.0));
    config.mappings.dynamic_range_start = Some(BOOT_LOADER.0);
    config.mappings.dynamic_range_end = Some(BOOT_LOADER_LAST.0);
    config
};

entry_point!(boot, config = &BOOT_CONFIG);

/// The values that the first half of the boot passes to the second.
struct Boot {
    parameters: Parameters,
    ramdisk: Ramdisk,
}

static BOOT: Once<Boot> = Once::new();

/// Boots on the boot loader's stack, until memory is managed.
fn boot(boot_info: &'static mut BootInfo) -> ! {
    let start_ticks = arch::ticks();
    // From here on an exception ends the boot. It is reported once the console is open.
    cpu::init_early(threads::first_task(), fault::fatal);
    register_upward_calls();
    phases::begin(start_ticks);
    stack_trace::init(kernel_file_bytes(boot_info));
    screen::init(screen_memory(boot_info));
    log_console::init();
    event_stream::init();
    // The ramdisk, and the kernel's parameters.
    let ramdisk = Ramdisk::open(ramdisk_bytes(boot_info));
    let parameters = command_line::read(&ramdisk);
    phases::end("parameters");
    // The machine: its memory, firmware's tables, the nodes.
    let map = memory::read_memory_map(&mut boot_info.memory_regions);
    let tables = acpi::find_tables(boot_info.rsdp_addr.into_option(), &map.known);
    let topology = numa_topology::init(&tables, &map, parameters.numa);
    clock_tables::init(&tables);
    power_tables::init(&tables);
    interrupt_tables::init(&tables);
    pci_tables::init(&tables, topology, &map);
    qemu::report_unlisted_modules(&map.ram);
    phases::end("topology");
    // The page allocator, with free lists for each node. The heaps take their pages from it.
    page_setup::init(&map, topology);
    fail_allocation::init(parameters.fail_allocation, parameters.fail_heap);
    // The kernel's own page tables, in which each page has only the rights that it needs. They do not map firmware's tables.
    address_space::init(kernel_file(boot_info), &map);
    heap::init();
    screen::move_to(device_memory::map_screen);
    start_frames::reserve(&map);
    numa_topology::send_event(|node| {
        let stats = frames::node_stats(node);
        PageCounts { total: stats.total, free: stats.free }
    });
    phases::end("memory");
    // Before the APIC masks its pin for the 8259s: what they ask for by then would stay pending in QEMU.
    devices::silence_interrupts();
    // What drivers may write: before the CPUs have stacks, and while one CPU runs.
    memory::protection::init(match parameters.protection {
        Protection::Default => !parameters.bench,
        Protection::On => true,
        Protection::Off => false,
    });
    // The boot CPU moves to its own node.
    let stack = cpus::adopt_boot_cpu();
    BOOT.call_once(|| Boot { parameters, ramdisk });
    // SAFETY: `adopt_boot_cpu` has just allocated the stack. `boot_on_own_node` takes no argument, and no static refers to the old
    // stack: `BOOT` holds values.
    unsafe { arch::switch_stack(stack.top, boot_on_own_node) }
}

/// Registers the functions of upper layers that lower layers call. With `fault::fatal`, which `cpu::init_early` takes, these are
/// all the calls that go upward.
fn register_upward_calls() {
    report::exit_with(power_end::end);
    report::describe_task_with(threads::name_current, threads::describe_current);
    report::find_code_with(images::find);
    cache_drain::register();
    tick::register();
    device_vectors::on_unclaimed(interrupt_lines::mask_unclaimed);
    allocate::report_refused_with(report_free::report_pages);
    allocate::reclaim_with(heap::reclaim);
}

/// Continues the boot, on a stack of the boot CPU's node.
extern "C" fn boot_on_own_node() -> ! {
    clock::init();
    // From here on, the boot runs as a thread, and the tick runs.
    tick::start();
    arch::enable_interrupts();
    report::leave_lines_to_ticks();
    let Boot { parameters, ramdisk } = BOOT.get().expect("`boot` sets it before it changes stacks");
    // SAFETY: `switch_stack` has left the boot loader's stack for good. Only `boot` had the boot information, and it ended with that switch.
    unsafe { address_space::leave_boot_loader() };
    phases::end("own node");
    cpus::start_other_cpus();
    if scheduler::init().is_err() {
        verdict::stop_without_memory_for("the map of CPUs");
    }
    if lifecycle::start_reaper().is_err() {
        verdict::stop_without_memory_for("the reaper");
    }
    if trimmer::start().is_err() {
        verdict::stop_without_memory_for("the trimmer");
    }
    phases::end("cpus");
    devices::init();
    phases::end("devices");
    // On the counting clock, nothing but what is measured runs.
    if !parameters.bench && screen_thread::start().is_err() {
        log::warn!(target: "screen", "there is no memory for the screen's thread");
    }
    examine_itself(parameters);
    phases::end("tests");
    if parameters.strict {
        drivers::be_strict();
    }
    if let Some(seconds) = parameters.patience {
        drivers::set_patience(seconds);
    }
    if !parameters.bench && parameters.watchdog != Watchdog::Off {
        drivers::start_watchdog(parameters.watchdog == Watchdog::Fail);
    }
    let drivers = drivers::start_all(ramdisk, exports::resolve);
    log_complete(drivers);
    if !parameters.report {
        screen_thread::show_machine();
    }
    phases::end("drivers");
    fail_allocation::report();
    if parameters.bench {
        bench::run();
    }
    if parameters.report {
        console::report();
    }
    if let Some(fault) = parameters.fault {
        fault_injection::trigger(fault);
    }
    page_report::log();
    if parameters.exit {
        verdict::stop_with(verdict::is_well());
    }
    console::start(parameters.console);
    lifecycle::exit(0)
}

/// Runs the tests that the parameters name. The CPUs and their threads all run by now. The test of latencies measures from here
/// on, so this stays a function with an address.
#[inline(never)]
fn examine_itself(parameters: &Parameters) {
    if parameters.selftest {
        let _ = selftest::run();
    }
    if parameters.load {
        selftest::run_load();
    }
    if let Some(operations) = parameters.stress_pages {
        selftest::stress_pages(operations);
    }
    if let Some(operations) = parameters.stress_heap {
        selftest::stress_heap(operations);
    }
    if parameters.move_interrupts {
        selftest::move_interrupts();
    }
}

fn log_complete(drivers: usize) {
    let cpus = cpu::online().count();
    let nodes = numa_topology::get().node_count();
    log::info!(
        target: "boot",
        "complete, {cpus} CPU{} on {nodes} node{}, {drivers} driver{}",
        plural(cpus), plural(nodes), plural(drivers),
    );
}

fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}

/// Returns the screen's memory, or `None` if the machine has none or its pixels have an unknown form.
fn screen_memory(boot_info: &mut BootInfo) -> Option<(PixelMemory, Mode)> {
    let buffer = boot_info.framebuffer.as_mut()?;
    let info = buffer.info();
    let format = match info.pixel_format {
        bootloader_api::info::PixelFormat::Rgb => PixelFormat::Rgb,
        bootloader_api::info::PixelFormat::Bgr => PixelFormat::Bgr,
        bootloader_api::info::PixelFormat::U8 => PixelFormat::Gray,
        bootloader_api::info::PixelFormat::Unknown { red_position, green_position, blue_position } => {
            PixelFormat::Channels { red: red_position, green: green_position, blue: blue_position }
        }
        _ => return None,
    };
    let size = (info.width, info.height);
    let bytes = buffer.buffer_mut();
    let mode = Mode::new(size, info.stride, info.bytes_per_pixel, format, bytes.len())?;
    // SAFETY: the boot loader has mapped the memory, and only this reference to it exists. The mapping stays until `leave_boot_loader`;
    // `boot` has the screen moved before.
    Some((unsafe { PixelMemory::new(VirtAddr(bytes.as_mut_ptr() as u64), bytes.len()) }, mode))
}

fn ramdisk_bytes(boot_info: &BootInfo) -> Option<&'static [u8]> {
    let start = VirtAddr(boot_info.ramdisk_addr.into_option()?);
    // SAFETY: the boot loader has put the ramdisk there, in frames that it lists as its own. The page allocator never gets such
    // frames, so nothing writes them.
    unsafe { address_space::in_physical_memory(start, boot_info.ramdisk_len) }
}

fn kernel_file(boot_info: &BootInfo) -> PhysRange {
    PhysRange::new(boot_info.kernel_addr, boot_info.kernel_addr + boot_info.kernel_len)
}

fn kernel_file_bytes(boot_info: &BootInfo) -> &'static [u8] {
    let file = kernel_file(boot_info);
    // SAFETY: the boot loader has put the file there and maps all RAM at `physical_memory`, as the kernel's own page tables do later. The frames
    // stay allocated. The kernel writes the part that is its data, and stack traces read only headers, symbols and unwind tables.
    unsafe { core::slice::from_raw_parts(arch::physical_memory(file.start), file.len_bytes() as usize) }
}
