//! What holds of tables.
use super::*;
use proptest::prelude::*;
use std::vec::Vec;

/// Returns an element of this size for a vendor.
fn element(size: u32, vendor: u16) -> Vec<u8> {
    let mut bytes = std::vec![0; size.max(24) as usize];
    bytes[..4].copy_from_slice(&size.to_le_bytes());
    bytes[8..10].copy_from_slice(&vendor.to_le_bytes());
    bytes[10..16].fill(0xff);
    bytes[16..20].copy_from_slice(&0x01_08_02_u32.to_le_bytes());
    bytes[20..24].copy_from_slice(&0xff_ff_00_u32.to_le_bytes());
    bytes
}

fn end() -> Vec<u8> {
    std::vec![0; 4]
}

#[test]
fn a_table_gives_its_elements_whatever_lies_behind_it() {
    for size in [24, 32] {
        let bytes = [element(size, 0x1b36), element(size, 0xffff), end(), std::vec![0xaa; 9]].concat();
        let found: Vec<FunctionMatch> = DeviceTable::read(&bytes).unwrap().matches().collect();
        let any = FunctionMatch { class: 0x01_08_02, class_mask: 0xff_ff_00, ..FunctionMatch::default() };
        assert_eq!(found, [FunctionMatch { vendor: Some(0x1b36), ..any }, any], "{size}");
    }
    assert_eq!(DeviceTable::read(&end()).unwrap().matches().count(), 0);
}

#[test]
fn a_table_without_an_end_is_refused() {
    for bytes in [
        Vec::new(),
        element(24, 1),
        [element(24, 1), std::vec![0; 3]].concat(),
        element(24, 1)[..20].to_vec(),
    ] {
        assert_eq!(DeviceTable::read(&bytes), Err(TableError::NoEnd));
    }
    let long: Vec<u8> = (0..=MOST).flat_map(|_| element(24, 1)).chain(end()).collect();
    assert_eq!(DeviceTable::read(&long), Err(TableError::TooLong));
    let fits: Vec<u8> = (0..MOST).flat_map(|_| element(24, 1)).chain(end()).collect();
    assert_eq!(DeviceTable::read(&fits).unwrap().matches().count(), MOST);
}

#[test]
fn elements_of_impossible_sizes_are_refused() {
    for size in [1, 20, 26] {
        let bytes = [element(size, 1), end()].concat();
        assert_eq!(DeviceTable::read(&bytes), Err(TableError::Size { index: 0, size }));
    }
    let mixed = [element(24, 1), element(32, 1), end()].concat();
    assert_eq!(DeviceTable::read(&mixed), Err(TableError::Size { index: 1, size: 32 }));
    let huge = [element(24, 1), u32::MAX.to_le_bytes().to_vec()].concat();
    assert_eq!(DeviceTable::read(&huge), Err(TableError::Size { index: 1, size: u32::MAX }));
}

#[test]
fn flags_and_tails_are_zero() {
    let mut flags = [element(24, 1), element(24, 1), end()].concat();
    flags[28] = 1;
    assert_eq!(DeviceTable::read(&flags), Err(TableError::NotZero { index: 1 }));
    let mut tail = [element(28, 1), end()].concat();
    tail[27] = 1;
    assert_eq!(DeviceTable::read(&tail), Err(TableError::NotZero { index: 0 }));
}

proptest! {
    #[test]
    fn any_bytes_give_a_table_or_an_error(bytes in prop::collection::vec(0..32_u8, 0..400)) {
        if let Ok(table) = DeviceTable::read(&bytes) {
            prop_assert!(table.elements.len() < bytes.len());
            prop_assert_eq!(table.matches().count() * table.size, table.elements.len());
        }
    }
}
