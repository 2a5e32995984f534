//! Which instructions use vector registers, of those that are invalid where the kernel does not keep these registers.

/// The bytes of an instruction that [`is_vector_instruction`] looks at.
pub const LONGEST: usize = 8;

/// Returns true if these are the first bytes of an instruction with a VEX or EVEX prefix that uses vector registers (Intel SDM vol. 2
/// §2.3, §2.7), or of one that saves or restores them.
///
/// Bit manipulation and compare-and-add have such prefixes, too, but use general registers only.
#[must_use]
pub fn is_vector_instruction(bytes: &[u8; LONGEST]) -> bool {
    // Prefixes of segments and of the address size may stand in front, and REX before an instruction without VEX.
    let start = bytes.iter().position(|byte| !matches!(byte, 0x26 | 0x2e | 0x36 | 0x3e | 0x64 | 0x65 | 0x67));
    match bytes[start.unwrap_or(LONGEST)..] {
        [0x62, ..] | [0xc5, ..] => true,
        [0xc4, map, _, opcode, ..] => {
            !matches!((map & 0x1f, opcode), (2, 0xe0..=0xef | 0xf2 | 0xf3 | 0xf5..=0xf7) | (3, 0xf0))
        }
        [0x48, 0x0f, opcode, operand, ..] | [0x0f, opcode, operand, ..] => saves_state(opcode, operand),
        _ => false,
    }
}

/// Returns true if the two-byte instruction is XSAVE, XRSTOR, XSAVEOPT, XSAVEC, XSAVES or XRSTORS to memory, XGETBV or XSETBV.
fn saves_state(opcode: u8, operand: u8) -> bool {
    let (is_memory, extension) = (operand < 0xc0, operand >> 3 & 7);
    match opcode {
        0xae => is_memory && (4..=6).contains(&extension),
        0xc7 => is_memory && (3..=5).contains(&extension),
        0x01 => matches!(operand, 0xd0 | 0xd1),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uses_vectors(start: &[u8]) -> bool {
        let mut bytes = [0x90; LONGEST];
        bytes[..start.len()].copy_from_slice(start);
        is_vector_instruction(&bytes)
    }

    #[test]
    fn instructions_of_the_vector_units_are_known() {
        // vxorps ymm0, ymm0, ymm0; vpbroadcastd ymm9, xmm9; vzeroupper; vpxord zmm0, zmm0, zmm0; with a prefix in front.
        assert!(uses_vectors(&[0xc5, 0xfc, 0x57, 0xc0]));
        assert!(uses_vectors(&[0xc4, 0x42, 0x7d, 0x58, 0xc9]));
        assert!(uses_vectors(&[0xc5, 0xf8, 0x77]));
        assert!(uses_vectors(&[0x62, 0xf1, 0x7d, 0x48, 0xef, 0xc0]));
        assert!(uses_vectors(&[0x65, 0x67, 0xc5, 0xf8, 0x28, 0x00]));
        // xsave [rdi]; xsave64 [rdi]; xsavec [rdi]; xgetbv.
        assert!(uses_vectors(&[0x0f, 0xae, 0x27]));
        assert!(uses_vectors(&[0x48, 0x0f, 0xae, 0x27]));
        assert!(uses_vectors(&[0x0f, 0xc7, 0x27]));
        assert!(uses_vectors(&[0x0f, 0x01, 0xd0]));
    }

    #[test]
    fn others_are_not() {
        // ud2; andn eax, ebx, ecx; mulx rax, rbx, rcx; rorx eax, ebx, 1; cmpxchg16b [rdi]; rdrand eax; mfence; nothing but prefixes.
        assert!(!uses_vectors(&[0x0f, 0x0b]));
        assert!(!uses_vectors(&[0xc4, 0xe2, 0x60, 0xf2, 0xc1]));
        assert!(!uses_vectors(&[0xc4, 0xe2, 0xe3, 0xf6, 0xc1]));
        assert!(!uses_vectors(&[0xc4, 0xe3, 0x7b, 0xf0, 0xc3, 1]));
        assert!(!uses_vectors(&[0x48, 0x0f, 0xc7, 0x0f]));
        assert!(!uses_vectors(&[0x0f, 0xc7, 0xf0]));
        assert!(!uses_vectors(&[0x0f, 0xae, 0xf0]));
        assert!(!uses_vectors(&[0x2e; LONGEST]));
    }
}
