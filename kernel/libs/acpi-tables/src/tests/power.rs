//! Tests of the registers that switch the machine off and reset it.
use alloc::vec::Vec;
use proptest::prelude::*;
use units::PhysAddr;

use super::with_findings;
use crate::builder::long_fadt;
use crate::{PowerRegisters, ResetPlace, ResetRegister, find_power_registers};

fn registers(table: &[u8]) -> PowerRegisters {
    let (registers, reported) = with_findings(|findings| find_power_registers([table], findings));
    assert_eq!(reported, []);
    registers
}

/// Returns a generic address of 8 bits.
fn place(space: u8, address: u64) -> Vec<u8> {
    [&[space, 8, 0, 1][..], &address.to_le_bytes()].concat()
}

/// Flags that say that there is a reset register.
const HAS_RESET: (usize, &[u8]) = (113, &[1 << 2]);

#[test]
fn the_control_registers_are_read_with_the_way_to_get_them() {
    // As on QEMU's q35.
    let table = long_fadt(&[(48, &[0xb2, 0, 0, 0, 2, 3]), (64, &[0x04, 0x06, 0, 0]), (89, &[2])]);
    let expected = PowerRegisters { control: [Some(0x604), None], enable: Some((0xb2, 2)), reset: None };
    assert_eq!(registers(&table), expected);
    // Without a command port they are the operating system's. A second register is read, and the extended fields come first.
    let table = long_fadt(&[
        (64, &[0x04, 0x06, 0, 0, 0x04, 0x07]),
        (89, &[2]),
        (172, &place(1, 0x1804)),
        (184, &place(1, 0)),
    ]);
    let expected = PowerRegisters { control: [Some(0x1804), Some(0x704)], enable: None, reset: None };
    assert_eq!(registers(&table), expected);
}

#[test]
fn a_machine_without_the_registers_has_none() {
    let port: &[u8] = &[0x04, 0x06];
    let without_length = long_fadt(&[(64, port)]);
    let in_memory = long_fadt(&[(64, port), (89, &[2]), (172, &place(0, 0x1804))]);
    let beyond_ports = long_fadt(&[(64, &[0, 0, 1, 0]), (89, &[2])]);
    let reduced = long_fadt(&[(64, port), (89, &[2]), (114, &[1 << 4])]);
    for table in [without_length, in_memory, beyond_ports, reduced] {
        assert_eq!(registers(&table), PowerRegisters::default());
    }
    let (found, _) = with_findings(|findings| find_power_registers([], findings));
    assert_eq!(found, PowerRegisters::default());
}

#[test]
fn the_reset_register_is_a_port_memory_or_configuration_space() {
    let reset = |space, address| {
        registers(&long_fadt(&[HAS_RESET, (116, &place(space, address)), (128, &[0xf])])).reset
    };
    let at = |place| Some(ResetRegister { place, value: 0xf });
    assert_eq!(reset(1, 0xcf9), at(ResetPlace::Port(0xcf9)));
    assert_eq!(reset(0, 0xfed0_0000), at(ResetPlace::Memory(PhysAddr(0xfed0_0000))));
    assert_eq!(reset(2, 0x1f_0003_0044), at(ResetPlace::Config(0x1f, 3, 0x44)));
    for (space, address) in
        [(1, 0), (1, 0x1_0000), (0, 0), (2, 0x20_0000_0044), (2, 0x8_0044), (2, 0x100), (3, 1)]
    {
        assert_eq!(reset(space, address), None, "{space} {address:#x}");
    }
    // The flag decides, not the fields.
    let without_flag = long_fadt(&[(116, &place(1, 0xcf9)), (128, &[0xf])]);
    assert_eq!(registers(&without_flag).reset, None);
}

proptest! {
    #[test]
    fn any_fadt_is_read_without_a_panic(bytes: Vec<u8>) {
        let mut table = b"FACP".to_vec();
        table.extend((8 + bytes.len() as u32).to_le_bytes());
        table.extend(bytes);
        let (found, _) = with_findings(|findings| find_power_registers([&table[..]], findings));
        prop_assert!(found.control.iter().flatten().all(|port| *port != 0));
    }
}
