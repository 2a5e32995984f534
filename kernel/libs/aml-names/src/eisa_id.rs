//! Ids of kinds of devices: EISA ids, and ids that are strings (ACPI 6.5 §6.1.5, §19.3.4).
use core::fmt::{self, Write};

use crate::Value;

/// An EISA id, compressed into 32 bits: three letters and four hexadecimal digits. Displays as `PNP0A08`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct EisaId(pub u32);

impl EisaId {
    /// Returns the seven characters.
    #[must_use]
    pub fn text(self) -> [u8; 7] {
        let bits = self.0.swap_bytes();
        let letter = |shift: u32| b'@' + (bits >> shift & 0x1f) as u8;
        let digit = |shift: u32| {
            let value = (bits >> shift & 0xf) as u8;
            if value < 10 { b'0' + value } else { b'A' + value - 10 }
        };
        [letter(26), letter(21), letter(16), digit(12), digit(8), digit(4), digit(0)]
    }
}

impl fmt::Display for EisaId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.text().iter().try_for_each(|&byte| out.write_char(char::from(byte)))
    }
}

/// Returns true if this value of a `_HID` or `_CID` is the id `text`.
pub(crate) fn is_id(value: &Value<'_>, text: &[u8; 7]) -> bool {
    match value {
        Value::Integer(id) => u32::try_from(*id).is_ok_and(|id| EisaId(id).text() == *text),
        Value::Text(id) => id == text,
        _ => false,
    }
}
