//! QEMU's firmware configuration device: named files that whoever starts the emulator hands in.
//!
//! QEMU, docs/specs/fw_cfg: a 16-bit selector at port 0x510, data byte by byte at 0x511, numbers in big-endian order.
use ::x86_64::instructions::port::{PortReadOnly, PortWriteOnly};

const SELECT_SIGNATURE: u16 = 0x0000;
const SELECT_DIRECTORY: u16 = 0x0019;
/// More entries than any QEMU has: a count that comes from the device must not decide how long the kernel reads.
const MOST_ENTRIES: u32 = 4096;
/// An entry: size (4 bytes), selector (2), reserved (2), name (56, zero-padded).
const ENTRY_SIZE: usize = 64;

struct FwCfg {
    data: PortReadOnly<u8>,
}

impl FwCfg {
    /// The device, or `None` where there is none.
    fn find() -> Option<Self> {
        let mut device = Self { data: PortReadOnly::new(0x511) };
        device.select(SELECT_SIGNATURE);
        (device.read() == *b"QEMU").then_some(device)
    }

    fn select(&mut self, selector: u16) {
        // SAFETY: writing the selector only chooses what the data port reads; without the device nothing answers.
        unsafe { PortWriteOnly::new(0x510).write(selector) };
    }

    fn read<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.read_to(&mut bytes);
        bytes
    }

    fn read_to(&mut self, bytes: &mut [u8]) {
        for byte in bytes {
            // SAFETY: reading the data port only moves on in the selected file.
            *byte = unsafe { self.data.read() };
        }
    }

    /// The file's selector and its size in bytes.
    fn find_file(&mut self, name: &str) -> Option<(u16, usize)> {
        self.select(SELECT_DIRECTORY);
        let entries = u32::from_be_bytes(self.read()).min(MOST_ENTRIES);
        for _ in 0..entries {
            let entry: [u8; ENTRY_SIZE] = self.read();
            let (numbers, entry_name) = entry.split_at(8);
            let end = entry_name.iter().position(|&byte| byte == 0).unwrap_or(entry_name.len());
            if &entry_name[..end] == name.as_bytes() {
                let size = u32::from_be_bytes([numbers[0], numbers[1], numbers[2], numbers[3]]);
                return Some((u16::from_be_bytes([numbers[4], numbers[5]]), size as usize));
            }
        }
        None
    }
}

/// Copies the file `name` to `buffer`, as much as has room, and returns what was copied and the file's whole size in
/// bytes; `None` where there is no such file or no such device.
pub fn copy_from_fw_cfg<'b>(name: &str, buffer: &'b mut [u8]) -> Option<(&'b [u8], usize)> {
    let mut device = FwCfg::find()?;
    let (selector, size) = device.find_file(name)?;
    let room = buffer.len();
    let copied = &mut buffer[..size.min(room)];
    device.select(selector);
    device.read_to(copied);
    Some((copied, size))
}
