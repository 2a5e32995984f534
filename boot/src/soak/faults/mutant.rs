//! Mutants: files of a driver with one instruction of its code changed. A mutant's number says which, and how.
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use elf::ElfBytes;
use elf::abi::{PF_X, PT_LOAD};
use elf::endian::LittleEndian;

/// x86's instruction that does nothing.
const NOP: u8 = 0x90;
/// Instructions are looked at up to here for one that a mutation applies to.
const MOST_STEPS: usize = 1000;

/// A sound driver, and where its instructions are.
pub struct Original {
    /// Its name, as that of a folder with its sources.
    name: &'static str,
    /// How many disks it serves.
    disks: i64,
    file: Vec<u8>,
    instructions: Vec<Instruction>,
}

/// Returns the content of a driver's file without what is only for people: all mutants of a boot are in one image.
///
/// # Errors
/// `strip` is missing or fails.
pub fn stripped(driver: &Path) -> Result<Vec<u8>> {
    let status = Command::new("strip").arg("--strip-all").arg(driver).status();
    ensure!(status.context("strip (of binutils) is missing")?.success(), "strip has failed");
    Ok(fs::read(driver)?)
}

/// An instruction in the file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Instruction {
    offset: usize,
    length: usize,
}

/// How an instruction is changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Change {
    /// One of its bits is another.
    FlipBit,
    /// One byte behind its opcode is another: a register, a displacement, a constant.
    Operand,
    /// It does nothing.
    Nop,
    /// A conditional jump jumps in the other case.
    InvertBranch,
    /// All of its bytes are random.
    RandomBytes,
}

const CHANGES: [Change; 5] =
    [Change::FlipBit, Change::Operand, Change::Nop, Change::InvertBranch, Change::RandomBytes];

/// A file with one instruction changed.
pub struct Mutant {
    /// The file.
    pub file: Vec<u8>,
    /// How many disks the sound driver serves.
    pub disks: i64,
    /// What was changed, for people.
    pub what: String,
}

impl Original {
    /// Lists the instructions of a driver's file. `scratch` is a file for that.
    ///
    /// # Errors
    /// `objdump` is missing or fails, or the file has no code.
    pub fn new(name: &'static str, disks: i64, file: Vec<u8>, scratch: &Path) -> Result<Self> {
        fs::write(scratch, &file)?;
        let listing = Command::new("objdump").args(["--disassemble", "--wide"]).arg(scratch).output();
        let listing = listing.context("objdump (of binutils) is missing")?;
        let listing = String::from_utf8(listing.stdout)?;
        let offset_of = code_offsets(&file)?;
        let place = |line: &str| {
            let (address, length) = instruction(line)?;
            Some(Instruction { offset: offset_of(address)?, length })
        };
        let instructions: Vec<_> = listing.lines().filter_map(place).collect();
        ensure!(!instructions.is_empty(), "{name}: objdump finds no code");
        Ok(Self { name, disks, file, instructions })
    }

    /// Returns the mutant with this number.
    pub fn mutant(&self, number: u64) -> Mutant {
        let mut random = Random(number);
        let change = CHANGES[random.below(CHANGES.len())];
        let first = random.below(self.instructions.len());
        let rest = self.instructions[first..].iter().chain(&self.instructions[..first]).take(MOST_STEPS);
        let (mut file, disks) = (self.file.clone(), self.disks);
        for place in rest {
            let code = &mut file[place.offset..place.offset + place.length];
            let before = hex(code);
            if change.apply(code, &mut random) {
                let what =
                    format!("{} {:?} at {:#x}: {before} -> {}", self.name, change, place.offset, hex(code));
                return Mutant { file, disks, what };
            }
        }
        Mutant { file, disks, what: format!("{} {change:?}: no instruction for it", self.name) }
    }
}

impl Change {
    /// Changes an instruction. Returns false if it does not apply to this one, or has changed nothing.
    fn apply(self, code: &mut [u8], random: &mut Random) -> bool {
        let operands = operands_of(code);
        match self {
            Self::FlipBit => code[random.below(code.len())] ^= 1 << random.below(8),
            Self::Operand if operands < code.len() => {
                let at = operands + random.below(code.len() - operands);
                code[at] ^= 1 + random.below(255) as u8;
            }
            Self::Nop if code[0] != NOP => code.fill(NOP),
            Self::InvertBranch => match code {
                [0x70..=0x7f, _] | [0x0f, 0x80..=0x8f, ..] => code[operands - 1] ^= 1,
                _ => return false,
            },
            Self::RandomBytes => code.fill_with(|| random.below(256) as u8),
            Self::Operand | Self::Nop => return false,
        }
        true
    }
}

/// Returns where the bytes behind an instruction's prefixes and opcode begin (Intel SDM vol. 2 §2.1).
fn operands_of(code: &[u8]) -> usize {
    let is_prefix = |byte: &&u8| matches!(byte, 0x66 | 0xf0 | 0xf2 | 0xf3 | 0x2e | 0x3e | 0x65 | 0x40..=0x4f);
    let opcode = code.iter().take_while(is_prefix).count();
    opcode + if code.get(opcode) == Some(&0x0f) { 2 } else { 1 }
}

/// Returns the address and the length of the instruction that a line of `objdump` describes.
fn instruction(line: &str) -> Option<(u64, usize)> {
    let mut parts = line.split('\t');
    let address = u64::from_str_radix(parts.next()?.trim().strip_suffix(':')?, 16).ok()?;
    let length = parts.next()?.split_ascii_whitespace().count();
    parts.next().filter(|text| !text.contains("(bad)"))?;
    Some((address, length))
}

/// Returns what returns the place in the file of code at an address.
fn code_offsets(file: &[u8]) -> Result<impl Fn(u64) -> Option<usize> + use<>> {
    let elf = ElfBytes::<LittleEndian>::minimal_parse(file)?;
    let segments = elf.segments().context("the driver has no segments")?;
    let code: Vec<_> =
        segments.iter().filter(|part| part.p_type == PT_LOAD && part.p_flags & PF_X != 0).collect();
    Ok(move |address| {
        let part =
            code.iter().find(|part| (part.p_vaddr..part.p_vaddr + part.p_filesz).contains(&address))?;
        usize::try_from(address - part.p_vaddr + part.p_offset).ok()
    })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ")
}

/// Random numbers (splitmix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    /// Returns a number below `limit`.
    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_objdump_is_an_instruction() {
        assert_eq!(instruction("    1139:\t48 89 e5             \tmov    %rsp,%rbp"), Some((0x1139, 3)));
        assert_eq!(instruction("0000000000001000 <.text>:"), None);
        assert_eq!(instruction("    1139:\t06                   \t(bad)"), None);
    }

    #[test]
    fn operands_are_behind_prefixes_and_opcode() {
        assert_eq!(operands_of(&[0x48, 0x89, 0xe5]), 2);
        assert_eq!(operands_of(&[0x66, 0x0f, 0xaf, 0xc1]), 3);
        assert_eq!(operands_of(&[0x74, 0x10]), 1);
    }

    #[test]
    fn each_change_changes_one_instruction_and_its_number_repeats_it() {
        let instructions = [(0, 3), (3, 2), (5, 6), (11, 1)];
        let instructions: Vec<_> = instructions.map(|(offset, length)| Instruction { offset, length }).into();
        let file = vec![0x48, 0x89, 0xe5, 0x74, 0x10, 0x0f, 0x85, 1, 2, 3, 4, 0xc3];
        let original = Original { name: "a", disks: 0, file, instructions };
        let mut changes = 0;
        for number in 0..1000 {
            let (mutant, again) = (original.mutant(number), original.mutant(number));
            assert_eq!(mutant.file, again.file);
            let is_changed = |place: &&Instruction| {
                let range = place.offset..place.offset + place.length;
                mutant.file[range.clone()] != original.file[range]
            };
            let changed = original.instructions.iter().filter(is_changed).count();
            assert!(changed <= 1, "{}", mutant.what);
            changes += changed;
            if mutant.what.contains("InvertBranch") {
                assert!([(3, 0x75), (6, 0x84)].iter().any(|(at, byte)| mutant.file[*at] == *byte));
            }
        }
        assert!(changes > 990);
    }
}
