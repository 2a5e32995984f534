//! The fuzz targets. Each takes arbitrary bytes, either as a table or as choices for the builder and for mutations.
use std::cell::RefCell;

use arbitrary::{Arbitrary, Result, Unstructured};
use topology::{NumaMode, NumaTopology};
use units::PhysRange;

use crate::machine::Machine;
use crate::mutation::Mutation;
use crate::readers::read;
use crate::root;

/// The RAM of a machine whose tables are plain bytes.
const RAM: [PhysRange; 2] = [PhysRange::new(0, 0x9_fc00), PhysRange::new(1 << 20, 511 << 20)];

thread_local! {
    /// A topology that every run reuses. It is too large for a stack.
    static TOPOLOGY: RefCell<Box<NumaTopology>> = RefCell::new(Box::new(NumaTopology::EMPTY));
}

fn with_topology(run: impl FnOnce(&mut NumaTopology)) {
    TOPOLOGY.with_borrow_mut(|topology| run(topology));
}

/// Reads one table. The first byte decides how the rest becomes a table.
pub fn table(signature: [u8; 4], build: fn(&mut Unstructured<'_>) -> Result<Vec<u8>>, data: &[u8]) {
    let Some((&how, rest)) = data.split_first() else { return };
    if how % 2 == 0 {
        read(&plain(signature, how & 2 != 0, rest), true);
    } else if let Ok(table) = built(build, &mut Unstructured::new(rest)) {
        read(&table, true);
    }
}

/// Returns these bytes with a signature, and with the correct length if `true_length` is set.
fn plain(signature: [u8; 4], true_length: bool, bytes: &[u8]) -> Vec<u8> {
    let mut table = [&signature[..], &[0; 4], bytes].concat();
    if true_length {
        let length = table.len() as u32;
        table[4..8].copy_from_slice(&length.to_le_bytes());
    } else if let Some((length, rest)) = bytes.split_first_chunk::<4>() {
        table.truncate(4);
        table.extend_from_slice(length);
        table.extend_from_slice(rest);
    }
    table
}

fn built(build: fn(&mut Unstructured<'_>) -> Result<Vec<u8>>, u: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    let mut table = build(u)?;
    let correct = table.clone();
    while u.ratio(3, 4)? && !u.is_empty() {
        Mutation::arbitrary(u)?.apply(&mut table, &correct);
    }
    Ok(table)
}

/// Follows a root pointer to the tables and builds their topology.
pub fn root(data: &[u8]) {
    let Some((&how, rest)) = data.split_first() else { return };
    if how % 2 == 0 {
        let image = [b"RSD PTR ", rest].concat();
        let machine =
            Machine { tables: Vec::new(), ram: RAM.to_vec(), boot_cpu: None, numa: NumaMode::FromFirmware };
        with_topology(|topology| root::walk(&image, &machine, topology));
        return;
    }
    let u = &mut Unstructured::new(rest);
    let Ok(machine) = Machine::arbitrary(u) else { return };
    if let Ok(image) = root::image(&machine, u) {
        with_topology(|topology| root::walk(&image, &machine, topology));
    }
}

/// Builds the topology of all tables.
pub fn topology(data: &[u8]) {
    let Some((&how, rest)) = data.split_first() else { return };
    if how % 2 == 0 {
        // The tables are parts of the bytes of equal length.
        let mut parts = rest.chunks(rest.len().div_ceil(5).max(1));
        let mut part = |signature| plain(signature, how & 2 != 0, parts.next().unwrap_or_default());
        let tables = [*b"SRAT", *b"APIC", *b"SLIT", *b"HMAT", *b"MSCT"].map(&mut part).to_vec();
        let ram = if how & 4 != 0 { RAM.to_vec() } else { Vec::new() };
        let machine = Machine { tables, ram, boot_cpu: None, numa: NumaMode::FromFirmware };
        with_topology(|topology| machine.check(topology));
        return;
    }
    let u = &mut Unstructured::new(rest);
    let Ok(mut machine) = Machine::arbitrary(u) else { return };
    if machine.mutate(u).is_ok() {
        with_topology(|topology| machine.check(topology));
    }
}
