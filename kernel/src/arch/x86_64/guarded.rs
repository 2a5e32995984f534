//! Guarded access: instructions that read and write memory which may not be mapped.
//!
//! Each access is one instruction. If it raises a page fault or a general protection fault, the CPU continues at the access's
//! fixup, which puts a value that the caller chose into the result. The section `guarded_access` lists the instructions and
//! their fixups. A comparison jumps instead where it jumps if it fails. So an access that succeeds costs no more than any other.
//!
//! The accesses are relaxed atomic ones: other CPUs may access the same memory at the same time.
use super::interrupts::Frame;
use core::arch::asm;
use core::mem::MaybeUninit;

const STACK_FAULT: u32 = 12;
const GENERAL_PROTECTION: u32 = 13;
const PAGE_FAULT: u32 = 14;

/// An instruction that may fault, and where the CPU continues if it does. Both are distances from the field itself.
#[repr(C)]
struct GuardedAccess {
    instruction: i32,
    fixup: i32,
}

unsafe extern "C" {
    #[link_name = "__start_guarded_access"]
    static START: GuardedAccess;
    #[link_name = "__stop_guarded_access"]
    static END: GuardedAccess;
}

/// Makes the CPU continue at a fixup if the exception was raised by a guarded access. Returns true if it was.
pub fn continue_at_fixup(frame: &mut Frame) -> bool {
    if !matches!(frame.vector, STACK_FAULT | GENERAL_PROTECTION | PAGE_FAULT) {
        return false;
    }
    let mut entry = &raw const START;
    while entry < &raw const END {
        // SAFETY: the linker lists the entries from `START` to `END`, in memory that is never written.
        let GuardedAccess { instruction, fixup } = unsafe { &*entry };
        if at_distance(instruction) == frame.instruction_pointer {
            frame.instruction_pointer = at_distance(fixup);
            return true;
        }
        entry = entry.wrapping_add(1);
    }
    false
}

fn at_distance(field: &'static i32) -> u64 {
    (core::ptr::from_ref(field) as u64).wrapping_add_signed(i64::from(*field))
}

/// Joins the lines of an access: the instruction, and what its fixup does before the CPU continues behind the instruction.
macro_rules! guarded {
    ($access:literal, $fixup:literal) => {
        concat!(
            "2:\n",
            $access,
            "\n3:\n",
            ".pushsection .text.guarded_fixup, \"ax\", @progbits\n4:\n",
            $fixup,
            "\njmp 3b\n.popsection\n",
            ".pushsection guarded_access, \"aR\", @progbits\n.balign 4\n.long 2b - ., 4b - .\n.popsection",
        )
    };
}

/// Reads the 8 bytes that are `OFFSET` bytes behind `address`. Returns `ELSE` if they cannot be read.
#[inline(always)]
pub fn read_u64<const OFFSET: usize, const ELSE: i32>(address: usize) -> u64 {
    let value;
    // SAFETY: the block only reads, and the CPU continues behind it if the memory cannot be read.
    unsafe {
        asm!(guarded!("mov {value}, [{address} + {offset}]", "mov {value}, {default}"), address = in(reg) address,
            value = lateout(reg) value, offset = const OFFSET, default = const ELSE,
            options(nostack, preserves_flags, readonly))
    };
    value
}

/// Reads the element with this index of an array of 8 bytes each. Returns `ELSE` if it cannot be read.
#[inline(always)]
pub fn read_element_u64<const ELSE: i32>(array: usize, index: usize) -> u64 {
    let value;
    // SAFETY: the block only reads, and the CPU continues behind it if the memory cannot be read.
    unsafe {
        asm!(guarded!("mov {value}, [{array} + 8 * {index}]", "mov {value}, {default}"), array = in(reg) array,
            index = in(reg) index, value = lateout(reg) value, default = const ELSE,
            options(nostack, preserves_flags, readonly))
    };
    value
}

/// Reads the 4 bytes that are `OFFSET` bytes behind `address`, as a number of 64 bits: that is what a load of 32 bits leaves in a
/// register. Returns `ELSE` if they cannot be read.
#[inline(always)]
pub fn read_u32_widened<const OFFSET: usize, const ELSE: u32>(address: usize) -> u64 {
    let value;
    // SAFETY: the block only reads, and the CPU continues behind it if the memory cannot be read.
    unsafe {
        asm!(guarded!("mov {value:e}, [{address} + {offset}]", "mov {value:e}, {default}"), address = in(reg) address,
            value = lateout(reg) value, offset = const OFFSET, default = const ELSE,
            options(nostack, preserves_flags, readonly))
    };
    value
}

/// Reads the 4 bytes that are `OFFSET` bytes behind `address`. Returns `ELSE` if they cannot be read.
#[inline(always)]
pub fn read_u32<const OFFSET: usize, const ELSE: i32>(address: usize) -> u32 {
    let value;
    // SAFETY: the block only reads, and the CPU continues behind it if the memory cannot be read.
    unsafe {
        asm!(guarded!("mov {value:e}, [{address} + {offset}]", "mov {value:e}, {default}"), address = in(reg) address,
            value = lateout(reg) value, offset = const OFFSET, default = const ELSE,
            options(nostack, preserves_flags, readonly))
    };
    value
}

/// Reads the 4 bytes at `address`. Returns `None` if they cannot be read. What follows in the program reads later.
#[inline(always)]
pub fn load_u32(address: usize) -> Option<u32> {
    let value: u64;
    // SAFETY: the block only reads, and the CPU continues behind it if the memory cannot be read.
    unsafe {
        asm!(guarded!("mov {value:e}, [{address}]", "mov {value}, -1"), address = in(reg) address, value = lateout(reg) value,
            options(nostack, preserves_flags))
    };
    u32::try_from(value).ok()
}

/// Reads the 8 bytes at `address`. Returns `None` if they cannot be read.
#[inline(always)]
pub fn load_u64(address: usize) -> Option<u64> {
    let (mut value, mut is_missing) = (0u64, 0u32);
    // SAFETY: the block only reads, and the CPU continues behind it if the memory cannot be read.
    unsafe {
        asm!(guarded!("mov {value}, [{address}]", "mov {is_missing:e}, 1"), address = in(reg) address,
            value = inout(reg) value, is_missing = inout(reg) is_missing, options(nostack, preserves_flags, readonly))
    };
    (is_missing == 0).then_some(value)
}

/// Joins the lines of a comparison and a jump, which needs no register for what is read. If it cannot be read, the CPU jumps, too.
macro_rules! guarded_jump {
    ($comparison:literal, $jump:literal) => {
        concat!(
            "2:\n",
            $comparison,
            "\n",
            $jump,
            " {jump}\n",
            ".pushsection guarded_access, \"aR\", @progbits\n.balign 4\n.long 2b - ., {jump} - .\n.popsection",
        )
    };
}

/// Returns true if the 8 bytes that are `OFFSET` bytes behind `address` are not `value`, or cannot be read.
#[inline(always)]
pub fn differs_u64<const OFFSET: usize>(address: usize, value: u64) -> bool {
    // SAFETY: the block only reads, and the CPU jumps to the label if the memory cannot be read.
    unsafe {
        asm!(guarded_jump!("cmp [{address} + {offset}], {value}", "jne"), address = in(reg) address, value = in(reg) value,
            jump = label { return true }, offset = const OFFSET, options(nostack, readonly))
    };
    false
}

/// Returns true if the 8 bytes that are `OFFSET` bytes behind `address` are `value`; false also if they cannot be read. This is for code
/// that jumps if they are, as at the end of a loop.
#[inline(always)]
pub fn equals_u64<const OFFSET: usize>(address: usize, value: u64) -> bool {
    // SAFETY: the block only reads, and the CPU continues behind it if the memory cannot be read.
    unsafe {
        asm!(
            "2:",
            "cmp [{address} + {offset}], {value}",
            "je {jump}",
            "3:",
            ".pushsection guarded_access, \"aR\", @progbits",
            ".balign 4",
            ".long 2b - ., 3b - .",
            ".popsection",
            address = in(reg) address, value = in(reg) value, jump = label { return true }, offset = const OFFSET,
            options(nostack, readonly)
        )
    };
    false
}

/// Returns true if the 8 bytes that are `OFFSET` bytes behind `address` are more than `most`, or cannot be read.
#[inline(always)]
pub fn exceeds_u64<const OFFSET: usize>(address: usize, most: u64) -> bool {
    // SAFETY: the block only reads, and the CPU jumps to the label if the memory cannot be read.
    unsafe {
        asm!(guarded_jump!("cmp [{address} + {offset}], {most}", "ja"), address = in(reg) address, most = in(reg) most,
            jump = label { return true }, offset = const OFFSET, options(nostack, readonly))
    };
    false
}

/// Returns true if the 4 bytes that are `OFFSET` bytes behind `address` are not `value`, or cannot be read.
#[inline(always)]
pub fn differs_u32<const OFFSET: usize>(address: usize, value: u32) -> bool {
    // SAFETY: the block only reads, and the CPU jumps to the label if the memory cannot be read.
    unsafe {
        asm!(guarded_jump!("cmp [{address} + {offset}], {value:e}", "jne"), address = in(reg) address, value = in(reg) value,
            jump = label { return true }, offset = const OFFSET, options(nostack, readonly))
    };
    false
}

/// Returns true if the 4 bytes that are `OFFSET` bytes behind `address` are not `VALUE`, or cannot be read.
#[inline(always)]
pub fn differs_u32_const<const OFFSET: usize, const VALUE: i32>(address: usize) -> bool {
    // SAFETY: the block only reads, and the CPU jumps to the label if the memory cannot be read.
    unsafe {
        asm!(guarded_jump!("cmp dword ptr [{address} + {offset}], {value}", "jne"), address = in(reg) address,
            value = const VALUE, jump = label { return true }, offset = const OFFSET, options(nostack, readonly))
    };
    false
}

/// Returns true if the 8 bytes that are `OFFSET` bytes behind `address` are not `VALUE`, or cannot be read.
#[inline(always)]
pub fn differs_u64_const<const OFFSET: usize, const VALUE: i32>(address: usize) -> bool {
    // SAFETY: the block only reads, and the CPU jumps to the label if the memory cannot be read.
    unsafe {
        asm!(guarded_jump!("cmp qword ptr [{address} + {offset}], {value}", "jne"), address = in(reg) address,
            value = const VALUE, jump = label { return true }, offset = const OFFSET, options(nostack, readonly))
    };
    false
}

/// Returns true if one of the three numbers of 8 bytes that begin `OFFSET` bytes behind `address` is not 0, or cannot be read.
#[inline(always)]
pub fn is_any_of_three_set<const OFFSET: usize>(address: usize) -> bool {
    // SAFETY: the block only reads, and the CPU jumps to the label if the memory cannot be read.
    unsafe {
        asm!(
            "2:",
            "mov {value}, [{address} + {offset}]",
            "3:",
            "or {value}, [{address} + {offset} + 8]",
            "4:",
            "or {value}, [{address} + {offset} + 16]",
            "jnz {jump}",
            ".pushsection guarded_access, \"aR\", @progbits",
            ".balign 4",
            ".long 2b - ., {jump} - .",
            ".long 3b - ., {jump} - .",
            ".long 4b - ., {jump} - .",
            ".popsection",
            address = in(reg) address, value = out(reg) _, jump = label { return true }, offset = const OFFSET,
            options(nostack, readonly)
        )
    };
    false
}

/// Returns true if one of the bits `BITS` is set in the 4 bytes that are `OFFSET` bytes behind `address`, or if they cannot be read.
#[inline(always)]
pub fn has_bits_u32<const OFFSET: usize, const BITS: u32>(address: usize) -> bool {
    // SAFETY: the block only reads, and the CPU jumps to the label if the memory cannot be read.
    unsafe {
        asm!(guarded_jump!("test dword ptr [{address} + {offset}], {bits}", "jnz"), address = in(reg) address,
            bits = const BITS, jump = label { return true }, offset = const OFFSET, options(nostack, readonly))
    };
    false
}

/// Writes the 4 bytes that are `OFFSET` bytes behind `address`. Does nothing if they cannot be written.
///
/// # Safety
/// If the memory is mapped and writable, writing it breaks nothing that the caller does not vouch for.
#[inline(always)]
pub unsafe fn write_u32<const OFFSET: usize>(address: usize, value: u32) {
    // SAFETY: `# Safety`; the CPU continues behind the block if the memory cannot be written.
    unsafe {
        asm!(guarded!("mov [{address} + {offset}], {value:e}", ""), address = in(reg) address, value = in(reg) value,
            offset = const OFFSET, options(nostack, preserves_flags))
    };
}

/// Writes `VALUE` to the 4 bytes that are `OFFSET` bytes behind `address`. Does nothing if they cannot be written.
///
/// # Safety
/// As for [`write_u32`].
#[inline(always)]
pub unsafe fn write_u32_const<const OFFSET: usize, const VALUE: i32>(address: usize) {
    // SAFETY: `# Safety`; the CPU continues behind the block if the memory cannot be written.
    unsafe {
        asm!(guarded!("mov dword ptr [{address} + {offset}], {value}", ""), address = in(reg) address,
            value = const VALUE, offset = const OFFSET, options(nostack, preserves_flags))
    };
}

/// Writes the 4 bytes that are `OFFSET` bytes behind `address` as they are. Returns false if they cannot be written. Other CPUs do not write
/// them at the same time.
///
/// # Safety
/// As for [`write_u32`].
#[inline(always)]
pub unsafe fn can_write_u32<const OFFSET: usize>(address: usize) -> bool {
    // SAFETY: `# Safety`; the CPU jumps to the label if the memory cannot be written.
    unsafe {
        asm!(
            "2:",
            "or dword ptr [{address} + {offset}], 0",
            ".pushsection guarded_access, \"aR\", @progbits",
            ".balign 4",
            ".long 2b - ., {jump} - .",
            ".popsection",
            address = in(reg) address, jump = label { return false }, offset = const OFFSET, options(nostack)
        )
    };
    true
}

/// Replaces the 4 bytes that are `OFFSET` bytes behind `address` by `new` if they are `old`, atomically. Returns true if it did;
/// false also if they cannot be written.
///
/// # Safety
/// As for [`write_u32`].
#[inline]
pub unsafe fn compare_exchange_u32<const OFFSET: usize>(address: usize, old: u32, new: u32) -> bool {
    let found: u32;
    // SAFETY: `# Safety`; the CPU continues behind the block if the memory cannot be written.
    unsafe {
        asm!(guarded!("lock cmpxchg [{address} + {offset}], {new:e}", "mov eax, {old:e}\nnot eax"),
            address = in(reg) address, old = in(reg) old, new = in(reg) new, inout("eax") old => found,
            offset = const OFFSET, options(nostack))
    };
    found == old
}

/// Subtracts 1 from the 4 bytes at `address`, atomically. Returns true if they are 0 then; false also if they cannot be written.
///
/// # Safety
/// As for [`write_u32`].
#[inline(always)]
pub unsafe fn is_zero_after_decrement_u32(address: usize) -> bool {
    // SAFETY: `# Safety`; the CPU continues behind the block if the memory cannot be written.
    unsafe {
        asm!(
            "2:",
            "lock dec dword ptr [{address}]",
            "jz {zero}",
            "3:",
            ".pushsection guarded_access, \"aR\", @progbits",
            ".balign 4",
            ".long 2b - ., 3b - .",
            ".popsection",
            address = in(reg) address, zero = label { return true }, options(nostack)
        )
    };
    false
}

/// Reads a byte. Returns `None` if it cannot be read.
#[inline]
pub fn read_u8(address: usize) -> Option<u8> {
    let value: u32;
    // SAFETY: the block only reads, and the CPU continues behind it if the memory cannot be read.
    unsafe {
        asm!(guarded!("movzx {value:e}, byte ptr [{address}]", "mov {value:e}, 256"), address = in(reg) address,
            value = lateout(reg) value, options(nostack, preserves_flags, readonly))
    };
    u8::try_from(value).ok()
}

/// Writes the 8 bytes at `address`, which may be the padding of a structure. Does nothing if they cannot be written.
///
/// # Safety
/// As for [`write_u32`].
#[inline(always)]
pub unsafe fn write_8_bytes(address: usize, value: MaybeUninit<u64>) {
    // SAFETY: `# Safety`; the CPU continues behind the block if the memory cannot be written.
    unsafe {
        asm!(guarded!("mov [{address}], {value}", ""), address = in(reg) address, value = in(reg) value,
            options(nostack, preserves_flags))
    };
}

/// Writes the 4 bytes at `address`, as [`write_8_bytes`] does.
///
/// # Safety
/// As for [`write_u32`].
#[inline(always)]
pub unsafe fn write_4_bytes(address: usize, value: MaybeUninit<u32>) {
    // SAFETY: `# Safety`; the CPU continues behind the block if the memory cannot be written.
    unsafe {
        asm!(guarded!("mov [{address}], {value:e}", ""), address = in(reg) address, value = in(reg) value,
            options(nostack, preserves_flags))
    };
}

/// Writes the byte at `address`, as [`write_8_bytes`] does.
///
/// # Safety
/// As for [`write_u32`].
#[inline(always)]
pub unsafe fn write_byte(address: usize, value: MaybeUninit<u8>) {
    // SAFETY: `# Safety`; the CPU continues behind the block if the memory cannot be written.
    unsafe {
        asm!(guarded!("mov [{address}], {value}", ""), address = in(reg) address, value = in(reg_byte) value,
            options(nostack, preserves_flags))
    };
}

/// Copies bytes from `from` to `to`. What lies behind the first one that cannot be read is not copied.
///
/// # Safety
/// `length` bytes may be written at `to`.
#[inline]
pub unsafe fn copy_from(from: usize, to: *mut u8, length: usize) {
    // SAFETY: `# Safety`; the CPU continues behind the block if the memory cannot be read.
    unsafe {
        asm!(guarded!("rep movsb", ""), inout("rsi") from => _, inout("rdi") to => _, inout("rcx") length => _,
            options(nostack, preserves_flags))
    };
}
