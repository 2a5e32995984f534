//! Reads the windows of a host bridge: the addresses and buses that it passes on (ACPI 6.5 §6.4.3.5).
use crate::cursor::Cursor;
use crate::unreadable::Unreadable;
use crate::value::Buffer;

/// The tag of the descriptor that ends a list (§6.4.2.9), without its length.
const END: u8 = 0x78;
/// The tags of address space descriptors, with the sizes of their numbers in bytes.
const ADDRESS_SPACES: [(u8, usize); 3] = [(0x87, 4), (0x88, 2), (0x8a, 8)];
/// The bit of a descriptor's general flags that says that the device uses the addresses itself.
const CONSUMER: u8 = 1;

/// What the numbers of a window are.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum WindowKind {
    /// Addresses of memory.
    Memory,
    /// I/O ports.
    Port,
    /// Numbers of buses.
    Bus,
}

/// A range of addresses or buses that a bridge passes on to the devices below it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Window {
    /// What the numbers are.
    pub kind: WindowKind,
    /// The first address or bus, as seen below the bridge.
    pub first: u64,
    /// The last address or bus.
    pub last: u64,
    /// What is added to an address below the bridge to get that of the CPU, modulo 2⁶⁴.
    pub translation: u64,
}

/// The windows in a `_CRS`. Descriptors of other kinds and empty windows are passed over. The iterator ends at the end tag, or at
/// the first descriptor that goes past the end of the buffer.
#[derive(Clone, Debug)]
pub struct Windows<'a>(Cursor<'a>);

impl<'a> Windows<'a> {
    /// Iterates over the windows of a `_CRS`, which [`Device::resources`](crate::Device::resources) returns.
    #[must_use]
    pub const fn new(resources: &Buffer<'a>) -> Self {
        Self(Cursor::new(resources.bytes, 0))
    }

    /// Reads the next descriptor. Returns `None` if it is no window.
    fn descriptor(&mut self) -> Result<Option<Window>, Unreadable> {
        let tag = self.0.byte()?;
        if tag & 0x80 == 0 {
            // The lowest three bits are the length.
            self.0.take((tag & 7).into())?;
            return if tag & 0xf8 == END { Err(Unreadable::Cut) } else { Ok(None) };
        }
        let length = self.0.integer(2)? as usize;
        let content = Cursor::new(self.0.take(length)?, 0);
        let size = ADDRESS_SPACES.iter().find(|(own, _)| *own == tag);
        Ok(size.and_then(|&(_, size)| window(content, size).ok().flatten()))
    }
}

/// Reads an address space descriptor after its length. Returns `None` if it is no window.
fn window(mut content: Cursor<'_>, size: usize) -> Result<Option<Window>, Unreadable> {
    let kind = match content.byte()? {
        0 => WindowKind::Memory,
        1 => WindowKind::Port,
        2 => WindowKind::Bus,
        _ => return Ok(None),
    };
    let is_consumer = content.byte()? & CONSUMER != 0;
    // The flags of the kind, and the granularity.
    content.take(1 + size)?;
    let (first, last) = (content.integer(size)?, content.integer(size)?);
    let (translation, length) = (content.integer(size)?, content.integer(size)?);
    let is_empty = is_consumer || length == 0 || last < first;
    Ok((!is_empty).then_some(Window { kind, first, last, translation }))
}

impl Iterator for Windows<'_> {
    type Item = Window;

    fn next(&mut self) -> Option<Window> {
        loop {
            match self.descriptor() {
                Ok(Some(window)) => return Some(window),
                Ok(None) => {}
                Err(_) => {
                    self.0.at = self.0.end;
                    return None;
                }
            }
        }
    }
}
