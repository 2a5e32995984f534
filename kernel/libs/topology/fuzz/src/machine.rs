//! A machine's tables and memory map, built from arbitrary bytes. Most are correct, so that fuzzing gets far.
use acpi_tables::builder::{
    TableBuilder, attachment, generic_initiator, latency_and_bandwidth, local_apic, local_apic_affinity,
    local_x2apic, mcfg_entry, memory_affinity, msct_domains, side_cache, x2apic_affinity,
};
use acpi_tables::{Capped, DeviceHandle, Finding};
use arbitrary::{Arbitrary, Result, Unstructured};
use topology::{FakeNodes, Inputs, NumaMode, NumaTopology};
use units::{ApicId, FRAME_SIZE, PhysRange, ProximityDomain};
use zerocopy::IntoBytes;

use crate::mutation::Mutation;
use crate::readers::check_text;

/// The highest number of entries of a kind.
const MANY: usize = 24;

/// The inputs of a topology.
#[derive(Clone, Debug)]
pub struct Machine {
    /// The tables, in any order.
    pub tables: Vec<Vec<u8>>,
    /// The RAM in the memory map, in ascending order, without overlaps, with adjacent ranges merged.
    pub ram: Vec<PhysRange>,
    /// The boot CPU.
    pub boot_cpu: Option<ApicId>,
    /// How the nodes are chosen.
    pub numa: NumaMode,
}

impl Machine {
    /// Mutates the tables. The bytes of `u` choose the tables and the mutations.
    ///
    /// # Errors
    /// Returns an error if `u` has too few bytes.
    pub fn mutate(&mut self, u: &mut Unstructured<'_>) -> Result<()> {
        while u.ratio(3, 4)? && !u.is_empty() {
            let (which, other) = (u.choose_index(self.tables.len())?, u.choose_index(self.tables.len())?);
            let other = self.tables[other].clone();
            Mutation::arbitrary(u)?.apply(&mut self.tables[which], &other);
        }
        Ok(())
    }

    /// Builds the machine's topology in `topology` and checks it.
    ///
    /// # Panics
    /// Panics if a property does not hold.
    pub fn check(&self, topology: &mut NumaTopology) {
        build(self.tables.iter().map(|table| &table[..]), self, topology);
    }
}

/// Builds the topology of these tables on this machine, and checks it.
///
/// # Panics
/// Panics if a property does not hold.
pub fn build<'a>(
    tables: impl Iterator<Item = &'a [u8]> + Clone,
    machine: &Machine,
    topology: &mut NumaTopology,
) {
    let mut findings = Capped::new(|finding: Finding| check_text(&finding));
    let from_tables = Inputs::from_tables(tables, &mut findings);
    let Machine { ram, boot_cpu, numa, .. } = machine;
    let inputs = Inputs { ram, boot_cpu: *boot_cpu, numa: *numa, ..from_tables };
    topology.rebuild(&inputs, &mut findings);
    findings.finish();
    topology::invariants::check(topology, ram);
}

impl<'a> Arbitrary<'a> for Machine {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let tables = vec![srat(u)?, slit(u)?, madt(u)?, hmat(u)?, msct(u)?];
        let numa = match u.int_in_range(0..=15)? {
            0 => NumaMode::Off,
            1 => NumaMode::Fake(FakeNodes::Count(u.arbitrary()?)),
            2 => NumaMode::Fake(FakeNodes::SizeBytes(u.arbitrary()?)),
            _ => NumaMode::FromFirmware,
        };
        let boot_cpu = if u.ratio(1, 2)? { Some(ApicId(id(u)?)) } else { None };
        Ok(Self { tables, ram: ram(u)?, boot_cpu, numa })
    }
}

/// Calls `make` a few times and returns the results.
fn few<T>(
    u: &mut Unstructured<'_>,
    mut make: impl FnMut(&mut Unstructured<'_>) -> Result<T>,
) -> Result<Vec<T>> {
    let count = u.int_in_range(0..=MANY)?;
    (0..count).map(|_| make(u)).collect()
}

/// Returns a number for an APIC id or a domain: usually a small one, sometimes any.
fn id(u: &mut Unstructured<'_>) -> Result<u32> {
    if u.ratio(15, 16)? { u.int_in_range(0..=9) } else { u.arbitrary() }
}

fn domain(u: &mut Unstructured<'_>) -> Result<ProximityDomain> {
    id(u).map(ProximityDomain)
}

/// Returns an address or a length: usually a small number of whole frames, sometimes any number.
fn bytes(u: &mut Unstructured<'_>) -> Result<u64> {
    if u.ratio(15, 16)? { Ok(u64::from(u8::arbitrary(u)?) * FRAME_SIZE) } else { u.arbitrary() }
}

/// Returns flags: usually the given ones, sometimes any.
fn flags(u: &mut Unstructured<'_>, usual: u32) -> Result<u32> {
    if u.ratio(7, 8)? { Ok(usual) } else { u.arbitrary() }
}

/// Builds an SRAT with entries of each kind, in any order.
///
/// # Errors
/// Returns an error if `u` has too few bytes.
pub fn srat(u: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    let entries = few(u, |u| match u.int_in_range(0..=7)? {
        0..=1 => {
            let mut cpu = local_apic_affinity(id(u)? as u8, domain(u)?);
            cpu.flags = flags(u, 1)?.into();
            Ok(cpu.as_bytes().to_vec())
        }
        2..=3 => {
            let mut cpu = x2apic_affinity(ApicId(id(u)?), domain(u)?);
            cpu.flags = flags(u, 1)?.into();
            Ok(cpu.as_bytes().to_vec())
        }
        4..=6 => {
            let mut memory = memory_affinity(bytes(u)?, bytes(u)?, domain(u)?);
            memory.flags = flags(u, 1)?.into();
            Ok(memory.as_bytes().to_vec())
        }
        _ => {
            let handle = DeviceHandle::Acpi { hid: u.arbitrary()?, uid: u.arbitrary()? };
            Ok(generic_initiator(handle, domain(u)?).as_bytes().to_vec())
        }
    })?;
    Ok(TableBuilder::srat(u.int_in_range(0..=3)?).entry(&entries.concat()[..]).build())
}

/// Builds a SLIT with a few localities and usually a matrix of the correct size.
///
/// # Errors
/// Returns an error if `u` has too few bytes.
pub fn slit(u: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    let side: u8 = u.int_in_range(0..=10)?;
    let size = usize::from(side).pow(2).min(u.len());
    let localities = if u.ratio(15, 16)? { side.into() } else { u.arbitrary()? };
    Ok(TableBuilder::slit(localities, u.bytes(size)?).build())
}

/// Builds a MADT with CPUs, some of which are not enabled.
///
/// # Errors
/// Returns an error if `u` has too few bytes.
pub fn madt(u: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    let entries = few(u, |u| {
        if u.ratio(1, 2)? {
            let mut cpu = local_apic(u.arbitrary()?, id(u)? as u8);
            cpu.flags = flags(u, 1)?.into();
            return Ok(cpu.as_bytes().to_vec());
        }
        let mut cpu = local_x2apic(u.arbitrary()?, ApicId(id(u)?));
        cpu.flags = flags(u, 1)?.into();
        Ok(cpu.as_bytes().to_vec())
    })?;
    Ok(TableBuilder::madt().entry(&entries.concat()[..]).build())
}

/// Builds an HMAT with structures of each kind.
///
/// # Errors
/// Returns an error if `u` has too few bytes.
pub fn hmat(u: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    let structures = few(u, |u| match u.int_in_range(0..=3)? {
        0 => {
            let initiator = if u.ratio(3, 4)? { Some(domain(u)?) } else { None };
            Ok(attachment(domain(u)?, initiator).as_bytes().to_vec())
        }
        1 => {
            let attributes = [u.arbitrary()?, u.arbitrary()?, u.arbitrary()?, u.arbitrary()?];
            Ok(side_cache(domain(u)?, u.arbitrary()?, attributes, u.arbitrary()?, &[]))
        }
        _ => {
            let (initiators, targets) = (few(u, id)?, few(u, id)?);
            let values: Vec<u16> =
                (0..initiators.len() * targets.len()).map(|_| u.arbitrary()).collect::<Result<_>>()?;
            let unit = if u.ratio(7, 8)? { 100 } else { u.arbitrary()? };
            Ok(latency_and_bandwidth(u.int_in_range(0..=6)?, unit, &initiators, &targets, &values))
        }
    })?;
    Ok(TableBuilder::hmat(u.int_in_range(0..=3)?).entry(&structures.concat()[..]).build())
}

/// Builds an MCFG with some ranges of buses.
///
/// # Errors
/// Returns an error if `u` has too few bytes.
pub fn mcfg(u: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    let entries = few(u, |u| {
        let base = if u.ratio(15, 16)? { u64::from(u16::arbitrary(u)?) << 20 } else { u.arbitrary()? };
        let entry = mcfg_entry(base, id(u)? as u16, u.arbitrary()?, u.arbitrary()?);
        Ok(entry.as_bytes().to_vec())
    })?;
    Ok(TableBuilder::mcfg().entry(&entries.concat()[..]).build())
}

/// Builds an MSCT with a few domains.
///
/// # Errors
/// Returns an error if `u` has too few bytes.
pub fn msct(u: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    let entries = few(u, |u| Ok(msct_domains(id(u)?, id(u)?, u.arbitrary()?, u.arbitrary()?)))?;
    Ok(TableBuilder::msct(id(u)?, id(u)?, bytes(u)?).entries(entries).build())
}

/// Returns RAM that starts and ends at any address, usually in the first MiB.
fn ram(u: &mut Unstructured<'_>) -> Result<Vec<PhysRange>> {
    let mut edges = few(u, |u| {
        if u.ratio(15, 16)? { Ok(u64::from(u16::arbitrary(u)?) << 4) } else { Ok(u64::arbitrary(u)? >> 8) }
    })?;
    edges.sort_unstable();
    edges.dedup();
    Ok(edges.as_chunks().0.iter().map(|&[start, end]| PhysRange::new(start, end)).collect())
}
