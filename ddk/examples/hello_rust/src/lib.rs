//! hello_rust: a driver in Rust. It says where it runs and what memory each node has.
#![no_std]

use core::ffi::c_int;
use core::fmt::{self, Write};
use core::panic::PanicInfo;

#[unsafe(no_mangle)]
extern "C" fn Driver_Init() -> c_int {
    // SAFETY: this function has no conditions.
    let nodes = unsafe { abi::Kernel_GetNumaNodeCount() };
    // SAFETY: likewise.
    let here = unsafe { abi::Kernel_GetCurrentNumaNode() };
    say(abi::KERNEL_LOG_INFO, format_args!("Hello from Rust on node {here} of {nodes}"));
    for node in 0..nodes {
        let mut info = abi::NumaNodeInfo::default();
        // SAFETY: the structure is ours, and the kernel only fills it.
        if !unsafe { abi::Kernel_GetNumaNodeInfo(node, &mut info) } {
            return -1;
        }
        say(abi::KERNEL_LOG_INFO, format_args!("node {node}: {} MiB", info.MemorySize >> 20));
    }
    0
}

#[unsafe(no_mangle)]
extern "C" fn Driver_Exit() {}

/// Logs one line, of which as much is kept as fits.
fn say(level: c_int, text: fmt::Arguments<'_>) {
    let mut line = Line { bytes: [0; 160], length: 0 };
    // What does not fit is left out.
    let _ = line.write_fmt(text);
    // SAFETY: the bytes are there, as many as are said.
    unsafe { abi::Kernel_Log(level, line.bytes.as_ptr().cast(), line.length) };
}

struct Line {
    bytes: [u8; 160],
    length: usize,
}

impl Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = self.bytes.len() - self.length;
        let text = &text[..text.floor_char_boundary(room)];
        self.bytes[self.length..][..text.len()].copy_from_slice(text.as_bytes());
        self.length += text.len();
        Ok(())
    }
}

/// A driver that panics stops the machine: there is nobody to catch it.
#[panic_handler]
fn panic(panic: &PanicInfo<'_>) -> ! {
    say(abi::KERNEL_LOG_ERROR, format_args!("{panic}"));
    // SAFETY: an instruction that no CPU has faults, and the kernel reports where.
    unsafe { core::arch::asm!("ud2", options(noreturn)) }
}
