//! The driver writes a buffer that it has handed over.
#![forbid(unsafe_code)]
use driver_kit::dma::{Dma, InDevice};

fn write<'d>(mut buffer: Dma<'d, [u8; 512]>) -> InDevice<'d, [u8; 512]> {
    let in_device = buffer.hand_over();
    buffer[0] = 2;
    in_device
}

fn main() {}
