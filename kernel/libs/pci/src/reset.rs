//! Resets one function (function-level reset, PCI Express 6.0 §6.6.2).
use crate::capability::id;
use crate::command;
use crate::{ConfigPart, ConfigSpace, Function, is_present};

/// How long a function may take to finish what it has begun, before the reset (PCI Express 6.0 §6.6.2, as most drivers wait).
const PENDING_MS: u32 = 100;
/// How long nothing accesses a function after the reset has begun.
const RESET_MS: u32 = 100;
/// How long a function may then take until it answers.
const READY_MS: u32 = 1000;
/// Between two looks.
const STEP_MS: u32 = 10;

/// Why a function was not reset.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ResetError {
    /// It has no such reset. Nothing was changed.
    Unsupported,
    /// It does not answer after the reset.
    NotReady,
}

/// Where a function is reset.
#[derive(Clone, Copy)]
struct Switch {
    /// The control, and what begins the reset there.
    control: ConfigPart,
    begin: u32,
    /// The status, and its bit that something is pending.
    status: ConfigPart,
    pending: u32,
}

/// A register that a reset clears, with its value.
#[derive(Clone, Copy)]
struct Saved {
    part: ConfigPart,
    value: u32,
}

/// The parts of the header that a reset clears: cache line size and latency, the six BARs, the ROM's BAR, the interrupt line.
const HEADER: [ConfigPart; 9] = [
    ConfigPart::word(0x0c),
    ConfigPart::register(0x10),
    ConfigPart::register(0x14),
    ConfigPart::register(0x18),
    ConfigPart::register(0x1c),
    ConfigPart::register(0x20),
    ConfigPart::register(0x24),
    ConfigPart::register(0x30),
    ConfigPart::word(0x3c),
];

/// Resets a device's function. Afterwards it decodes nothing, masters no bus, and raises no interrupt pin; its BARs have the addresses that
/// they had, and its PCI Express control registers their values. `wait_ms` waits for so many milliseconds.
///
/// # Errors
/// [`ResetError`].
pub fn reset(
    config: &impl ConfigSpace,
    function: &Function,
    wait_ms: &mut dyn FnMut(u32),
) -> Result<(), ResetError> {
    let at = function.address;
    let switch = find(config, function).ok_or(ResetError::Unsupported)?;
    let express = function.express.map(|express| express.offset);
    let controls = express.map(|offset| {
        // The second control register is there from version 2 of the capability on.
        let has_second = config.read(at, offset) >> 16 & 0xf >= 2 && offset <= 0x100 - 0x2c;
        [Some(offset + 8), has_second.then_some(offset + 0x28)].map(|offset| offset.map(ConfigPart::word))
    });
    let parts = HEADER.into_iter().chain(controls.into_iter().flatten().flatten());
    let mut saved = [None; HEADER.len() + 2];
    for (saved, part) in saved.iter_mut().zip(parts) {
        *saved = Some(Saved { part, value: config.read_part(at, part) });
    }
    let idle = || command::change(config, at, u16::MAX, command::NO_PIN).ok_or(ResetError::NotReady);
    idle()?;
    for _ in 0..PENDING_MS / STEP_MS {
        if config.read_part(at, switch.status) & switch.pending == 0 {
            break;
        }
        wait_ms(STEP_MS);
    }
    config.write_part(at, switch.control, config.read_part(at, switch.control) | switch.begin);
    wait_ms(RESET_MS);
    let mut waited = 0;
    while !is_ready(config, function) {
        if waited >= READY_MS {
            return Err(ResetError::NotReady);
        }
        wait_ms(STEP_MS);
        waited += STEP_MS;
    }
    // The function decodes nothing yet, so its BARs may change.
    idle()?;
    for Saved { part, value } in saved.into_iter().flatten() {
        config.write_part(at, part, value);
    }
    Ok(())
}

/// Returns true if the function answers with its ids again.
fn is_ready(config: &impl ConfigSpace, function: &Function) -> bool {
    let ids = config.read(function.address, 0);
    is_present(ids) && ids == u32::from(function.device) << 16 | u32::from(function.vendor)
}

fn find(config: &impl ConfigSpace, function: &Function) -> Option<Switch> {
    let at = function.address;
    if let Some(express) = function.express {
        let offset = express.offset;
        let can_reset = offset <= 0x100 - 0xc && config.read(at, offset + 4) & 1 << 28 != 0;
        return can_reset.then_some(Switch {
            control: ConfigPart::word(offset + 8),
            begin: 1 << 15,
            status: ConfigPart::word(offset + 10),
            pending: 1 << 5,
        });
    }
    let mut capabilities = function.capabilities(config)?.flatten();
    let advanced = capabilities.find(|capability| capability.id == id::ADVANCED)?;
    // Bit 24: the status is there. Bit 25: the reset is there.
    let can_reset = advanced.offset <= 0x100 - 8 && advanced.register >> 24 & 0b11 == 0b11;
    can_reset.then_some(Switch {
        control: ConfigPart::byte(advanced.offset + 4),
        begin: 1,
        status: ConfigPart::byte(advanced.offset + 5),
        pending: 1,
    })
}
