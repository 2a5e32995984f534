//! Tests of the pictures: nothing overlaps or is cut, the file is XML, and the pictures of the README are current.
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use acpi_tables::DeviceHandle;
use acpi_tables::builder::{
    TableBuilder, generic_initiator, latency_and_bandwidth, memory_affinity, side_cache, x2apic_affinity,
};
use acpi_tables::wire::SratMemoryAffinity;
use roxmltree::{Document, Node};
use units::{ApicId, ProximityDomain};

use super::machines;
use super::support::{Folder, Shown, run, run_with};

/// An upper bound of a glyph's width in thousandths of the font's size, for monospaced fonts.
const GLYPH: i64 = 610;
const FONT_SIZE: i64 = 13;

/// A rectangle: left, top, right, bottom.
#[derive(Clone, Copy, PartialEq, Debug)]
struct Area(i64, i64, i64, i64);

impl Area {
    fn overlaps(self, other: Self) -> bool {
        self.0 < other.2 && other.0 < self.2 && self.1 < other.3 && other.1 < self.3
    }

    fn contains(self, other: Self) -> bool {
        self.0 <= other.0 && other.2 <= self.2 && self.1 <= other.1 && other.3 <= self.3
    }
}

fn number(node: Node<'_, '_>, name: &str) -> i64 {
    node.attribute(name).unwrap_or_else(|| panic!("{name} of {node:?}")).parse().expect("a whole number")
}

fn has_class(node: Node<'_, '_>, class: &str) -> bool {
    node.attribute("class").is_some_and(|classes| classes.split(' ').any(|it| it == class))
}

fn areas(document: &Document<'_>, class: &str) -> Vec<Area> {
    let boxes = document.descendants().filter(|node| node.has_tag_name("rect") && has_class(*node, class));
    boxes
        .map(|it| {
            let (x, y) = (number(it, "x"), number(it, "y"));
            Area(x, y, x + number(it, "width"), y + number(it, "height"))
        })
        .collect()
}

fn texts(document: &Document<'_>) -> Vec<(Area, String)> {
    let texts = document.descendants().filter(|node| node.has_tag_name("text"));
    texts
        .map(|it| {
            let text = it.text().unwrap_or("").to_owned();
            let width = (text.chars().count() as i64 * FONT_SIZE * GLYPH).div_euclid(1000) + 1;
            let x = number(it, "x") - if has_class(it, "middle") { width / 2 } else { 0 };
            // Letters reach up to the ascent, and 3 pixels below the baseline.
            (Area(x, number(it, "y") - 10, x + width, number(it, "y") + 3), text)
        })
        .collect()
}

/// Draws the machine of these tables.
fn draw(tables: &[Vec<u8>]) -> String {
    let Shown { status, out, complaints } =
        run_with(["--svg", "-", "-"].map(OsString::from), &tables.concat());
    assert_eq!((status, &complaints[..]), (0, ""));
    out
}

/// Checks that nothing overlaps or is cut. Returns the texts.
fn check(name: &str, picture: &str) -> Vec<String> {
    let document = Document::parse(picture).unwrap_or_else(|error| panic!("{name}: {error}"));
    let root = document.root_element();
    let page = Area(0, 0, number(root, "width"), number(root, "height"));
    assert_eq!(areas(&document, "page"), [page], "{name}: the background covers the picture");
    for tag in ["script", "image", "a", "foreignObject", "use"] {
        assert!(!document.descendants().any(|node| node.has_tag_name(tag)), "{name}: <{tag}>");
    }
    assert!(
        !picture.contains("url(") && !picture.contains("@import"),
        "{name}: nothing comes from elsewhere"
    );

    let (nodes, labels, texts) = (areas(&document, "node"), areas(&document, "label"), texts(&document));
    let solid: Vec<Area> = nodes.iter().chain(&labels).copied().collect();
    for (index, area) in solid.iter().enumerate() {
        assert!(page.contains(*area), "{name}: {area:?} is cut");
        assert!(solid[..index].iter().all(|other| !area.overlaps(*other)), "{name}: {area:?} overlaps");
    }
    for (index, (area, text)) in texts.iter().enumerate() {
        assert!(page.contains(*area), "{name}: {text:?} is cut at {area:?}");
        let overlapped = texts[..index].iter().find(|(other, _)| area.overlaps(*other));
        assert_eq!(overlapped, None, "{name}: {text:?} at {area:?} overlaps");
        for it in solid.iter().chain(&areas(&document, "cpu")) {
            assert!(!it.overlaps(*area) || it.contains(*area), "{name}: {text:?} crosses {it:?}");
        }
    }
    for class in ["memory", "hot", "persistent", "room", "cpu"] {
        let inside = |it: &Area| nodes.iter().any(|node| node.contains(*it)) || it.2 - it.0 == 12;
        assert!(areas(&document, class).iter().all(inside), "{name}: {class} outside of its node");
    }
    texts.into_iter().map(|(_, text)| text).collect()
}

/// A machine of equal nodes with domains far apart.
fn machine(nodes: u32, cpus_of_node: u32, domain: impl Fn(u32) -> u32) -> Vec<Vec<u8>> {
    let domain = |node| ProximityDomain(domain(node));
    let cpus = (0..nodes * cpus_of_node).map(|cpu| x2apic_affinity(ApicId(cpu), domain(cpu % nodes)));
    let memory =
        (0..nodes).map(|node| memory_affinity(u64::from(node) << 34, 1 << (20 + node % 14), domain(node)));
    vec![TableBuilder::srat(3).entries(cpus).entries(memory).build()]
}

fn ring_slit(nodes: u32) -> Vec<u8> {
    let steps = |from: u32, to: u32| from.abs_diff(to).min(nodes - from.abs_diff(to));
    let value = |from, to| {
        if from == to { 10 } else { 10 + steps(from, to).min(120) as u8 * 2 - u8::from(from > to) }
    };
    let matrix: Vec<u8> = (0..nodes).flat_map(|from| (0..nodes).map(move |to| value(from, to))).collect();
    TableBuilder::slit(nodes.into(), &matrix).build()
}

#[test]
fn pictures_of_one_to_128_nodes_have_no_overlaps() {
    for nodes in (1..=9).chain([16, 20, 21, 48, 49, 64, 100, 128]) {
        for cpus in [0, 1, 4, 7] {
            let mut tables = machine(nodes, cpus, |node| node);
            tables.push(ring_slit(nodes));
            let texts = check(&format!("{nodes} nodes, {cpus} CPUs"), &draw(&tables));
            let heads = texts.iter().filter(|text| text.starts_with("node "));
            assert!(heads.count() >= nodes as usize, "{nodes}: every node has its name");
        }
    }
}

#[test]
fn every_distance_of_up_to_eight_nodes_has_its_number() {
    for nodes in 2..=8 {
        let mut tables = machine(nodes, 4, |node| node);
        tables.push(ring_slit(nodes));
        let picture = draw(&tables);
        let document = Document::parse(&picture).unwrap();
        let pairs = (nodes * (nodes - 1) / 2) as usize;
        let lines = document.descendants().filter(|node| node.has_tag_name("line")).count();
        assert_eq!((lines, areas(&document, "label").len()), (pairs, pairs), "{nodes} nodes");
    }
}

/// Returns tables with all that a picture may contain, for this many nodes.
fn rich_machine(nodes: u32) -> Vec<Vec<u8>> {
    // Long domains, persistent memory, hot-pluggable memory, devices, side caches, latency.
    let domain = |node: u32| u32::MAX - nodes + node;
    let [srat] = &machine(nodes, 1000 / nodes, domain)[..] else { unreachable!() };
    let device = |device: u32| {
        let handle = DeviceHandle::Acpi { hid: *b"<&>\"\x1b\xff\x00]", uid: u32::MAX - device };
        generic_initiator(handle, ProximityDomain(domain(device % (nodes + 1))))
    };
    let range = |(slot, node): (u32, u32), flags: u32| {
        let base = (1 << 44) + (u64::from(slot) << 38);
        let mut entry = memory_affinity(base, (1 << 38) - (1 << 30), ProximityDomain(domain(node)));
        entry.flags = (SratMemoryAffinity::ENABLED | flags).into();
        entry
    };
    let entries = (0..nodes).flat_map(|node| {
        let hot = range((node * 2, node), SratMemoryAffinity::HOT_PLUGGABLE);
        [hot, range((node * 2 + 1, node), SratMemoryAffinity::NON_VOLATILE)]
    });
    let srat = TableBuilder::srat(3).entry(&srat[48..]).entries(entries).entries((0..60).map(device)).build();
    let domains: Vec<u32> = (0..nodes).map(domain).collect();
    let latencies: Vec<u16> = (0..nodes * nodes).map(|index| index as u16 * 3 + 1).collect();
    let mut hmat =
        TableBuilder::hmat(2).entry(&latency_and_bandwidth(0, 9_999, &domains, &domains, &latencies)[..]);
    for &domain in &domains {
        hmat = hmat.entry(&side_cache(ProximityDomain(domain), 64 << 30, [1, 1, 1, 1], 64, &[])[..]);
    }
    vec![srat, hmat.build()]
}

#[test]
fn long_names_and_all_kinds_of_memory_have_room() {
    for nodes in [1, 2, 3, 5, 8, 9, 20, 64, 125] {
        let picture = draw(&rich_machine(nodes));
        let texts = check(&format!("{nodes} rich nodes"), &picture);
        assert!(texts.iter().any(|text| text.starts_with("persistent ")), "{nodes}: {texts:?}");
        assert!(texts.iter().any(|text| text.starts_with("hot-pluggable ")), "{nodes}: {texts:?}");
        assert!(texts.iter().any(|text| text.contains("latency (ns)")), "{nodes}: {texts:?}");
        let has = |part| texts.iter().any(|text| text.contains(part));
        assert!(has("initiator ACPI <&>") || nodes > 60, "{nodes}: {texts:?}");
        assert!(has(" device"), "{nodes}: {texts:?}");
        assert!(picture.len() < 2 << 20, "{nodes}: the size is bounded");
    }
}

#[test]
fn findings_are_listed_in_whole_and_their_number_is_bounded() {
    let mut tables = machine(8, 4, |node| node);
    tables.push(TableBuilder::slit(8, &[9; 64]).build());
    let picture = draw(&tables);
    let texts = check("findings", &picture);
    let start = texts.iter().position(|text| text == "Findings").expect("a heading");
    let all = texts[start + 1..].iter().map(|text| text.trim()).collect::<Vec<_>>().join(" ");
    assert!(all.contains("slit.diagonal") && all.contains("slit.distance"), "{all}");
    let many = machine(100, 1, |node| node);
    let picture = draw(&[many, vec![TableBuilder::slit(100, &[9; 10_000]).build()]].concat());
    let texts = check("many findings", &picture);
    let listed = texts.iter().filter(|text| text.starts_with("SLIT at ")).count();
    assert_eq!(listed, 2 * 17, "each rule has 16 findings and a count of the others");
}

#[test]
fn the_same_machine_has_the_same_picture_in_any_order_of_its_tables() {
    let mut tables = rich_machine(8);
    let picture = draw(&tables);
    tables.reverse();
    assert_eq!(draw(&tables), picture);
}

#[test]
fn the_option_writes_a_file_and_nothing_else() {
    let folder = Folder::new("picture");
    let (file, srat) = (folder.0.join("machine.svg"), folder.file("srat", super::srat()));
    let arguments = |format: &str, file: &Path| [OsString::from(format), file.into(), srat.clone().into()];
    let shown = run(arguments("--svg", &file));
    assert_eq!((shown.status, &shown.out[..], &shown.complaints[..]), (0, "", ""));
    check("file", &fs::read_to_string(&file).unwrap());

    let nowhere = folder.0.join("nowhere/machine.svg");
    let shown = run(arguments("--svg", &nowhere));
    assert_eq!(shown.status, 1);
    assert!(shown.complaints.contains("cannot be written"), "{}", shown.complaints);
    let shown = run(["--json", "--svg", "-", "-"]);
    assert_eq!(shown.status, 2);
}

#[test]
fn the_pictures_of_the_readme_are_current() {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../docs/pictures"));
    let pictures = BTreeMap::from([
        ("two-nodes.svg", machines::two_nodes()),
        ("eight-nodes.svg", machines::sun_fire_x4600_m2()),
    ]);
    for (name, tables) in pictures {
        let picture = draw(&tables);
        check(name, &picture);
        let file = folder.join(name);
        if std::env::var_os("PROXIMA_BLESS").is_some() {
            fs::write(&file, &picture).unwrap();
        }
        let kept = fs::read_to_string(&file).unwrap_or_default();
        assert!(
            kept == picture,
            "{} is old: PROXIMA_BLESS=1 cargo test -p topology --test show",
            file.display()
        );
    }
}
