//! Properties that hold for arbitrary bytes: no panic, no more steps than bytes, no read outside of the table.
use alloc::vec::Vec;
use proptest::prelude::*;
use units::{ApicId, ProximityDomain};

use super::with_findings;
use crate::builder::{
    TableBuilder, attachment, latency_and_bandwidth, local_apic, local_apic_affinity, memory_affinity,
    msct_domains, seal, side_cache, x2apic_affinity,
};
use crate::{Finding, HmatEntry, find_hmat, find_madt, find_msct, find_slit, find_srat, opts_out_of_x2apic};

/// Reads the bytes as each of the tables. Returns the number of values read and the number of findings.
fn read_all(bytes: &[u8]) -> (usize, usize) {
    let mut reported = 0;
    let mut findings = |finding: Finding| {
        assert!(alloc::format!("{finding}").len() < 160, "a finding is one line");
        reported += 1;
    };
    let mut count = 0;
    if let Some(srat) = find_srat([bytes], &mut findings) {
        count += srat.entries(&mut findings).count();
    }
    if let Some(madt) = find_madt([bytes], &mut findings) {
        count += madt.cpus(&mut findings).count();
        let _ = madt.local_apic_address();
        count += madt.io_apics().count();
    }
    if let Some(slit) = find_slit([bytes], &mut findings) {
        for (from, to) in [(0, 0), (1, 0), (u32::MAX, u32::MAX), (0, u32::MAX)] {
            let (from, to) = (ProximityDomain(from), ProximityDomain(to));
            assert!(slit.distance(from, to).is_some() == (slit.offset(from, to) != 0));
        }
    }
    if let Some(hmat) = find_hmat([bytes], &mut findings) {
        for entry in hmat.entries(&mut findings) {
            count += 1;
            if let HmatEntry::Matrix(matrix) = entry {
                let size = 4 * (matrix.initiators().len() + matrix.targets().len());
                assert!(size <= bytes.len());
                let _ = matrix.value(matrix.initiators().len(), matrix.targets().len());
            }
        }
    }
    if let Some(msct) = find_msct([bytes], &mut findings) {
        count += msct.domains(&mut findings).count();
    }
    let _ = opts_out_of_x2apic([bytes], &mut findings);
    (count, reported)
}

/// Generates tables with a signature and then arbitrary bytes. Some have a correct length.
fn tables() -> impl Strategy<Value = Vec<u8>> {
    let signature = prop_oneof![
        Just(*b"SRAT"),
        Just(*b"SLIT"),
        Just(*b"APIC"),
        Just(*b"HMAT"),
        Just(*b"MSCT"),
        Just(*b"DMAR")
    ];
    (signature, any::<bool>(), prop::collection::vec(any::<u8>(), 0..600)).prop_map(
        |(signature, true_length, mut bytes)| {
            bytes.splice(0..bytes.len().min(4), signature);
            if true_length && bytes.len() > 8 {
                let length = bytes.len() as u32;
                bytes[4..8].copy_from_slice(&length.to_le_bytes());
            }
            bytes
        },
    )
}

/// Generates entries. Most have a correct length, so that a reader gets far.
fn entries() -> impl Strategy<Value = Vec<u8>> {
    let entry = prop_oneof![
        (0..10_u8, prop::collection::vec(any::<u8>(), 0..60)).prop_map(|(kind, mut rest)| {
            rest.splice(0..0, [kind, rest.len() as u8 + 2]);
            rest
        }),
        prop::collection::vec(any::<u8>(), 0..50),
    ];
    prop::collection::vec(entry, 0..20).prop_map(|entries| entries.concat())
}

proptest! {
    #[test]
    fn any_bytes_are_read_in_bounded_steps(bytes in tables()) {
        let (count, reported) = read_all(&bytes);
        prop_assert!(count + reported <= bytes.len() + 8);
    }

    #[test]
    fn any_entries_are_read_in_bounded_steps(entries in entries(), revision in 0..4_u8) {
        for table in [TableBuilder::srat(revision), TableBuilder::madt(), TableBuilder::msct(1, 1, 0)] {
            let table = table.entry(&entries[..]).build();
            let (count, reported) = read_all(&table);
            prop_assert!(count + reported <= table.len());
        }
    }

    #[test]
    fn any_structures_of_an_hmat_are_read_in_bounded_steps(
        structures in prop::collection::vec((0..4_u8, prop::collection::vec(any::<u8>(), 0..80)), 0..12),
        revision in 0..3_u8,
    ) {
        let structures = structures.into_iter().flat_map(|(kind, rest)| {
            let length = rest.len() as u8 + 8;
            [kind, 0, 0, 0, length, 0, 0, 0].into_iter().chain(rest)
        });
        let table = TableBuilder::hmat(revision).entries(structures).build();
        let (count, reported) = read_all(&table);
        prop_assert!(count + reported <= table.len());
    }

    #[test]
    fn bytes_after_the_tables_length_change_nothing(entries in entries(), tail in any::<[u8; 9]>()) {
        let table = TableBuilder::srat(3).entry(&entries[..]).build();
        let longer: Vec<u8> = table.iter().copied().chain(tail).collect();
        let read = |bytes: &[u8]| with_findings(|findings| {
            find_srat([bytes], findings).map(|srat| srat.entries(findings).collect::<Vec<_>>())
        });
        prop_assert_eq!(read(&table), read(&longer));
    }

    #[test]
    fn entries_are_read_as_they_were_built(
        cpus in prop::collection::vec((any::<u8>(), any::<u32>(), any::<u32>()), 0..20),
        memory in prop::collection::vec((any::<u64>(), any::<u64>(), any::<u32>()), 0..20),
    ) {
        let table = TableBuilder::srat(2)
            .entries(cpus.iter().map(|&(id, domain, _)| local_apic_affinity(id, ProximityDomain(domain))))
            .entries(cpus.iter().map(|&(_, domain, id)| x2apic_affinity(ApicId(id), ProximityDomain(domain))))
            .entries(memory.iter().map(|&(base, length, domain)| memory_affinity(base, length, ProximityDomain(domain))))
            .build();
        let (entries, reported) = with_findings(|findings| {
            find_srat([&table[..]], findings).map(|srat| srat.entries(findings).collect::<Vec<_>>())
        });
        prop_assert_eq!(reported, []);
        let entries = entries.unwrap_or_default();
        let read = entries.iter().map(|entry| match *entry {
            crate::SratEntry::Cpu(cpu) => (u64::from(cpu.apic_id.0), 0, cpu.domain.0, cpu.enabled),
            crate::SratEntry::Memory(memory) => (memory.base, memory.length, memory.domain.0, memory.enabled),
            _ => (0, 0, 0, false),
        });
        let written = cpus.iter().map(|&(id, domain, _)| (u64::from(id), 0, domain, true))
            .chain(cpus.iter().map(|&(_, domain, id)| (u64::from(id), 0, domain, true)))
            .chain(memory.iter().map(|&(base, length, domain)| (base, length, domain, true)));
        prop_assert!(read.eq(written));
    }
}

#[test]
fn every_flipped_bit_of_a_table_is_survived() {
    let srat = TableBuilder::srat(1)
        .entry(&local_apic_affinity(0, ProximityDomain(0)))
        .entry(&memory_affinity(0, 0x1000_0000, ProximityDomain(0)))
        .build();
    let slit = TableBuilder::slit(2, &[10, 20, 20, 10]).build();
    let madt = TableBuilder::madt().entry(&local_apic(0, 0)).entry(&local_apic(1, 1)).build();
    let hmat = TableBuilder::hmat(2)
        .entry(&attachment(ProximityDomain(0), Some(ProximityDomain(0))))
        .entry(&latency_and_bandwidth(0, 10_000, &[0, 1], &[0, 1], &[1, 2, 3, 4])[..])
        .entry(&side_cache(ProximityDomain(0), 1 << 20, [1, 1, 1, 1], 64, &[1, 2])[..])
        .build();
    let msct = TableBuilder::msct(2, 1, u64::MAX).entry(&msct_domains(0, 1, 64, 1 << 40)).build();
    // The bytes of the entries' lengths and of the SLIT's number of localities.
    let hmat_lengths = [44, 84, 140].into_iter().flat_map(|start| start..start + 4);
    let tables = [
        (srat, Vec::from([49, 65])),
        (slit, (36..44).collect()),
        (madt, Vec::from([45, 53])),
        (hmat, hmat_lengths.collect()),
        (msct, Vec::from([57])),
    ];
    for (table, lengths) in tables {
        let correct = read_all(&table);
        assert_eq!(correct.1, 0);
        for bit in 32..table.len() * 8 {
            let mut flipped = table.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let (_, reported) = read_all(&flipped);
            assert!(reported > 0, "a flipped bit leaves a bad checksum or length at least: bit {bit}");

            // With a correct checksum, names have no effect, and a wrong length is reported.
            seal(&mut flipped);
            let read = read_all(&flipped);
            match bit / 8 {
                9..36 => assert_eq!(read, correct, "bit {bit}"),
                byte if lengths.contains(&byte) => {
                    assert!(read.1 > 0, "bit {bit} of {:?}", &table[..4]);
                }
                _ => {}
            }
        }
    }
}
