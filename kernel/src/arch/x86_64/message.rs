//! The messages by which devices interrupt CPUs (Intel SDM vol. 3 §11.11): a write of some data to an address of the local APICs.
use units::ApicId;

/// The address that all messages go to. Bits 12 to 19 have the id of the APIC.
const ADDRESS: u32 = 0xfee0_0000;
/// The id that means all CPUs. Devices cannot name APICs from here on without remapping.
const BROADCAST: u32 = 255;

/// A message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct InterruptMessage {
    /// The address that the device writes to.
    pub address: u32,
    /// What the device writes: the vector. The message is fixed and edge-triggered.
    pub data: u32,
}

/// Returns the message that interrupts this CPU with this vector, or `None` if a message cannot name the CPU: its APIC's id has
/// more than 8 bits, or is that of all CPUs.
pub fn message_to(cpu: ApicId, vector: u8) -> Option<InterruptMessage> {
    (cpu.0 < BROADCAST).then_some(InterruptMessage { address: ADDRESS | cpu.0 << 12, data: vector.into() })
}
