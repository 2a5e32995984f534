//! The log on the screen, as pictures of the screen show it: with BIOS and UEFI, in several modes, and without serial ports.
mod common;

use boot::event::Bench;
use boot::{Firmware, Machine, Screenshot, Verdict, driver};
use common::shown::{COMPLETE, LIMIT, layout, mode, rows, shows, starts, watch};
use text_screen::reader::{Picture, letter};
use text_screen::{MachinePicture, NodeLook};

/// Returns the number of rows above the text, which the picture of this many nodes takes once boot is complete.
fn rows_above(shot: &Screenshot, nodes: usize) -> usize {
    let (_, _, count) = layout(shot);
    if starts(shot, 30)[0].starts_with(" Proxima: ") {
        MachinePicture::new(&mode(shot), nodes, count * 2 / 3).expect("there is one").lines()
    } else {
        0
    }
}

/// Boots a machine of this many nodes until the screen shows a row that begins in this way. Asserts that the text is the end of the
/// serial log.
#[track_caller]
fn assert_shows_the_log(machine: &Machine, nodes: usize, start: &str) -> Screenshot {
    let (shot, serial) = watch(machine, start);
    let (_, columns, _) = layout(&shot);
    let wrap = |line: &str| line.as_bytes().chunks(columns).map(<[u8]>::to_vec).collect::<Vec<_>>();
    let log: Vec<String> = serial
        .lines()
        .flat_map(wrap)
        .map(|part| String::from_utf8_lossy(&part).trim_end().to_owned())
        .collect();
    let rows = rows(&shot);
    let last = rows.iter().rposition(|row| !row.is_empty()).expect("text");
    let shown = &rows[rows_above(&shot, nodes)..=last];
    // Lines may have come after the picture.
    let end = log.iter().rposition(|line| *line == rows[last]).unwrap_or_else(|| panic!("{:?}", rows[last]));
    assert!(shown.len() >= 10, "{rows:?}");
    assert_eq!(shown, &log[end + 1 - shown.len()..=end]);
    shot
}

#[test]
fn the_screen_has_the_end_of_the_log_under_bios() {
    let shot = assert_shows_the_log(&Machine::two_nodes().without_parameters(), 2, COMPLETE);
    assert!(shot.width >= 1024, "the loader takes a large mode: {} times {}", shot.width, shot.height);
}

#[test]
fn the_screen_has_the_end_of_the_log_under_uefi() {
    assert_shows_the_log(&Machine::two_nodes().firmware(Firmware::Uefi).without_parameters(), 2, COMPLETE);
}

#[test]
fn the_first_lines_are_there_if_all_fit() {
    // Without drivers, the log is short. With an empty ramdisk, the first line would be a warning.
    let image = common::Image::new(Firmware::Bios, "log=info", &[]);
    let machine = Machine::without_numa(1, 128).image(image.path()).without_parameters();
    let shot = assert_shows_the_log(&machine, 1, COMPLETE);
    let rows = rows(&shot);
    assert!(rows[rows_above(&shot, 1)].starts_with("INFO  numa: Found 1 NUMA node"), "{rows:?}");
}

#[test]
fn the_machine_is_above_the_log_when_boot_is_complete() {
    let (shot, _) = watch(&Machine::two_nodes().without_parameters(), " Proxima: 2 nodes, 4 CPUs");
    let (font, _, count) = layout(&shot);
    let picture = MachinePicture::new(&mode(&shot), 2, count * 2 / 3).unwrap();
    let pixels = Picture { width: shot.width, pixels: &shot.pixels };
    let read = |node, line| {
        let (x, y) = picture.line_in_box(node, line);
        let letter =
            |index| letter(pixels, font, (x + index * font.width(), y)).map_or('\u{fffd}', char::from);
        (0..16).map(letter).collect::<String>().trim_end().to_owned()
    };
    for node in 0..2 {
        assert_eq!(read(node, 0), format!("node {node}"));
        let memory = read(node, 2);
        let (used, total) = memory.split_once(" of ").unwrap_or_else(|| panic!("{memory:?}"));
        let (used_mib, total_mib) = (used.parse().unwrap(), 256);
        assert_eq!(total, format!("{total_mib} MiB"));
        // Of the bar, as much is green as memory is in use.
        let look = NodeLook { used_mib, total_mib, loads: &[], devices: 0 };
        let (bar, width) = picture.bar(node, &look);
        let at = |x| shot.pixel(x, bar.y + bar.height / 2).unwrap();
        let is_green = |[red, green, blue]: [u8; 3]| green > red && green > blue;
        let green = (bar.x..bar.x + bar.width).filter(|x| is_green(at(*x))).count();
        assert!(used_mib > 0 && green.abs_diff(width) <= 1, "{green} of {width} for {memory}");
    }
    assert_eq!(read(1, 4), "2 devices", "the NVMe disk and its port");
}

/// What the screen shows of a node: its memory in use in MiB, the width of the bar's part that says so, that of the bar, and the
/// brightness of its CPUs' squares.
struct Shown {
    used_mib: u64,
    green: usize,
    bar: usize,
    cpus: Vec<u32>,
}

/// Reads the box of a node with two CPUs. Returns `None` if the machine is not shown yet.
fn shown(shot: &Screenshot, node: usize) -> Option<Shown> {
    if !starts(shot, 30)[0].starts_with(" Proxima: ") {
        return None;
    }
    let (font, _, count) = layout(shot);
    let picture = MachinePicture::new(&mode(shot), 2, count * 2 / 3)?;
    let pixels = Picture { width: shot.width, pixels: &shot.pixels };
    let (x, y) = picture.line_in_box(node, 2);
    let text: String = (0..12)
        .map(|index| letter(pixels, font, (x + index * font.width(), y)).map_or('\u{fffd}', char::from))
        .collect();
    let used_mib = text.split(" of ").next()?.parse().ok()?;
    let look = NodeLook { used_mib, total_mib: 256, loads: &[0, 0], devices: 0 };
    let (bar, _) = picture.bar(node, &look);
    let at = |x| shot.pixel(x, bar.y + bar.height / 2);
    let is_green = |x: &usize| at(*x).is_some_and(|[red, green, blue]| green > red && green > blue);
    let green = (bar.x..bar.x + bar.width).filter(is_green).count();
    let cpus = (0..2).map(|cpu| {
        let (x, y) = picture.square(node, cpu, 2);
        shot.pixel(x, y).map_or(0, |pixel| pixel.into_iter().map(u32::from).sum())
    });
    Some(Shown { used_mib, green, bar: bar.width, cpus: cpus.collect() })
}

#[test]
fn bars_follow_memory_and_squares_follow_load() {
    let folder = tempfile::tempdir().unwrap();
    let image = folder.path().join("disk.img");
    driver::build_test_image(&["in_turns"], &image).unwrap();
    let machine = Machine::two_nodes().disks([]).image(image).without_parameters();
    // Busy, then idle, then busy again: how much was in use.
    let mut turns: Vec<u64> = Vec::new();
    let mut other = Vec::new();
    let (picture, _) = machine
        .watch_screen(LIMIT, |shot| {
            let (Some(near), Some(far)) = (shown(shot, 0), shown(shot, 1)) else { return false };
            for node in [&near, &far] {
                let expected = node.used_mib as usize * node.bar / 256;
                assert!(node.green.abs_diff(expected) <= 2, "{} of {} pixels", node.green, node.bar);
            }
            // A turn is longer than the squares need. While they fade, the picture says nothing.
            let (is_bright, is_dark) = (far.cpus[1] > 400, far.cpus[1] < 200);
            if turns.len().is_multiple_of(2) && is_bright && far.used_mib >= 96 {
                turns.push(far.used_mib);
                other.push((near.used_mib, far.cpus[0]));
            } else if !turns.len().is_multiple_of(2) && is_dark && far.used_mib < 96 {
                turns.push(far.used_mib);
            }
            turns.len() == 3
        })
        .unwrap();
    assert_eq!(turns.len(), 3);
    assert!((96..100).contains(&(turns[0] - turns[1])) && turns[0] == turns[2], "{turns:?}");
    // The other node's memory and this node's other CPU have nothing to do with it.
    assert!(other.iter().all(|(used, brightness)| *used < 60 && *brightness < 300), "{other:?}");
    assert!(shown(&picture, 0).is_some_and(|node| node.cpus.iter().all(|cpu| *cpu < 400)));
}

/// Returns the instructions of the boot of this machine.
fn instructions(machine: Machine) -> u64 {
    let run = common::boot(&machine.counting(0).parameters("bench"), Verdict::Success);
    let measured: Vec<Bench> = run.events_of("bench");
    measured.iter().find(|bench| bench.name == "boot.kernel").expect("it is measured").ticks
}

#[test]
fn the_screen_costs_the_boot_at_most_a_twentieth() {
    // Time passes at once on this clock while a thread waits for a disk of the host, so there is none.
    let machine = || Machine::two_nodes().disks([]);
    let with = instructions(machine());
    let without = instructions(machine().without_screen());
    println!("the screen: {with} instructions of the boot with it, {without} without");
    assert!(with <= without + without / 20, "{with} instructions with a screen, {without} without");
}

#[test]
fn small_video_memory_is_enough() {
    let machine = Machine::without_numa(1, 128).arguments(["-vga", "none", "-device", "VGA,vgamem_mb=2"]);
    let (shot, _) = machine.without_parameters().watch_screen(LIMIT, |shot| shows(shot, COMPLETE)).unwrap();
    assert!(shot.width * shot.height * 3 <= 2 << 20);
}

#[test]
fn a_machine_without_serial_ports_shows_its_log() {
    let machine = Machine::two_nodes().without_log_port().without_event_port().without_parameters();
    let (shot, serial) = machine.watch_screen(LIMIT, |shot| shows(shot, COMPLETE)).unwrap();
    assert_eq!(serial, "");
    assert!(rows(&shot).iter().any(|row| row.starts_with("INFO  drivers: ")), "{:?}", rows(&shot));
}

#[test]
fn a_panic_is_on_the_screen() {
    for firmware in [Firmware::Bios, Firmware::Uefi] {
        let machine = Machine::two_nodes().firmware(firmware).parameters("fault=panic").without_debug_exit();
        assert_shows_the_log(&machine, 2, "ERROR verdict: failure");
    }
}

#[test]
fn faults_that_hold_the_logs_lock_or_fault_again_are_on_the_screen() {
    for (fault, last) in [("log", "ERROR verdict: failure"), ("nested", "ERROR verdict: failure")] {
        let machine = Machine::two_nodes().parameters(&format!("fault={fault}")).without_debug_exit();
        let machine = machine.without_log_port().without_event_port();
        let (shot, _) = machine.watch_screen(LIMIT, |shot| shows(shot, last)).unwrap();
        assert!(rows(&shot).iter().any(|row| row.starts_with("ERROR fault: ")), "{:?}", rows(&shot));
    }
}

#[test]
fn a_success_is_on_the_screen_when_the_machine_has_ended() {
    let machine = Machine::two_nodes().without_debug_exit();
    assert_shows_the_log(&machine, 2, COMPLETE);
}
