//! A driver that forbids unsafe code has some.
#![forbid(unsafe_code)]

driver_kit::dma_struct! {
    pub struct Element { pub address: u64 }
}

fn write(address: usize) {
    unsafe { (address as *mut u32).write_volatile(1) }
}

fn main() {}
