//! The messages by which devices interrupt CPUs (Intel SDM vol. 3 §11.11): a write of some data to an address of the local APICs.
use units::ApicId;

/// The address that all messages go to. Bits 12 to 19 have the id of the APIC.
const ADDRESS: u32 = 0xfee0_0000;
/// The id that means all CPUs. Devices cannot name APICs from here on without remapping.
const BROADCAST: u32 = 255;

/// Bits of the data: the interrupt is a non-maskable one, and has no vector.
const NON_MASKABLE: u32 = 0b100 << 8;

/// A message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct InterruptMessage {
    /// The address that the device writes to.
    pub address: u32,
    /// What the device writes: the vector, or that the interrupt is a non-maskable one. The message is edge-triggered.
    pub data: u32,
}

/// Returns the message that interrupts this CPU with this vector, or `None` if a message cannot name the CPU: its APIC's id has
/// more than 8 bits, or is that of all CPUs.
pub fn message_to(cpu: ApicId, vector: u8) -> Option<InterruptMessage> {
    (cpu.0 < BROADCAST).then_some(InterruptMessage { address: ADDRESS | cpu.0 << 12, data: vector.into() })
}

/// Returns the message that interrupts this CPU, and that it cannot mask. Returns `None` as [`message_to`] does.
pub fn non_maskable_message_to(cpu: ApicId) -> Option<InterruptMessage> {
    message_to(cpu, 0).map(|message| InterruptMessage { data: NON_MASKABLE, ..message })
}
