//! Decodes the instructions that access registers of devices (Intel SDM vol. 2): loads and stores of one integer.

/// What an instruction does with memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Access {
    /// It loads `width` bytes into a register of `to` bytes; what is above is filled with the sign or zeros.
    Load {
        /// The register's number.
        register: u8,
        /// Bytes that are loaded.
        width: u8,
        /// Bytes of the register.
        to: u8,
        /// The sign fills what is above.
        is_signed: bool,
        /// The second byte of the register, as in AH.
        is_high: bool,
    },
    /// It stores `width` bytes of a register.
    Store {
        /// The register's number.
        register: u8,
        /// Bytes that are stored.
        width: u8,
        /// The second byte of the register, as in AH.
        is_high: bool,
    },
    /// It stores a number of `width` bytes.
    StoreNumber {
        /// The number.
        value: u64,
        /// Bytes that are stored.
        width: u8,
    },
    /// It computes with `width` bytes in memory, for example compares them. The processor executes it.
    Compute {
        /// Bytes that are accessed.
        width: u8,
        /// It reads them.
        is_read: bool,
        /// It writes them.
        is_write: bool,
    },
}

/// An instruction that accesses memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Instruction {
    /// What it does.
    pub access: Access,
    /// Its bytes.
    pub length: usize,
}

struct Bytes<'a> {
    code: &'a [u8],
    at: usize,
}

impl Bytes<'_> {
    fn next(&mut self) -> Option<u8> {
        self.at += 1;
        self.code.get(self.at - 1).copied()
    }

    fn number(&mut self, bytes: usize) -> Option<i64> {
        let mut value = 0_u64;
        if bytes == 0 {
            return Some(0);
        }
        for index in 0..bytes {
            value |= u64::from(self.next()?) << (8 * index);
        }
        let unused = 64 - 8 * bytes as u32;
        Some((value << unused) as i64 >> unused)
    }
}

/// Decodes the instruction at the beginning of `code`. Returns `None` if it is none that accesses a register of a device.
pub fn decode(code: &[u8]) -> Option<Instruction> {
    let mut bytes = Bytes { code, at: 0 };
    let (mut has_word, mut rex) = (false, 0_u8);
    let opcode = loop {
        match bytes.next()? {
            0x66 => has_word = true,
            0xf0 => {} // lock
            prefix @ 0x40..=0x4f => rex = prefix,
            other => break other,
        }
    };
    let full = if rex & 8 != 0 {
        8
    } else if has_word {
        2
    } else {
        4
    };
    let size = |opcode: u8| if opcode & 1 == 0 { 1 } else { full };
    let (is_wide, opcode) = if opcode == 0x0f { (true, bytes.next()?) } else { (false, opcode) };
    let modrm = bytes.next()?;
    let field = modrm >> 3 & 7;
    skip_address(&mut bytes, modrm)?;
    // Without a REX prefix, the byte registers 4 to 7 are AH to BH.
    let register = |width: u8| {
        let is_high = width == 1 && rex == 0 && field >= 4;
        (if is_high { field - 4 } else { field | (rex & 4) << 1 }, is_high)
    };
    let compute = |width, is_write| Access::Compute { width, is_read: true, is_write };
    let access = match (is_wide, opcode) {
        (false, 0x8a | 0x8b) => {
            let width = size(opcode);
            let (register, is_high) = register(width);
            Access::Load { register, width, to: width, is_signed: false, is_high }
        }
        (false, 0x88 | 0x89) => {
            let width = size(opcode);
            let (register, is_high) = register(width);
            Access::Store { register, width, is_high }
        }
        (false, 0xc6 | 0xc7) if field == 0 => {
            let width = size(opcode);
            let value = bytes.number(usize::from(width.min(4)))? as u64;
            Access::StoreNumber { value, width }
        }
        (false, 0x63) => {
            let (register, _) = register(4);
            Access::Load { register, width: 4, to: full, is_signed: true, is_high: false }
        }
        (true, 0xb6 | 0xb7 | 0xbe | 0xbf) => {
            let width = if opcode & 1 == 0 { 1 } else { 2 };
            let (register, _) = register(4);
            Access::Load { register, width, to: full, is_signed: opcode >= 0xbe, is_high: false }
        }
        // add, or, adc, sbb, and, sub, xor with a register; cmp.
        (false, 0x00..=0x3b) if opcode & 4 == 0 => {
            compute(size(opcode), opcode & 2 == 0 && opcode & 0x38 != 0x38)
        }
        (false, 0x84 | 0x85) => compute(size(opcode), false),
        // The same with a number.
        (false, 0x80 | 0x81 | 0x83) => compute(size(opcode), field != 7),
        // test, not, neg; mul and div.
        (false, 0xf6 | 0xf7) => compute(size(opcode), matches!(field, 2 | 3)),
        // inc, dec; push.
        (false, 0xfe | 0xff) => compute(if field == 6 { 8 } else { size(opcode) }, field <= 1),
        // Shifts by a number, 1 or CL.
        (false, 0xc0 | 0xc1 | 0xd0..=0xd3) => compute(size(opcode), true),
        // xchg.
        (false, 0x86 | 0x87) => compute(size(opcode), true),
        // imul, cmov.
        (false, 0x69 | 0x6b) | (true, 0xaf | 0x40..=0x4f) => compute(full, false),
        // bt; bts, btr, btc with a number.
        (true, 0xba) => compute(full, field >= 5),
        _ => return None,
    };
    Some(Instruction { access, length: bytes.at })
}

/// Skips the rest of an operand in memory. Returns `None` if the operand is a register.
fn skip_address(bytes: &mut Bytes<'_>, modrm: u8) -> Option<()> {
    let (mode, base) = (modrm >> 6, modrm & 7);
    let base = if base == 4 && mode != 3 { bytes.next()? & 7 } else { base };
    let is_relative = mode == 0 && base == 5;
    let displacement = match mode {
        0 if is_relative => 4,
        0 => 0,
        1 => 1,
        2 => 4,
        _ => return None,
    };
    bytes.number(displacement).map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::{Access, decode};

    fn load(register: u8, width: u8, to: u8) -> Access {
        Access::Load { register, width, to, is_signed: false, is_high: false }
    }

    #[test]
    fn loads_and_stores_are_decoded_with_their_length() {
        let cases: [(&[u8], Access); 10] = [
            (&[0x8b, 0x07], load(0, 4, 4)),
            (&[0x8b, 0x46, 0x1c], load(0, 4, 4)),
            (&[0x4c, 0x8b, 0x84, 0x24, 0, 1, 0, 0], load(8, 8, 8)),
            (&[0x66, 0x8b, 0x05, 1, 2, 3, 4], load(0, 2, 2)),
            (&[0x0f, 0xb6, 0x40, 0x14], load(0, 1, 4)),
            (&[0x44, 0x0f, 0xb7, 0x48, 0x18], load(9, 2, 4)),
            (&[0x89, 0x4a, 0x14], Access::Store { register: 1, width: 4, is_high: false }),
            (&[0x88, 0x62, 0x14], Access::Store { register: 0, width: 1, is_high: true }),
            (&[0x66, 0xc7, 0x40, 0x16, 1, 0], Access::StoreNumber { value: 1, width: 2 }),
            (&[0x48, 0xc7, 0x00, 0xff, 0xff, 0xff, 0xff], Access::StoreNumber { value: u64::MAX, width: 8 }),
        ];
        for (code, access) in cases {
            let decoded = decode(code).unwrap_or_else(|| panic!("{code:x?}"));
            assert_eq!(decoded.access, access, "{code:x?}");
            assert_eq!(decoded.length, code.len(), "{code:x?}");
        }
    }

    #[test]
    fn computations_say_whether_they_write() {
        let reads = |width| Access::Compute { width, is_read: true, is_write: false };
        let changes = |width| Access::Compute { width, is_read: true, is_write: true };
        let cases: [(&[u8], Access); 6] = [
            (&[0xf6, 0x40, 0x14, 0x08], reads(1)),
            (&[0x83, 0x38, 0x00], reads(4)),
            (&[0x3b, 0x07], reads(4)),
            (&[0x80, 0x48, 0x14, 0x08], changes(1)),
            (&[0x09, 0x07], changes(4)),
            (&[0x66, 0x39, 0x07], reads(2)),
        ];
        for (code, access) in cases {
            assert_eq!(decode(code).map(|decoded| decoded.access), Some(access), "{code:x?}");
        }
    }

    #[test]
    fn what_is_no_access_of_an_integer_is_not_decoded() {
        // A register as operand, a string move, a vector load.
        for code in [&[0x8b, 0xc1][..], &[0xf3, 0xa4], &[0x0f, 0x10, 0x07], &[0xc5, 0xf8, 0x10, 0x07]] {
            assert_eq!(decode(code), None, "{code:x?}");
        }
    }
}
