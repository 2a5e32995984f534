//! The devices that only QEMU has: its firmware configuration, from which the kernel reads its parameters, its debug exit
//! device, by which the kernel ends the emulator, and its controller for memory modules. On other machines, their ports may
//! belong to anything, so the kernel touches them only where CPUID names a hypervisor.
use super::findings;
use crate::arch::{self, Port};
use crate::report::ExitStatus;
use acpi_tables::{Finding, Findings, MemoryMapFault, Signature};
use units::{PhysRange, ProximityDomain};

// fw_cfg (QEMU, docs/specs/fw_cfg): a selector and one byte of data at a time. Numbers are big-endian.
// SAFETY: a write to the selector only selects the file that the data port reads (QEMU, docs/specs/fw_cfg).
const SELECTOR: Port<u16> = unsafe { Port::new(0x510) };
// SAFETY: a read of the data port only moves on in the selected file, and it ignores writes (QEMU, docs/specs/fw_cfg).
const DATA: Port<u8> = unsafe { Port::new(0x511) };

const SELECT_SIGNATURE: u16 = 0x0000;
const SELECT_DIRECTORY: u16 = 0x0019;
/// More entries than any QEMU has, so that a wrong count from the device does not keep the kernel reading.
const MOST_ENTRIES: u32 = 4096;
/// Bytes of an entry: size (4), selector (2), reserved (2), name (56, zero-padded).
const ENTRY_SIZE: usize = 64;

/// Copies the file `name` of the firmware configuration to `buffer`, cut if it is longer. Returns what was copied, and the
/// file's whole size in bytes. Returns `None` if there is no such file, or no such device.
pub fn copy_file<'b>(name: &str, buffer: &'b mut [u8]) -> Option<(&'b [u8], usize)> {
    if !is_qemu() {
        return None;
    }
    let (selector, size) = find_file(name)?;
    let room = buffer.len();
    let copied = &mut buffer[..size.min(room)];
    SELECTOR.write(selector);
    read_to(copied);
    Some((copied, size))
}

/// Returns true on a machine that has QEMU's firmware configuration.
pub fn is_qemu() -> bool {
    if !arch::has_hypervisor() {
        return false;
    }
    SELECTOR.write(SELECT_SIGNATURE);
    read() == *b"QEMU"
}

/// Returns the file's selector and its size in bytes.
fn find_file(name: &str) -> Option<(u16, usize)> {
    SELECTOR.write(SELECT_DIRECTORY);
    let entries = u32::from_be_bytes(read()).min(MOST_ENTRIES);
    for _ in 0..entries {
        let entry: [u8; ENTRY_SIZE] = read();
        let (numbers, entry_name) = entry.split_at(8);
        let end = entry_name.iter().position(|&byte| byte == 0).unwrap_or(entry_name.len());
        if &entry_name[..end] == name.as_bytes() {
            let size = u32::from_be_bytes([numbers[0], numbers[1], numbers[2], numbers[3]]);
            return Some((u16::from_be_bytes([numbers[4], numbers[5]]), size as usize));
        }
    }
    None
}

fn read<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    read_to(&mut bytes);
    bytes
}

fn read_to(bytes: &mut [u8]) {
    bytes.fill_with(|| DATA.read());
}

/// Ends the emulator with status `2 * value + 1` for the value written to its `isa-debug-exit` device: 33 for success, 35
/// for failure. Returns if there is no such device.
pub fn exit(status: ExitStatus) {
    if !arch::has_hypervisor() {
        return;
    }
    // SAFETY: a write to the device ends the emulator and does nothing else.
    let device = unsafe { Port::<u32>::new(0xf4) };
    device.write(match status {
        ExitStatus::Success => 0x10,
        ExitStatus::Failure => 0x11,
    });
}

// The controller for memory modules (QEMU, docs/specs/acpi_mem_hotplug): a write selects a slot, reads return what is in it.
// SAFETY: a write selects the slot, and a read returns the low half of the module's address (QEMU, docs/specs/acpi_mem_hotplug).
const SLOT_AND_ADDRESS: Port<u32> = unsafe { Port::new(0xa00) };
// SAFETY: a read has no effect, and the kernel does not write.
const ADDRESS_HIGH: Port<u32> = unsafe { Port::new(0xa04) };
// SAFETY: as for `ADDRESS_HIGH`.
const SIZE_LOW: Port<u32> = unsafe { Port::new(0xa08) };
// SAFETY: as for `ADDRESS_HIGH`.
const SIZE_HIGH: Port<u32> = unsafe { Port::new(0xa0c) };
// SAFETY: as for `ADDRESS_HIGH`.
const DOMAIN: Port<u32> = unsafe { Port::new(0xa10) };
// SAFETY: as for `ADDRESS_HIGH`.
const STATUS: Port<u8> = unsafe { Port::new(0xa14) };

/// Bit of [`STATUS`]: the slot has a module.
const IS_ENABLED: u8 = 1 << 0;
/// What a port returns that no device has.
const NO_DEVICE: u8 = 0xff;
/// The highest number of slots that QEMU has.
const MOST_SLOTS: u32 = 256;

/// Reports each memory module that the machine has, but of which no byte is in the memory map.
pub fn report_unlisted_modules(ram: &[PhysRange]) {
    if !is_qemu() {
        return;
    }
    let mut findings = findings::reporter();
    for slot in 0..MOST_SLOTS {
        SLOT_AND_ADDRESS.write(slot);
        let status = STATUS.read();
        if status == NO_DEVICE {
            break;
        }
        let (range, domain) = read_module();
        let is_listed = ram.iter().any(|known| !known.intersection(range).is_empty());
        if status & IS_ENABLED != 0 && !range.is_empty() && !is_listed {
            let fault = MemoryMapFault::Dimm { range, domain };
            findings.report(Finding::new(Signature::MEMORY_MAP, 0, fault));
        }
    }
    findings.finish();
}

/// Returns the range and the domain of the module in the selected slot.
fn read_module() -> (PhysRange, ProximityDomain) {
    let join = |low: u32, high: u32| u64::from(high) << 32 | u64::from(low);
    let start = join(SLOT_AND_ADDRESS.read(), ADDRESS_HIGH.read());
    let size = join(SIZE_LOW.read(), SIZE_HIGH.read());
    (PhysRange::new(start, start.saturating_add(size)), ProximityDomain(DOMAIN.read()))
}
