//! A buffer gets a second owner, by a copy.
#![forbid(unsafe_code)]
use driver_kit::dma::{Dma, InDevice};

fn copy<'d>(buffer: &Dma<'d, u64>) -> Dma<'d, u64> {
    *buffer
}

fn take_back_twice<'d>(buffer: InDevice<'d, u64>) -> [Dma<'d, u64>; 2] {
    [buffer.take_back(), buffer.take_back()]
}

fn main() {}
