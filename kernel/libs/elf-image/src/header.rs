//! The file header: it gives the kind of file and locates the program headers.
use crate::error::ImageError;
use crate::segment::part;
use elf::abi;
use elf::endian::LittleEndian;
use elf::file::{Class, ELF64_EHDR_TAILSIZE, FileHeader, parse_ident};
use elf::parse::ParseError;
use elf::segment::SegmentTable;

/// Bytes of a program header in ELF64.
const PROGRAM_HEADER: u16 = 56;
/// Bytes of a section header in ELF64.
const SECTION_HEADER: u64 = 64;

/// Checks the file header and returns the program headers.
pub(crate) fn program_headers(file: &[u8]) -> Result<SegmentTable<'_, LittleEndian>, ImageError<'_>> {
    let header = file_header(file)?;
    if header.version != u32::from(abi::EV_CURRENT) {
        return Err(ImageError::Version { found: header.version });
    }
    if header.e_machine != abi::EM_X86_64 {
        return Err(ImageError::Machine { found: header.e_machine });
    }
    if header.e_type != abi::ET_DYN {
        return Err(ImageError::FileType { found: header.e_type });
    }
    // This crate does not read section headers. They end a file, so a file without them was truncated.
    part(file, header.e_shoff, u64::from(header.e_shnum) * SECTION_HEADER)?;
    if header.e_phentsize != PROGRAM_HEADER {
        return Err(ImageError::ProgramHeaderLength { found: header.e_phentsize });
    }
    let length = u64::from(header.e_phnum) * u64::from(PROGRAM_HEADER);
    Ok(SegmentTable::new(LittleEndian, Class::ELF64, part(file, header.e_phoff, length)?))
}

fn file_header(file: &[u8]) -> Result<FileHeader<LittleEndian>, ImageError<'_>> {
    if !file.starts_with(&abi::ELFMAGIC) {
        return Err(ImageError::NotElf);
    }
    let ident = part(file, 0, abi::EI_NIDENT as u64)?;
    let ident = parse_ident::<LittleEndian>(ident).map_err(|error| match error {
        ParseError::UnsupportedElfClass(_) => ImageError::Not64Bit,
        ParseError::UnsupportedElfEndianness(_) => ImageError::NotLittleEndian,
        ParseError::UnsupportedVersion((found, _)) => ImageError::Version { found: found as u32 },
        _ => ImageError::NotElf,
    })?;
    if ident.1 != Class::ELF64 {
        return Err(ImageError::Not64Bit);
    }
    let tail = part(file, abi::EI_NIDENT as u64, ELF64_EHDR_TAILSIZE as u64)?;
    FileHeader::parse_tail(ident, tail).map_err(|_| ImageError::NotElf)
}
