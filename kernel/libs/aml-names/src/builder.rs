//! Builds definition blocks, for tests and fuzzers. Each function returns the bytes of one term.
use alloc::vec::Vec;

use acpi_tables::Signature;
use acpi_tables::builder::seal;

use crate::opcode::{self, extended};

/// Builds a table with these terms. The header has a correct length and checksum.
#[must_use]
pub fn table(signature: Signature, revision: u8, terms: &[Vec<u8>]) -> Vec<u8> {
    let mut table = Vec::new();
    table.extend_from_slice(&signature.0);
    table.extend_from_slice(&[0; 4]);
    table.extend_from_slice(&[revision, 0]);
    table.extend_from_slice(b"PROXIMAML TEST");
    table.resize(36, 0);
    table.extend(terms.iter().flatten());
    let length = table.len() as u32;
    table.splice(4..8, length.to_le_bytes());
    seal(&mut table);
    table
}

/// Returns a name or a path as ASL writes it, for example `\_SB.PC00`. Names are filled up with `_`.
#[must_use]
pub fn path(text: &str) -> Vec<u8> {
    let names = text.trim_start_matches(['\\', '^']);
    let mut bytes = text.as_bytes().get(..text.len() - names.len()).unwrap_or_default().to_vec();
    let names: Vec<&str> = names.split('.').filter(|name| !name.is_empty()).collect();
    match names.len() {
        0 => bytes.push(0),
        1 => {}
        2 => bytes.push(b'.'),
        count => bytes.extend([b'/', count as u8]),
    }
    for name in names {
        bytes.extend(name.bytes().chain([b'_'; 4]).take(4));
    }
    bytes
}

/// Returns a package: its opcode, its length and its content.
#[must_use]
pub fn sized(opcode: &[u8], content: &[u8]) -> Vec<u8> {
    let mut bytes = opcode.to_vec();
    bytes.extend(length(content.len()));
    bytes.extend_from_slice(content);
    bytes
}

/// Returns the length of a package with so many bytes of content. It includes itself.
fn length(content: usize) -> Vec<u8> {
    match content {
        0..0x3f => [(content + 1) as u8].to_vec(),
        0x3f..0xffe => encoded(content + 2, 1),
        0xffe..0xf_fffd => encoded(content + 3, 2),
        _ => encoded(content + 4, 3),
    }
}

fn encoded(length: usize, more: usize) -> Vec<u8> {
    let mut bytes = [((more as u8) << 6) | (length & 0xf) as u8].to_vec();
    bytes.extend((length >> 4).to_le_bytes().iter().take(more));
    bytes
}

fn named(opcode: &[u8], name: &str, more: &[u8], terms: &[Vec<u8>]) -> Vec<u8> {
    sized(opcode, &[path(name), more.to_vec(), terms.concat()].concat())
}

/// Returns `Scope (name) {terms}`.
#[must_use]
pub fn scope(name: &str, terms: &[Vec<u8>]) -> Vec<u8> {
    named(&[opcode::SCOPE], name, &[], terms)
}

/// Returns `Device (name) {terms}`.
#[must_use]
pub fn device(name: &str, terms: &[Vec<u8>]) -> Vec<u8> {
    named(&[opcode::EXTENDED, extended::DEVICE], name, &[], terms)
}

/// Returns `Processor (name, …) {terms}`.
#[must_use]
pub fn processor(name: &str, terms: &[Vec<u8>]) -> Vec<u8> {
    named(&[opcode::EXTENDED, extended::PROCESSOR], name, &[1, 0x10, 4, 0, 0, 6], terms)
}

/// Returns `PowerResource (name, 0, 0) {terms}`.
#[must_use]
pub fn power_resource(name: &str, terms: &[Vec<u8>]) -> Vec<u8> {
    named(&[opcode::EXTENDED, extended::POWER_RESOURCE], name, &[0; 3], terms)
}

/// Returns `ThermalZone (name) {terms}`.
#[must_use]
pub fn thermal_zone(name: &str, terms: &[Vec<u8>]) -> Vec<u8> {
    named(&[opcode::EXTENDED, extended::THERMAL_ZONE], name, &[], terms)
}

/// Returns `Name (name, value)`.
#[must_use]
pub fn name(name: &str, value: &[u8]) -> Vec<u8> {
    [&[opcode::NAME], &path(name)[..], value].concat()
}

/// Returns `Method (name, arguments) {body}`.
#[must_use]
pub fn method(name: &str, arguments: u8, body: &[Vec<u8>]) -> Vec<u8> {
    named(&[opcode::METHOD], name, &[arguments], body)
}

/// Returns `Return (value)`.
#[must_use]
pub fn returns(value: &[u8]) -> Vec<u8> {
    [&[opcode::RETURN], value].concat()
}

/// Returns `If (predicate) {terms}`.
#[must_use]
pub fn condition(predicate: &[u8], terms: &[Vec<u8>]) -> Vec<u8> {
    sized(&[opcode::IF], &[predicate.to_vec(), terms.concat()].concat())
}

/// Returns `Else {terms}`.
#[must_use]
pub fn otherwise(terms: &[Vec<u8>]) -> Vec<u8> {
    sized(&[opcode::ELSE], &terms.concat())
}

/// Returns an integer in its shortest form.
#[must_use]
pub fn integer(value: u64) -> Vec<u8> {
    let (opcode, size) = match value {
        0 => return [opcode::ZERO].to_vec(),
        1 => return [opcode::ONE].to_vec(),
        2..=0xff => (opcode::BYTE, 1),
        0x100..=0xffff => (opcode::WORD, 2),
        0x1_0000..=0xffff_ffff => (opcode::DWORD, 4),
        _ => (opcode::QWORD, 8),
    };
    let bytes = value.to_le_bytes();
    core::iter::once(opcode).chain(bytes.into_iter().take(size)).collect()
}

/// Returns a string.
#[must_use]
pub fn string(text: &str) -> Vec<u8> {
    [&[opcode::STRING], text.as_bytes(), &[0]].concat()
}

/// Returns `EisaId (text)`: three letters and four hexadecimal digits.
#[must_use]
pub fn eisa_id(text: &str) -> Vec<u8> {
    let bits = text.bytes().enumerate().fold(0u32, |bits, (index, byte)| match index {
        0..3 => bits << 5 | u32::from(byte.wrapping_sub(b'@') & 0x1f),
        _ => bits << 4 | char::from(byte).to_digit(16).unwrap_or(0),
    });
    [&[opcode::DWORD], &bits.to_be_bytes()[..]].concat()
}

/// Returns a buffer of this size that states these bytes.
#[must_use]
pub fn buffer(size: u64, bytes: &[u8]) -> Vec<u8> {
    sized(&[opcode::BUFFER], &[&integer(size), bytes].concat())
}

/// Returns a package of these elements.
#[must_use]
pub fn package(elements: &[Vec<u8>]) -> Vec<u8> {
    sized(&[opcode::PACKAGE], &[&[elements.len() as u8], &elements.concat()[..]].concat())
}
