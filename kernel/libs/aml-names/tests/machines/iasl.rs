//! Tests that the devices and objects of compiled and real definition blocks are those that `iasl -d` sees.
use std::fs;
use std::path::Path;
use std::process::Command;

use acpi_tables::Finding;
use aml_names::{Answer, Definition, Device, EisaId, ObjectName, Value, read_devices};

use crate::asl::{self, Namespace, Written};
use crate::qemu;
use crate::sources::{self, Machine, run, scratch_folder};

/// Returns what `iasl` sees in a machine's blocks, or `None` if there is no `iasl`.
fn disassemble(machine: &Machine, folder: &Path) -> Option<Namespace> {
    let mut namespace = Namespace::new();
    for (index, block) in machine.blocks.iter().enumerate() {
        let input = folder.join(format!("{index}.aml"));
        fs::write(&input, block).expect("the folder is writable");
        run(Command::new("iasl").arg("-p").arg(folder.join(index.to_string())).arg("-d").arg(&input))?;
        let text = fs::read(input.with_extension("dsl")).expect("iasl wrote it");
        asl::read(&String::from_utf8_lossy(&text), &mut namespace);
    }
    Some(namespace)
}

/// What was compared.
#[derive(Default, Debug)]
struct Figures {
    machines: usize,
    blocks: usize,
    devices: usize,
    objects: usize,
    domains: usize,
    constant_domains: usize,
    findings: usize,
}

#[test]
fn devices_and_objects_are_those_that_iasl_sees() {
    let Some(compiled) = sources::compiled() else {
        println!("iasl: skipped: there is no iasl");
        return;
    };
    let folder = scratch_folder("iasl");
    let mut figures = Figures::default();
    for machine in sources::real().iter().chain(qemu::machines()).chain([&compiled]) {
        println!("iasl: {}, {} blocks", machine.name, machine.blocks.len());
        let theirs = disassemble(machine, &folder).expect("iasl has compiled");
        compare(machine, &theirs, &mut figures);
    }
    let _ = fs::remove_dir_all(&folder);
    println!("iasl: {figures:?} agree");
    assert!(figures.devices >= 12 && figures.domains >= 9, "those of tests/asl at least");
}

/// Compares all devices of a machine.
fn compare(machine: &Machine, theirs: &Namespace, figures: &mut Figures) {
    let mut storage = vec![Device::EMPTY; 8192];
    let mut report = |finding: Finding| {
        // Nothing may have been skipped, except a value that firmware should not have.
        let rule = finding.rule.id();
        assert!(["aml.value", "aml.duplicate", "table.checksum"].contains(&rule), "{}", finding.in_full());
        figures.findings += 1;
    };
    let ours = read_devices(machine.blocks.iter().map(Vec::as_slice), &mut storage, &mut report);
    let count = theirs.values().filter(|device| device.definitions > 0).count();
    assert_eq!(ours.iter().count(), count, "{}", machine.name);
    for device in ours.iter() {
        let path = device.path.to_string();
        let other = theirs.get(&path).unwrap_or_else(|| panic!("{}: iasl has no {path}", machine.name));
        assert_eq!(device.is_conditional, other.is_conditional, "{path}");
        for name in ObjectName::ALL {
            let segment = name.segment().to_string();
            let written = other.objects.get(&segment);
            assert!(agrees(device, name, written), "{}: {path}.{segment}: {written:x?}", machine.name);
            figures.objects += usize::from(written.is_some());
        }
        figures.domains += usize::from(device.domain() != Answer::Absent);
        figures.constant_domains += usize::from(device.domain().constant().is_some());
        figures.devices += 1;
    }
    figures.machines += 1;
    figures.blocks += machine.blocks.len();
}

fn agrees(device: &Device<'_>, name: ObjectName, written: Option<&(Written, bool)>) -> bool {
    let object = device.object(name);
    let Some((written, is_conditional)) = written else { return object.definition == Definition::Absent };
    object.is_conditional == *is_conditional
        && match (object.definition, written) {
            (Definition::Method(_), Written::Method) => true,
            (Definition::Constant(value), written) => same(name, &value, written),
            // A domain of more than 32 bits.
            (Definition::Unusable, Written::Integer(value)) => {
                name == ObjectName::Pxm && *value > u32::MAX.into()
            }
            (Definition::Unusable, Written::Other(_)) => true,
            _ => false,
        }
}

fn same(name: ObjectName, value: &Value<'_>, written: &Written) -> bool {
    match (value, written) {
        (Value::Integer(ours), Written::Integer(theirs)) => {
            // iasl writes `Ones` whatever the size of integers is.
            ours == theirs || *theirs == u64::MAX && *ours == u32::MAX.into()
        }
        (Value::Integer(id), Written::Text(text)) => {
            matches!(name, ObjectName::Hid | ObjectName::Cid) && EisaId(*id as u32).to_string() == *text
        }
        (Value::Text(ours), Written::Text(theirs)) => *ours == theirs.as_bytes(),
        (Value::Buffer(_), Written::Buffer) | (Value::Package(_), Written::Package) => true,
        _ => false,
    }
}
