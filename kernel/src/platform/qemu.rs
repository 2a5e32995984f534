//! The devices that only QEMU has: its firmware configuration, from which the kernel reads its parameters, and its debug exit
//! device, by which the kernel ends the emulator.
use crate::arch::Port;
use crate::report::verdict::ExitStatus;

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
    SELECTOR.write(SELECT_SIGNATURE);
    if read() != *b"QEMU" {
        return None;
    }
    let (selector, size) = find_file(name)?;
    let room = buffer.len();
    let copied = &mut buffer[..size.min(room)];
    SELECTOR.write(selector);
    read_to(copied);
    Some((copied, size))
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
    // SAFETY: a write to the device ends the emulator and does nothing else.
    let device = unsafe { Port::<u32>::new(0xf4) };
    device.write(match status {
        ExitStatus::Success => 0x10,
        ExitStatus::Failure => 0x11,
    });
}
