//! Generates namespaces, writes them as AML, and compares what the reader finds with the model.
use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;

use acpi_tables::Finding;
use proptest::prelude::*;

use super::{dsdt, ssdt};
use crate::builder::{condition, device, integer, method, name, otherwise, scope};
use crate::{Answer, Device, ObjectName, Value, read_devices};

/// A term of a generated block.
#[derive(Clone, Debug)]
enum Node {
    Device(u8, Vec<Node>),
    /// `Scope` of a device, from the root.
    Scope(u8, u8, Vec<Node>),
    Condition(Vec<Node>, bool),
    Constant(u8, u8),
    Method(u8),
    /// Bytes that are no definition.
    Noise(u8),
}

const NOISE: [&[u8]; 6] = [
    b"\x5b\x80REGN\x00\x0b\x00\x10\x0a\x02",
    b"\x5b\x81\x0bREGN\x01FLD0\x08",
    b"FUNC\x0b\x34\x12\x60",
    b"\x08BUFF\x11\x03\x0a\x05",
    b"\x14\x0bFUNC\x00\x08_PXM",
    b"\x70\x72FOO_\x01\x00FOO_",
];

fn nodes() -> impl Strategy<Value = Vec<Node>> {
    let leaf = prop_oneof![
        (0..9u8, any::<u8>()).prop_map(|(name, value)| Node::Constant(name, value)),
        (0..9u8).prop_map(Node::Method),
        (0..NOISE.len() as u8).prop_map(Node::Noise),
    ];
    let node = leaf.prop_recursive(4, 40, 6, |inner| {
        let inside = prop::collection::vec(inner, 0..6);
        prop_oneof![
            3 => (0..3u8, inside.clone()).prop_map(|(name, inside)| Node::Device(name, inside)),
            1 => (0..3u8, 0..3u8, inside.clone()).prop_map(|(first, second, inside)| Node::Scope(first, second, inside)),
            1 => (inside, any::<bool>()).prop_map(|(inside, other)| Node::Condition(inside, other)),
        ]
    });
    prop::collection::vec(node, 0..8)
}

fn label(index: u8) -> String {
    alloc::format!("DV{index:02}")
}

/// Objects that may be integers; the others would be of a wrong type.
fn object(index: u8) -> ObjectName {
    use ObjectName::{Adr, Bbn, Hid, Pxm, Seg, Uid};
    [Hid, Uid, Adr, Bbn, Seg, Pxm][usize::from(index % 6)]
}

fn write(nodes: &[Node]) -> Vec<Vec<u8>> {
    nodes
        .iter()
        .map(|node| match node {
            Node::Device(index, inside) => device(&label(*index), &write(inside)),
            Node::Scope(first, second, inside) => {
                scope(&alloc::format!("\\{}.{}", label(*first), label(*second)), &write(inside))
            }
            Node::Condition(inside, false) => condition(b"\x93FOO_\x01", &write(inside)),
            Node::Condition(inside, true) => otherwise(&write(inside)),
            Node::Constant(index, value) => {
                name(&object(*index).segment().to_string(), &integer((*value).into()))
            }
            Node::Method(index) => method(&object(*index).segment().to_string(), 0, &[vec![0xa3]]),
            Node::Noise(index) => NOISE[usize::from(*index)].to_vec(),
        })
        .collect()
}

/// What the model knows about a device.
#[derive(Default)]
struct Entry {
    definitions: usize,
    /// The definitions of each object in order: the value, or `None` for a method; and whether a condition decides.
    objects: BTreeMap<usize, Vec<(Option<u64>, bool)>>,
}

/// Adds what these nodes define in a scope to the model.
fn define(nodes: &[Node], path: &str, local: bool, any: bool, model: &mut BTreeMap<String, Entry>) {
    for node in nodes {
        match node {
            Node::Device(index, inside) => {
                let path = if path == "\\" {
                    alloc::format!("\\{}", label(*index))
                } else {
                    alloc::format!("{path}.{}", label(*index))
                };
                model.entry(path.clone()).or_default().definitions += 1;
                define(inside, &path, false, any, model);
            }
            Node::Scope(first, second, inside) => {
                define(inside, &alloc::format!("\\{}.{}", label(*first), label(*second)), any, any, model);
            }
            Node::Condition(inside, _) => define(inside, path, true, true, model),
            Node::Constant(index, value) => {
                let entry = model.entry(path.to_string()).or_default();
                entry
                    .objects
                    .entry(object(*index) as usize)
                    .or_default()
                    .push((Some((*value).into()), local));
            }
            Node::Method(index) => {
                let entry = model.entry(path.to_string()).or_default();
                entry.objects.entry(object(*index) as usize).or_default().push((None, local));
            }
            Node::Noise(_) => {}
        }
    }
}

fn expected(entry: &Entry, name: ObjectName) -> Answer<u64> {
    match entry.objects.get(&(name as usize)).and_then(|all| all.first()) {
        None => Answer::Absent,
        Some(_) if entry.definitions > 1 => Answer::Conditional,
        Some((_, true)) => Answer::Conditional,
        Some((Some(value), _)) => Answer::Constant(*value),
        Some((None, _)) => Answer::Method,
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read(first in nodes(), second in nodes(), third in nodes()) {
        let mut model = BTreeMap::new();
        for nodes in [&first, &second, &third] {
            define(nodes, "\\", false, false, &mut model);
        }
        let tables = [dsdt(&write(&first)), ssdt(&write(&second)), ssdt(&write(&third))];
        let mut storage = vec![Device::EMPTY; 256];
        let mut report = |finding: Finding| assert_eq!(finding.rule.id(), "aml.duplicate", "{}", finding.in_full());
        let devices = read_devices(tables.iter().map(Vec::as_slice), &mut storage, &mut report);
        let defined = model.values().filter(|entry| entry.definitions > 0).count();
        prop_assert_eq!(devices.iter().count(), defined);
        for device in devices.iter() {
            let entry = &model[&device.path.to_string()];
            for name in ObjectName::ALL {
                let answer = device.value(name).and_then(|value: Value<'_>| value.integer());
                prop_assert_eq!(answer, expected(entry, name), "{} {:?}", device.path, name);
            }
        }
    }
}
