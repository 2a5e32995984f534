//! The names of exceptions, and what the error code of a page fault says (Intel SDM vol. 3 §6.15, §4.7).

/// Returns what the log says about the access that faulted, by the error code.
#[must_use]
pub fn page_fault_words(error_code: u64) -> &'static str {
    if error_code & 1 << 5 != 0 {
        return ", which belongs to the kernel or to another driver";
    }
    match (error_code & 1 != 0, error_code & 2 != 0, error_code & 0x10 != 0) {
        (_, _, true) => ", which may not be executed",
        (true, true, _) => ", which may not be written",
        (true, false, _) => ", which may not be read",
        (false, true, _) => ", written where nothing is mapped",
        (false, false, _) => ", read where nothing is mapped",
    }
}

/// Returns the name of the exception with this vector.
#[must_use]
pub fn exception_name(vector: u64) -> &'static str {
    match vector {
        0 => "divide error",
        1 => "debug exception",
        2 => "non-maskable interrupt",
        3 => "breakpoint",
        4 => "overflow",
        5 => "bound range exceeded",
        6 => "invalid opcode",
        7 => "device not available",
        8 => "double fault",
        10 => "invalid TSS",
        11 => "segment not present",
        12 => "stack segment fault",
        13 => "general protection fault",
        14 => "page fault",
        16 => "x87 floating-point error",
        17 => "alignment check",
        18 => "machine check",
        19 => "SIMD floating-point exception",
        20 => "virtualization exception",
        21 => "control protection exception",
        28 => "hypervisor injection exception",
        29 => "VMM communication exception",
        30 => "security exception",
        _ => "reserved exception",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_page_fault_says_what_was_done() {
        for (code, words) in [
            (0, ", read where nothing is mapped"),
            (2, ", written where nothing is mapped"),
            (1, ", which may not be read"),
            (3, ", which may not be written"),
            (0x11, ", which may not be executed"),
            (0x23, ", which belongs to the kernel or to another driver"),
        ] {
            assert_eq!(page_fault_words(code), words);
        }
    }

    #[test]
    fn exceptions_have_their_names() {
        assert_eq!(exception_name(7), "device not available");
        assert_eq!(exception_name(18), "machine check");
        assert_eq!(exception_name(31), "reserved exception");
    }
}
