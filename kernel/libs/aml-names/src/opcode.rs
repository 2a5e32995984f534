//! The bytes that start terms of AML, with their names in ACPI 6.5 §20.2 and §20.3.
pub const ZERO: u8 = 0x00;
pub const ONE: u8 = 0x01;
pub const ALIAS: u8 = 0x06;
pub const NAME: u8 = 0x08;
pub const BYTE: u8 = 0x0a;
pub const WORD: u8 = 0x0b;
pub const DWORD: u8 = 0x0c;
pub const STRING: u8 = 0x0d;
pub const QWORD: u8 = 0x0e;
pub const SCOPE: u8 = 0x10;
pub const BUFFER: u8 = 0x11;
pub const PACKAGE: u8 = 0x12;
pub const VAR_PACKAGE: u8 = 0x13;
pub const METHOD: u8 = 0x14;
pub const EXTERNAL: u8 = 0x15;
/// The first byte of the opcodes that have two.
pub const EXTENDED: u8 = 0x5b;
pub const IF: u8 = 0xa0;
pub const ELSE: u8 = 0xa1;
pub const WHILE: u8 = 0xa2;
pub const RETURN: u8 = 0xa4;
pub const ONES: u8 = 0xff;

/// The second bytes of opcodes that start with [`EXTENDED`].
pub mod extended {
    pub const MUTEX: u8 = 0x01;
    pub const EVENT: u8 = 0x02;
    pub const ACQUIRE: u8 = 0x23;
    pub const FATAL: u8 = 0x32;
    pub const OPERATION_REGION: u8 = 0x80;
    pub const FIELD: u8 = 0x81;
    pub const DEVICE: u8 = 0x82;
    pub const PROCESSOR: u8 = 0x83;
    pub const POWER_RESOURCE: u8 = 0x84;
    pub const THERMAL_ZONE: u8 = 0x85;
    pub const INDEX_FIELD: u8 = 0x86;
    pub const BANK_FIELD: u8 = 0x87;
    pub const DATA_REGION: u8 = 0x88;

    /// Returns true for an operator, which consists of its opcode and operands that are terms themselves.
    pub const fn is_operator(byte: u8) -> bool {
        // CondRefOf, CreateField; LoadTable … Sleep; Signal … Unload; Revision, Debug, Timer.
        matches!(byte, 0x12 | 0x13 | 0x1f..=0x22 | 0x24..=0x2a | 0x30 | 0x31 | 0x33)
    }
}

/// Returns true for an operator or an argument: its opcode is all of it, or its operands are terms themselves.
pub const fn is_operator(byte: u8) -> bool {
    match byte {
        // Zero, One, Ones, and the comparisons of Match, which are no terms, but follow one.
        ZERO..=0x05 | ONES => true,
        // Local0 … Local7, Arg0 … Arg6.
        0x60..=0x6e => true,
        // Store … ToInteger; ToString … Continue.
        0x70..=0x99 | 0x9c..=0x9f => true,
        // Noop, Return, Break, BreakPoint.
        0xa3 | RETURN | 0xa5 | 0xcc => true,
        _ => false,
    }
}
