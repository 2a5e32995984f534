//! Follows the root pointer through an image of memory.
use acpi_tables::builder::{TableBuilder, extended_rsdp, rsdp};
use acpi_tables::{Finding, KnownMemory, MAX_TABLES, PhysicalMemory, read_tables};
use arbitrary::{Arbitrary, Result, Unstructured};
use topology::NumaTopology;
use units::{PhysAddr, PhysRange};
use zerocopy::IntoBytes;

use crate::machine::{Machine, build};
use crate::mutation::Mutation;
use crate::readers::check_text;

/// The address of the image, which starts with the root pointer. It lies above the first MiB, which is always readable.
pub const BASE: u64 = 0x20_0000;

/// Memory that contains only this image, at [`BASE`].
struct Image<'a>(&'a [u8]);

impl<'a> PhysicalMemory<'a> for Image<'a> {
    fn bytes(&self, address: PhysAddr, length: usize) -> &'a [u8] {
        let known = [PhysRange::new(BASE, BASE + self.0.len() as u64)];
        let readable = KnownMemory::new(&known).readable(address, length);
        assert!(readable <= length);
        // The first MiB may be read, but this image has nothing there.
        let start = address.0.checked_sub(BASE).map_or(usize::MAX, |start| start as usize);
        self.0.get(start..start.saturating_add(readable)).unwrap_or_default()
    }
}

/// Follows the root pointer at [`BASE`] to all tables of the image, builds their topology on this machine, and checks it.
///
/// # Panics
/// Panics if a property does not hold.
pub fn walk(image: &[u8], machine: &Machine, topology: &mut NumaTopology) {
    let (mut tables, mut reported) = (Vec::new(), 0);
    let mut findings = |finding: Finding| {
        check_text(&finding);
        reported += 1;
    };
    read_tables(PhysAddr(BASE), &Image(image), &mut findings, &mut |table| tables.push(table));
    assert!(tables.len() <= MAX_TABLES);
    assert!(reported <= image.len() / 4 + 16, "{reported} findings before the tables");
    build(tables.iter().copied(), machine, topology);
}

/// Builds an image of a root pointer of either revision and this machine's tables, and mutates it.
///
/// # Errors
/// Returns an error if `u` has too few bytes.
pub fn image(machine: &Machine, u: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    let mut image = vec![0; 64];
    let mut place = |table: &[u8]| {
        let address = BASE + image.len() as u64;
        image.extend_from_slice(table);
        address
    };
    let addresses: Vec<u64> = machine.tables.iter().map(|table| place(table)).collect();
    let narrow: Vec<u32> = addresses.iter().map(|&address| address as u32).collect();
    let rsdt = place(&TableBuilder::rsdt(&narrow).build()) as u32;
    let xsdt = place(&TableBuilder::xsdt(&addresses).build());
    if u.ratio(3, 4)? {
        image[..36].copy_from_slice(extended_rsdp(rsdt, xsdt).as_bytes());
    } else {
        image[..20].copy_from_slice(rsdp(rsdt).as_bytes());
    }
    let other = image.clone();
    while u.ratio(3, 4)? && !u.is_empty() {
        Mutation::arbitrary(u)?.apply(&mut image, &other);
    }
    Ok(image)
}
