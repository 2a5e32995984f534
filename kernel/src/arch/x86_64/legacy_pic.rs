//! The pair of 8259 interrupt controllers of the first PCs, which must be silenced: firmware leaves them sending the timer
//! to the vector of the double fault.
use ::x86_64::instructions::port::Port;

/// Where their vectors are moved, away from the exceptions: a spurious interrupt cannot be masked.
const FIRST_VECTOR: u8 = 0x20;

/// Moves the controllers' vectors away from the exceptions and masks all their lines (Intel 8259A, initialization words).
pub fn silence() {
    let [mut command_1, mut data_1, mut command_2, mut data_2] =
        [0x20, 0x21, 0xa0, 0xa1].map(Port::<u8>::new);
    // SAFETY: these are the controllers' ports, which nobody else uses; on a machine without them nothing answers.
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
