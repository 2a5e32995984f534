//! What drivers may do with a function: its registers, its memory, its reset.
use super::*;
use crate::{
    BarPart, CapabilityId, ConfigPart, ConfigSpace, FunctionMatch, KernelRegisters, ResetError,
    find_capability, reset,
};
use proptest::prelude::*;
use std::ops::Range;

/// Power management at 0x40, MSI at 0x50, MSI-X at 0x70 with its table in BAR 0 from 0x2000 on, PCI Express at 0x80 with a reset.
fn rich() -> Registers {
    device()
        .with(0x10, 0xfe00_0000, 0xffff_c000)
        .with_capabilities(&[
            (0x40, 0x01),
            (0x50, 0x05),
            (0x70, 0x0040_0011),
            (0x80, 0x0002_0010),
            (0xc0, 0x09),
        ])
        .with(0x74, 0x2000, 0)
        .with(0x78, 0x3000, 0)
        .with(0x44, 0, 0x0000_0003)
        .with(0x84, 1 << 28, 0)
        .with(0x88, 0x2810, 0xffff)
        .with(0xa8, 0x0006, 0xffff)
        .with(0xc4, 0, u32::MAX)
        .with(0x100, 0x1500_0010, 0)
        .with(0x150, 0x0001_0015, 0)
        .with(0x0c, 0x10, 0xffff)
        .with(0x3c, 0x0105, 0xff)
}

fn found(registers: Registers) -> (Model, Function) {
    let model = model([(at(0, 3, 0), registers)]);
    let (found, _) = scan_all(&model);
    (model, found[0])
}

fn part(offset: u32, width: u32) -> ConfigPart {
    ConfigPart::new(offset, width).unwrap()
}

#[test]
fn a_part_of_configuration_space_is_aligned_and_has_one_two_or_four_bytes() {
    for (offset, width) in [(0, 0), (0, 3), (0, 8), (1, 2), (2, 4), (4096, 1), (4094, 4), (u32::MAX, 1)] {
        assert_eq!(ConfigPart::new(offset, width), None, "{offset:#x} {width}");
    }
    assert_eq!(part(4095, 1).of_register(0x1234_5678), 0x12);
    assert_eq!(part(6, 2).of_register(0x1234_5678), 0x1234);
    assert_eq!(part(8, 4).of_register(0x1234_5678), 0x1234_5678);
    let (model, _) = found(rich());
    assert_eq!(model.read_part(at(0, 3, 0), part(2, 2)), 0x5678);
}

#[test]
fn the_kernels_registers_are_not_written() {
    let (model, function) = found(rich());
    let registers = KernelRegisters::of(&model, &function);
    let may = |offset, width, value| registers.may_write(part(offset, width), value);
    // The header: the command, the BARs, the ROM, the interrupt line. Bytes beside the status are refused with it.
    for offset in (0..0x40).filter(|offset| ![0x06, 0x07, 0x0c, 0x0d].contains(offset)) {
        assert!(!may(offset, 1, 0), "{offset:#x}");
    }
    assert!(may(0x06, 2, 0xffff) && may(0x0c, 1, 16) && may(0x0c, 2, 16));
    assert!(!may(0x04, 4, 0) && !may(0x0c, 4, 16));
    // MSI and MSI-X, to their last byte.
    for offset in (0x50..0x68).chain(0x70..0x7c) {
        assert!(!may(offset, 1, 0), "{offset:#x}");
    }
    assert!(may(0x68, 4, u32::MAX) && may(0x7c, 4, u32::MAX));
    // Single bits: the power state, and the beginning of a reset.
    assert!(may(0x44, 2, 0x8100) && !may(0x44, 2, 0x8103) && !may(0x44, 1, 1) && may(0x45, 1, 0xff));
    assert!(may(0x88, 2, 0x2810) && !may(0x88, 2, 0xa810) && !may(0x88, 4, 0x8000) && may(0x88, 1, 0x80));
    // A resizable BAR.
    assert!(!may(0x150, 4, 0) && !may(0x180, 4, 0) && may(0x184, 4, 0));
    // What is the function's own.
    assert!(may(0xc4, 4, u32::MAX) && may(0xffc, 4, 0));
}

#[test]
fn a_function_of_an_unknown_kind_has_no_register_for_drivers_behind_its_header() {
    let (model, function) = found(device().with(0x0c, 0x7f << 16, 0));
    let registers = KernelRegisters::of(&model, &function);
    assert!((0x40..4096).all(|offset| !registers.may_write(part(offset, 1), 0)));
}

#[test]
fn many_capabilities_with_forbidden_bits_are_forbidden_whole() {
    let list: Vec<(u8, u32)> = (0..8).map(|index| (0x40 + 8 * index, 0x01)).collect();
    let (model, function) = found(device().with_capabilities(&list));
    let registers = KernelRegisters::of(&model, &function);
    assert!((0..8).all(|index| !registers.may_write(part(0x44 + 8 * index, 2), 3)));
    assert!(registers.may_write(part(0x44, 2), 0) && !registers.may_write(part(0x7c, 2), 0));
}

#[test]
fn capabilities_are_found_one_after_the_other() {
    let list = [(0x40, 0x09), (0x50, 0x05), (0x60, 0x09), (0x80, 0x0002_0010)];
    let (model, function) =
        found(device().with_capabilities(&list).with(0x100, 0x1400_000b, 0).with(0x140, 0x000b, 0));
    let find = |id, after| find_capability(&model, &function, id, after);
    let vendor = CapabilityId::Plain(9);
    assert_eq!(find(vendor, None), Some(0x40));
    assert_eq!(find(vendor, Some(0x40)), Some(0x60));
    assert_eq!(find(vendor, Some(0x50)), Some(0x60), "behind one of another id");
    assert_eq!(find(vendor, Some(0x60)), None);
    assert_eq!(find(vendor, Some(0x44)), None, "no capability is there");
    assert_eq!(find(CapabilityId::Plain(0x11), None), None);
    assert_eq!(find(CapabilityId::Extended(0x0b), None), Some(0x100));
    assert_eq!(find(CapabilityId::Extended(0x0b), Some(0x100)), Some(0x140));
    assert_eq!(find(CapabilityId::Extended(9), None), None);
}

#[test]
fn a_match_accepts_what_it_names() {
    let (_, function) = found(device().with(0x2c, 0x1100_1af4, 0));
    let accepts = |wanted: FunctionMatch| wanted.accepts(&function);
    let any = FunctionMatch::default();
    assert!(accepts(any));
    assert!(accepts(FunctionMatch { vendor: Some(0x1234), device: Some(0x5678), ..any }));
    assert!(!accepts(FunctionMatch { vendor: Some(0x1235), ..any }));
    assert!(!accepts(FunctionMatch { device: Some(0x1234), ..any }));
    assert!(accepts(FunctionMatch { subsystem_vendor: Some(0x1af4), subsystem: Some(0x1100), ..any }));
    assert!(!accepts(FunctionMatch { subsystem_vendor: Some(0), ..any }));
    assert!(!accepts(FunctionMatch { subsystem: Some(1), ..any }));
    assert!(accepts(FunctionMatch { class: 0x02_ff_ff, class_mask: 0xff_00_00, ..any }));
    assert!(!accepts(FunctionMatch { class: 0x02_00_01, class_mask: 0xff_ff_ff, ..any }));
}

#[test]
fn a_part_of_a_bar_has_the_pages_of_the_table_apart() {
    let (_, function) = found(rich());
    let of = |bar, offset, size| BarPart::of(&function, bar, offset, size);
    let all = of(0, 0, 0x4000).unwrap();
    // 65 vectors of 16 bytes at 0x2000.
    let runs: [Range<u64>; 3] =
        [0xfe00_0000..0xfe00_2000, 0xfe00_2000..0xfe00_3000, 0xfe00_3000..0xfe00_4000];
    assert_eq!(all.runs(), runs);
    let some = of(0, 0x1010, 8).unwrap();
    assert_eq!(
        (some.bytes.clone(), some.pages.clone()),
        (0xfe00_1010..0xfe00_1018, 0xfe00_1000..0xfe00_2000)
    );
    assert!(some.table.is_empty() && some.runs()[0] == some.pages);
    assert_eq!(of(0, 0x2fff, 2).unwrap().table, 0xfe00_2000..0xfe00_3000);
    for (bar, offset, size) in [
        (0, 0, 0),
        (0, 0x4000, 1),
        (0, 1, 0x4000),
        (0, u64::MAX, 2),
        (0, 2, u64::MAX),
        (1, 0, 1),
        (6, 0, 1),
        (usize::MAX, 0, 1),
    ] {
        assert_eq!(of(bar, offset, size), None, "{bar} {offset:#x} {size:#x}");
    }
}

#[test]
fn a_bar_without_an_address_or_of_ports_has_no_part() {
    let (_, function) = found(device().with(0x10, 0, 0xffff_f000).with(0x14, 0xc001, 0xffe0));
    assert!(function.bars[0].is_some() && function.bars[1].is_some());
    assert_eq!((BarPart::of(&function, 0, 0, 4), BarPart::of(&function, 1, 0, 4)), (None, None));
}

/// A function whose reset clears its registers, and which answers again after so many reads.
struct Resetting {
    model: Model,
    /// The register of the control, and the bits that begin the reset.
    begin: (u16, u32),
    silent_reads: std::cell::Cell<u32>,
    has_reset: std::cell::Cell<bool>,
}

impl ConfigSpace for Resetting {
    fn has_extended_registers(&self) -> bool {
        true
    }

    fn read(&self, function: PciAddress, offset: u16) -> u32 {
        if self.has_reset.get() && self.silent_reads.get() > 0 {
            self.silent_reads.set(self.silent_reads.get() - 1);
            return crate::ABSENT;
        }
        self.model.read(function, offset)
    }

    fn write(&self, function: PciAddress, offset: u16, value: u32) {
        self.model.write(function, offset, value);
    }

    fn write_part(&self, function: PciAddress, part: ConfigPart, value: u32) {
        self.model.write_part(function, part, value);
        let (register, bits) = self.begin;
        if part.offset() == register && value & bits != 0 {
            assert_eq!(self.model.read(function, 4) & 0x407, 0x400, "the function is idle before its reset");
            self.has_reset.set(true);
            for offset in [0x04, 0x0c, 0x10, 0x3c, 0x88, 0xa8] {
                self.model.write(function, offset, 0);
            }
        }
    }
}

fn resets(
    registers: Registers,
    begin: (u16, u32),
    silent_reads: u32,
) -> (Result<(), ResetError>, Resetting, u32) {
    let (model, function) = found(registers);
    let config = Resetting { model, begin, silent_reads: silent_reads.into(), has_reset: false.into() };
    let mut waited = 0;
    let outcome = reset(&config, &function, &mut |time| waited += time);
    (outcome, config, waited)
}

#[test]
fn a_reset_leaves_a_function_idle_where_it_was() {
    let (outcome, config, waited) = resets(rich(), (0x88, 1 << 15), 3);
    assert_eq!(outcome, Ok(()));
    assert!(config.has_reset.get());
    assert!((100..1000).contains(&waited), "{waited} ms");
    let read = |offset| config.model.read(at(0, 3, 0), offset);
    assert_eq!(read(0x04) & 0xffff, 0x400, "no decoding, no bus mastering, no pin");
    assert_eq!((read(0x10), read(0x0c) & 0xffff, read(0x3c) & 0xff), (0xfe00_0000, 0x10, 5));
    assert_eq!((read(0x88) & 0x7fff, read(0xa8)), (0x2810, 6));
}

#[test]
fn a_function_that_does_not_answer_after_its_reset_is_reported() {
    let (outcome, _, waited) = resets(rich(), (0x88, 1 << 15), u32::MAX);
    assert_eq!(outcome, Err(ResetError::NotReady));
    assert!(waited < 3000, "{waited} ms");
}

#[test]
fn a_conventional_function_may_have_a_reset_and_others_have_none() {
    let advanced =
        |features: u32| device().with_capabilities(&[(0x40, features << 24 | 0x0006_0013)]).with(0x44, 0, 1);
    let (outcome, config, _) = resets(advanced(0b11), (0x44, 1), 0);
    assert_eq!((outcome, config.has_reset.get()), (Ok(()), true));
    for registers in [device(), advanced(0b01), rich().with(0x84, 0, 0)] {
        let before = registers.clone();
        let (outcome, config, waited) = resets(registers, (0xffff, 0), 0);
        assert_eq!((outcome, waited), (Err(ResetError::Unsupported), 0));
        assert_eq!(config.model.functions().next().unwrap().1, before, "nothing was written");
    }
}

proptest! {
    /// Whatever a function says about itself, no write that is allowed changes its header, but for the status and the cache lines.
    #[test]
    fn no_allowed_write_moves_a_bar(
        bytes in prop::collection::vec(any::<u8>(), 0..2048),
        offset in 0_u32..4096,
        width in prop::sample::select(&[1_u32, 2, 4][..]),
        value: u32,
    ) {
        let registers = Registers::from_bytes(&bytes).with(0, 0x5678_1234, 0);
        let (model, function) = found(registers);
        let Some(part) = ConfigPart::new(offset, width) else { return Ok(()) };
        let before: Vec<u32> = (0..16).map(|index| model.read(function.address, 4 * index)).collect();
        if KernelRegisters::of(&model, &function).may_write(part, value) {
            model.write_part(function.address, part, value);
        }
        for (index, before) in before.into_iter().enumerate() {
            let after = model.read(function.address, 4 * index as u16);
            let free = match index { 1 => 0xffff_0000, 3 => 0xffff, _ => 0 };
            prop_assert_eq!(before & !free, after & !free, "register {:#x}", 4 * index);
        }
    }

    /// Whatever is asked for, a part lies in its BAR, and its runs are its pages.
    #[test]
    fn a_part_lies_in_its_bar(offset in 0_u64..0x5000, size in 0_u64..0x5000) {
        let (_, function) = found(rich());
        let part = BarPart::of(&function, 0, offset, size);
        prop_assert_eq!(part.is_some(), size > 0 && offset + size <= 0x4000);
        if let Some(part) = part {
            prop_assert_eq!(part.bytes.clone(), 0xfe00_0000 + offset..0xfe00_0000 + offset + size);
            let [before, table, behind] = part.runs();
            prop_assert_eq!((before.end, table.end), (table.start, behind.start));
            prop_assert_eq!(before.start..behind.end, part.pages.clone());
            prop_assert_eq!(!table.is_empty(), part.pages.contains(&0xfe00_2000));
        }
    }
}
