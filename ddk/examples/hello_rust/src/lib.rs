//! hello_rust: a driver in Rust. It logs the node that it runs on and the memory of each node.
#![no_std]

use core::ffi::c_int;
use core::fmt::{self, Write};
use core::panic::PanicInfo;

#[unsafe(no_mangle)]
extern "C" fn Driver_Init() -> c_int {
    // SAFETY: the function takes no arguments and may be called at any time.
    let nodes = unsafe { abi::Kernel_GetNumaNodeCount() };
    // SAFETY: the function takes no arguments and may be called at any time.
    let here = unsafe { abi::Kernel_GetCurrentNumaNode() };
    say(abi::KERNEL_LOG_INFO, format_args!("Hello from Rust on node {here} of {nodes}"));
    for node in 0..nodes {
        let mut info = abi::NumaNodeInfo::default();
        // SAFETY: `info` is a local variable that nothing else refers to during the call.
        if !unsafe { abi::Kernel_GetNumaNodeInfo(node, &mut info) } {
            return -1;
        }
        say(abi::KERNEL_LOG_INFO, format_args!("node {node}: {} MiB", info.MemorySize >> 20));
    }
    0
}

#[unsafe(no_mangle)]
extern "C" fn Driver_Exit() {}

/// Logs one line. Text that does not fit in the line's buffer is left out.
fn say(level: c_int, text: fmt::Arguments<'_>) {
    let mut line = Line { bytes: [0; 160], length: 0 };
    // `Line` never returns an error.
    let _ = line.write_fmt(text);
    // SAFETY: the first `length` bytes of the local buffer are the line's text, and nothing writes them during the call.
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

/// Stops the machine after a panic of the driver: nothing in the kernel can catch it.
#[panic_handler]
fn panic(panic: &PanicInfo<'_>) -> ! {
    say(abi::KERNEL_LOG_ERROR, format_args!("{panic}"));
    // SAFETY: `ud2` raises an invalid-opcode exception, which the kernel reports with its address. It does not return.
    unsafe { core::arch::asm!("ud2", options(noreturn)) }
}
