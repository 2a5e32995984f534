//! The two legacy interrupt controllers (Intel 8259A), which the kernel does not use. It must mask them: firmware leaves them so
//! that the timer interrupts with the vector of the double fault.
use ::x86_64::instructions::port::Port;

/// The first of the controllers' vectors. It is above the exceptions, because a spurious interrupt cannot be masked.
const FIRST_VECTOR: u8 = 0x20;

/// Moves the controllers' vectors above the exceptions and masks all their lines (Intel 8259A, initialization words).
pub fn silence() {
    let [mut command_1, mut data_1, mut command_2, mut data_2] =
        [0x20, 0x21, 0xa0, 0xa1].map(Port::<u8>::new);
    // SAFETY: these ports belong to the controllers, and only this function uses them. On a machine without the controllers,
    // the writes have no effect.
    unsafe {
        command_1.write(0x11);
        command_2.write(0x11);
        data_1.write(FIRST_VECTOR);
        data_2.write(FIRST_VECTOR + 8);
        data_1.write(4);
        data_2.write(2);
        data_1.write(1);
        data_2.write(1);
        data_1.write(0xff);
        data_2.write(0xff);
    }
}
