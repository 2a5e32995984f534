//! Tests that the host bridges of QEMU's machines are those of its command line. QEMU's firmware runs, and no kernel.
use std::io::{ErrorKind, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;
use std::time::{Duration, Instant};
use std::{fs, thread};

use aml_names::{Answer, Device, WindowKind, Windows, read_host_bridges};
use units::ProximityDomain;

use crate::sources::{Machine, scratch_folder};

/// The machine's memory, all of which is searched for tables.
const MEMORY: usize = 64 << 20;

/// How long firmware may take until its tables are there.
const PATIENCE: Duration = Duration::from_secs(60);

/// A host bridge: its first bus, and its proximity domain.
type Bridge = (Option<u8>, Option<u32>);

/// The machines: a name, options, and the host bridges.
const MACHINES: [(&str, &str, &[Bridge]); 3] = [
    (
        "QEMU q35",
        "-machine q35 -device pxb-pcie,id=a,bus=pcie.0,bus_nr=0x81,numa_node=1 \
         -device pcie-root-port,id=p,bus=a,chassis=1 -device virtio-rng-pci,bus=p \
         -device pxb-pcie,id=b,bus=pcie.0,bus_nr=0xc1,numa_node=0 -device pxb-pcie,id=c,bus=pcie.0,bus_nr=0xe0",
        &[(None, None), (Some(0x81), Some(1)), (Some(0xc1), Some(0)), (Some(0xe0), None)],
    ),
    (
        "QEMU pc",
        "-machine pc -device pxb,id=a,bus=pci.0,bus_nr=0x81,numa_node=1",
        &[(None, None), (Some(0x81), Some(1))],
    ),
    ("QEMU q35 with NVDIMM slots", "-machine q35,nvdimm=on -m slots=4,maxmem=2G", &[(None, None)]),
];

/// Two nodes with two CPUs each.
const NODES: &str = "-smp 4 -object memory-backend-ram,size=32M,id=m0 -object memory-backend-ram,size=32M,id=m1 \
                     -numa node,nodeid=0,memdev=m0,cpus=0-1 -numa node,nodeid=1,memdev=m1,cpus=2-3";

static DUMPED: LazyLock<Vec<Machine>> =
    LazyLock::new(|| MACHINES.iter().map_while(|(name, options, _)| dump(name, options)).collect());

/// Returns QEMU's machines, or none if there is no QEMU.
pub fn machines() -> &'static [Machine] {
    &DUMPED
}

/// A process that ends with its value.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts QEMU and takes the definition blocks from its memory, or returns `None` if there is no QEMU.
fn dump(name: &str, options: &str) -> Option<Machine> {
    let mut qemu = Command::new("qemu-system-x86_64");
    qemu.args("-nodefaults -display none -monitor stdio -m 64M".split_whitespace());
    qemu.args(NODES.split_whitespace()).args(options.split_whitespace());
    let qemu = match qemu.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn() {
        Ok(child) => Running(child),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            println!("qemu: skipped: there is no qemu-system-x86_64");
            return None;
        }
        Err(error) => panic!("qemu-system-x86_64: {error}"),
    };
    let folder = scratch_folder("qemu");
    let blocks = wait_for_blocks(qemu, &folder.join("memory"));
    let _ = fs::remove_dir_all(&folder);
    Some(Machine { name: name.to_string(), blocks })
}

fn wait_for_blocks(mut qemu: Running, file: &Path) -> Vec<Vec<u8>> {
    let start = Instant::now();
    loop {
        assert!(start.elapsed() < PATIENCE, "QEMU's firmware wrote no tables");
        thread::sleep(Duration::from_millis(500));
        let _ = fs::remove_file(file);
        let monitor = qemu.0.stdin.as_mut().expect("it is piped");
        let written = writeln!(monitor, "pmemsave 0 {MEMORY:#x} \"{}\"", file.display());
        written.and_then(|()| monitor.flush()).expect("QEMU runs");
        while fs::metadata(file).map_or(0, |data| data.len()) < MEMORY as u64 {
            assert!(start.elapsed() < PATIENCE, "QEMU does not save its memory");
            thread::sleep(Duration::from_millis(20));
        }
        let blocks = find_blocks(&fs::read(file).expect("QEMU wrote it"));
        if !blocks.is_empty() {
            return blocks;
        }
    }
}

/// Follows the root pointer in the BIOS's area to the DSDT and the SSDTs.
fn find_blocks(memory: &[u8]) -> Vec<Vec<u8>> {
    let number = |at: usize| {
        memory
            .get(at..at + 4)
            .map_or(0, |bytes| u32::from_le_bytes(bytes.try_into().expect("4 bytes")) as usize)
    };
    let table = |at: usize| memory.get(at..at + number(at + 4)).unwrap_or_default();
    let Some(pointer) = (0xe_0000..0x10_0000).step_by(16).find(|&at| memory[at..].starts_with(b"RSD PTR "))
    else {
        return Vec::new();
    };
    let root = number(pointer + 16);
    let addresses: Vec<_> = (root + 36..root + table(root).len()).step_by(4).map(number).collect();
    let tables = || addresses.iter().map(|&at| table(at));
    let Some(dsdt) = aml_address(tables()) else { return Vec::new() };
    let ssdts = tables().filter(|bytes| bytes.starts_with(b"SSDT"));
    [table(dsdt)].into_iter().chain(ssdts).map(<[u8]>::to_vec).collect()
}

fn aml_address<'a>(tables: impl Iterator<Item = &'a [u8]> + Clone) -> Option<usize> {
    acpi_tables::find_dsdt_address(tables, &mut |_| {})?.try_into().ok()
}

#[test]
fn host_bridges_are_those_of_the_command_line() {
    for (machine, (name, _, expected)) in machines().iter().zip(MACHINES) {
        let mut storage = [Device::EMPTY; 16];
        let mut report = |finding: acpi_tables::Finding| panic!("{name}: {}", finding.in_full());
        let devices = read_host_bridges(machine.blocks.iter().map(Vec::as_slice), &mut storage, &mut report);
        let answer = |answer: Answer<ProximityDomain>| match answer {
            Answer::Absent => None,
            answer => Some(answer.constant().expect("a constant").0),
        };
        let mut bridges: Vec<Bridge> = devices
            .host_bridges()
            .map(|bridge| (bridge.first_bus().constant(), answer(devices.domain_of(bridge, &[]))))
            .collect();
        bridges.sort_unstable();
        assert_eq!(bridges, expected, "{name}");
        assert!(devices.host_bridges().all(|bridge| bridge.segment() == Answer::Absent), "{name}");
        for bridge in devices.host_bridges() {
            let resources = bridge.resources().constant().expect("a constant");
            let buses: Vec<_> =
                Windows::new(&resources).filter(|window| window.kind == WindowKind::Bus).collect();
            let first = bridge.first_bus().constant().unwrap_or(0);
            assert!(buses.len() == 1 && buses[0].first == first.into(), "{name}: {buses:x?}");
        }
        let bytes: usize = machine.blocks.iter().map(Vec::len).sum();
        println!("qemu: {name}: {} bridges, {} steps for {bytes} bytes", bridges.len(), devices.steps());
    }
}
