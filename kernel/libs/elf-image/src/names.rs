//! Names for numbers and strings from the file, in the form that error messages print them.
use core::fmt;

use elf::abi;
use elf::to_str;

/// The tag of compact relative relocations (gABI, "Relocation"). The `elf` crate does not define it.
pub(crate) const DT_RELR: i64 = 36;

/// A dynamic entry's tag. Displays the tag's name, or its number if it has no name.
pub(crate) struct Tag(pub i64);

impl fmt::Display for Tag {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            DT_RELR => out.write_str("DT_RELR"),
            abi::DT_GNU_HASH => out.write_str("DT_GNU_HASH"),
            tag => match to_str::d_tag_to_str(tag) {
                Some(name) => out.write_str(name),
                None => write!(out, "{tag:#x}"),
            },
        }
    }
}

/// A string from the file. Displays with control characters escaped, so that a log line stays one line.
pub(crate) struct Name<'a>(pub &'a str);

impl fmt::Display for Name<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}", self.0.escape_debug())
    }
}

/// Returns the name of a relocation type (x86-64 psABI, table 4.9).
pub(crate) fn relocation_type(found: u32) -> Option<&'static str> {
    let name = match found {
        abi::R_X86_64_NONE => "R_X86_64_NONE",
        abi::R_X86_64_64 => "R_X86_64_64",
        abi::R_X86_64_PC32 => "R_X86_64_PC32",
        abi::R_X86_64_GOT32 => "R_X86_64_GOT32",
        abi::R_X86_64_PLT32 => "R_X86_64_PLT32",
        abi::R_X86_64_COPY => "R_X86_64_COPY",
        abi::R_X86_64_GLOB_DAT => "R_X86_64_GLOB_DAT",
        abi::R_X86_64_JUMP_SLOT => "R_X86_64_JUMP_SLOT",
        abi::R_X86_64_RELATIVE => "R_X86_64_RELATIVE",
        abi::R_X86_64_GOTPCREL => "R_X86_64_GOTPCREL",
        abi::R_X86_64_32 => "R_X86_64_32",
        abi::R_X86_64_32S => "R_X86_64_32S",
        abi::R_X86_64_16 => "R_X86_64_16",
        abi::R_X86_64_PC16 => "R_X86_64_PC16",
        abi::R_X86_64_8 => "R_X86_64_8",
        abi::R_X86_64_PC8 => "R_X86_64_PC8",
        abi::R_X86_64_DTPMOD64 => "R_X86_64_DTPMOD64",
        abi::R_X86_64_DTPOFF64 => "R_X86_64_DTPOFF64",
        abi::R_X86_64_TPOFF64 => "R_X86_64_TPOFF64",
        abi::R_X86_64_PC64 => "R_X86_64_PC64",
        abi::R_X86_64_SIZE32 => "R_X86_64_SIZE32",
        abi::R_X86_64_SIZE64 => "R_X86_64_SIZE64",
        abi::R_X86_64_TLSDESC => "R_X86_64_TLSDESC",
        abi::R_X86_64_IRELATIVE => "R_X86_64_IRELATIVE",
        abi::R_X86_64_RELATIVE64 => "R_X86_64_RELATIVE64",
        _ => return None,
    };
    Some(name)
}
