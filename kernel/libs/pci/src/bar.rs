//! Base address registers: where a function's registers and memory are (PCI 3.0 §6.2.5.1).
use core::fmt;

use pci_types::{CommandRegister, PciAddress};

use crate::{ConfigSpace, Fault, Problem};

/// The register of the command and, in its upper half, the status.
pub const COMMAND: u16 = 0x04;
/// The first BAR.
const FIRST: u16 = 0x10;

/// The most BARs that a header has.
pub const MOST: usize = 6;

/// What a BAR decodes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BarKind {
    /// I/O ports.
    Io,
    /// Memory below 4 GiB.
    Memory32 {
        /// Reads have no side effects, and writes may be merged.
        prefetchable: bool,
    },
    /// Memory anywhere. The next BAR is its upper half.
    Memory64 {
        /// Reads have no side effects, and writes may be merged.
        prefetchable: bool,
    },
}

/// A base address register.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bar {
    /// What it decodes.
    pub kind: BarKind,
    /// The first address or port. 0 if firmware has given it none. A multiple of `size`.
    pub address: u64,
    /// Bytes or ports: a power of two.
    pub size: u64,
}

impl Bar {
    /// Returns true if the BAR decodes memory.
    #[must_use]
    pub const fn is_memory(&self) -> bool {
        !matches!(self.kind, BarKind::Io)
    }
}

impl fmt::Display for Bar {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, prefetchable) = match self.kind {
            BarKind::Io => ("ports", false),
            BarKind::Memory32 { prefetchable } => ("bytes of 32-bit memory", prefetchable),
            BarKind::Memory64 { prefetchable } => ("bytes of 64-bit memory", prefetchable),
        };
        write!(out, "{:#x} {what}{}", self.size, if prefetchable { ", prefetchable," } else { "" })?;
        match self.address {
            0 => write!(out, " without an address"),
            address => write!(out, " at {address:#x}"),
        }
    }
}

/// A register, what it is, and what it says of itself when all bits are written.
#[derive(Clone, Copy)]
struct Probed {
    value: u32,
    written: u32,
}

/// Reads the first `count` BARs of a function. While it writes to them, the function decodes nothing.
pub fn read(
    config: &impl ConfigSpace,
    function: PciAddress,
    count: usize,
    faults: &mut dyn FnMut(Fault),
) -> [Option<Bar>; MOST] {
    let probed = config.without_interruption(|| probe(config, function, count.min(MOST)));
    let mut bars = [None; MOST];
    let mut index = 0;
    while index < count.min(MOST) {
        let bar = index as u8;
        let (result, used) = match probed.get(index..) {
            Some([low, high, ..]) if is_64_bit(low.value) && index + 1 < count => {
                (decode_64(bar, *low, *high), 2)
            }
            Some([low, ..]) if !is_64_bit(low.value) => (decode_32(bar, *low), 1),
            _ => (Err(Problem::BarHalf { bar }), 1),
        };
        match result {
            Ok(bar) => bars[index] = bar,
            Err(problem) => faults(Fault { function, offset: offset(index), problem }),
        }
        index += used;
    }
    bars
}

/// Returns the offset of a BAR.
pub const fn offset(index: usize) -> u16 {
    FIRST + 4 * index as u16
}

/// Writes ones to the BARs, reads what stays, and restores the BARs and the command register.
fn probe(config: &impl ConfigSpace, function: PciAddress, count: usize) -> [Probed; MOST] {
    without_decoding(config, function, || {
        let mut probed = [Probed { value: 0, written: 0 }; MOST];
        for (index, bar) in probed.iter_mut().enumerate().take(count) {
            bar.value = config.read(function, offset(index));
            config.write(function, offset(index), u32::MAX);
            bar.written = config.read(function, offset(index));
            config.write(function, offset(index), bar.value);
        }
        probed
    })
}

/// Gives a BAR its address. Returns true if the function has kept it. While the BAR changes, the function decodes nothing.
pub fn write(config: &impl ConfigSpace, function: PciAddress, index: usize, bar: Bar) -> bool {
    let is_64_bit = matches!(bar.kind, BarKind::Memory64 { .. });
    let read = || {
        let high = if is_64_bit { config.read(function, offset(index + 1)) } else { 0 };
        let type_bits = if bar.is_memory() { 0xf } else { 3 };
        u64::from(high) << 32 | u64::from(config.read(function, offset(index)) & !type_bits)
    };
    config.without_interruption(|| {
        without_decoding(config, function, || {
            config.write(function, offset(index), bar.address as u32);
            if is_64_bit {
                config.write(function, offset(index + 1), (bar.address >> 32) as u32);
            }
        });
    });
    read() == bar.address
}

/// Does `work` while the function decodes nothing, and restores the command register.
fn without_decoding<T>(config: &impl ConfigSpace, function: PciAddress, work: impl FnOnce() -> T) -> T {
    // Zeros in the upper half, the status, change nothing there.
    let command = config.read(function, COMMAND) & 0xffff;
    let decodes = u32::from((CommandRegister::IO_ENABLE | CommandRegister::MEMORY_ENABLE).bits());
    if command & decodes == 0 {
        return work();
    }
    config.write(function, COMMAND, command & !decodes);
    let result = work();
    config.write(function, COMMAND, command);
    result
}

/// Returns true if this is the lower half of a 64-bit memory BAR.
const fn is_64_bit(value: u32) -> bool {
    value & 0b111 == 0b100
}

fn decode_32(bar: u8, Probed { value, written }: Probed) -> Result<Option<Bar>, Problem> {
    if written == 0 {
        // There is no such BAR.
        return Ok(None);
    }
    if value & 1 != 0 {
        // The upper half may be fixed at 0: x86 has 64 Ki ports.
        let fixed = if written >> 16 == 0 && written & !3 != 0 { 0xffff_0000 } else { 0 };
        let mask = u64::from(written & !3 | fixed);
        return same_type(bar, value, written, 0b1, mask)
            .and_then(|()| place(bar, BarKind::Io, (value & !3).into(), mask));
    }
    let mask = u64::from(written & !0xf);
    same_type(bar, value, written, 0b1111, mask)?;
    if value & 0b110 != 0 {
        return Err(Problem::BarType { bar, value });
    }
    let kind = BarKind::Memory32 { prefetchable: value & 0b1000 != 0 };
    place(bar, kind, (value & !0xf).into(), mask)
}

fn decode_64(bar: u8, low: Probed, high: Probed) -> Result<Option<Bar>, Problem> {
    let join = |low: u32, high: u32| u64::from(high) << 32 | u64::from(low & !0xf);
    let mask = join(low.written, high.written);
    same_type(bar, low.value, low.written, 0b1111, mask)?;
    let kind = BarKind::Memory64 { prefetchable: low.value & 0b1000 != 0 };
    place(bar, kind, join(low.value, high.value), mask)
}

/// Checks that the bits of the type, which no write changes, have not changed. They do if the function has gone meanwhile.
fn same_type(bar: u8, value: u32, written: u32, bits: u32, mask: u64) -> Result<(), Problem> {
    if value & bits == written & bits { Ok(()) } else { Err(Problem::BarSize { bar, mask }) }
}

/// Returns the BAR whose address has these writable bits. They end at bit 31. In 64 bits they may end above it: a function may
/// decode fewer bits.
fn place(bar: u8, kind: BarKind, address: u64, mask: u64) -> Result<Option<Bar>, Problem> {
    // All bits from the lowest writable one on are writable, so the size is that bit.
    let size = mask.isolate_lowest_one();
    let end = u128::from(mask) + u128::from(size);
    let is_64_bit = matches!(kind, BarKind::Memory64 { .. });
    let fits = if is_64_bit { end >= 1 << 32 && end.is_power_of_two() } else { end == 1 << 32 };
    if size == 0 || !fits {
        return Err(Problem::BarSize { bar, mask });
    }
    if address & (size - 1) != 0 {
        return Err(Problem::BarPlace { bar, address, size });
    }
    Ok(Some(Bar { kind, address, size }))
}
