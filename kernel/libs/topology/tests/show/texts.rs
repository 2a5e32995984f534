//! Tests of the forms in which people send tables: mail, listings, packed files, other encodings, folders, and pipes.
use std::ffi::OsString;
use std::io::Write;
use std::process::{Command, Stdio};

use super::support::run_with;
use super::{Folder, dump, events, events_of, madt, run, slit, srat};

/// The topology event and findings of three tables, and the text of their dump.
fn expected(folder: &Folder) -> (super::support::Events, String) {
    let files = [folder.file("1", madt()), folder.file("2", srat()), folder.file("3", slit())];
    (events(&files), dump(&madt()) + &dump(&srat()) + &dump(&slit()))
}

#[test]
fn white_space_between_columns_may_be_any() {
    let folder = Folder::new("space");
    let (expected, text) = expected(&folder);
    let collapsed: String =
        text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ") + "\n").collect();
    for (name, text) in [
        ("tabs", text.replace("    ", "\t")),
        ("tab-after-colon", text.replace(": ", ":\t")),
        ("tabs-between-bytes", collapsed.replace(' ', "\t")),
        ("collapsed", collapsed),
        ("no-break", text.replace(' ', "\u{a0}")),
        ("no-indent", text.lines().map(|line| line.trim_start().to_owned() + "\n").collect()),
        ("trailing", text.replace('\n', " \t \n")),
    ] {
        assert_eq!(events(&[folder.file(name, text)]), expected, "{name}");
    }
}

#[test]
fn quoted_mail_is_read() {
    let folder = Folder::new("mail");
    let (expected, text) = expected(&folder);
    for mark in ["> ", ">", "> > ", ">>\t"] {
        let quoted: String = text.lines().map(|line| format!("{mark}{line}\n")).collect();
        let mail = format!("On Monday, somebody wrote: of 10: 20\n{quoted}\nThanks: a lot\n");
        assert_eq!(events(&[folder.file("mail", mail)]), expected, "{mark:?}");
    }
}

#[test]
fn utf_16_is_read_with_and_without_a_byte_order_mark() {
    let folder = Folder::new("utf-16");
    let (expected, text) = expected(&folder);
    for text in [text.clone(), format!("\u{feff}{text}")] {
        let little: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let big: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
        assert_eq!(events(&[folder.file("little", little)]), expected);
        assert_eq!(events(&[folder.file("big", big)]), expected);
    }
}

/// Returns the bytes as the program `gzip` packs them, or `None` without that program.
fn gzip(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut gzip =
        Command::new("gzip").arg("-c").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().ok()?;
    gzip.stdin.take()?.write_all(bytes).ok()?;
    Some(gzip.wait_with_output().ok()?.stdout)
}

#[test]
fn packed_files_are_read_and_damaged_ones_are_named() {
    let folder = Folder::new("gzip");
    let (expected, text) = expected(&folder);
    let Some(packed) = gzip(text.as_bytes()) else {
        println!("skipped: there is no gzip");
        return;
    };
    assert_eq!(events(&[folder.file("text.gz", &packed)]), expected);
    let raw = gzip(&[madt(), srat(), slit()].concat()).unwrap();
    assert_eq!(events(&[folder.file("raw.gz", raw)]), expected);
    // A name and a comment in the header, each with a zero at its end.
    let named = [&packed[..3], &[8 | 16], &packed[4..10], b"name\0", b"comment\0", &packed[10..]].concat();
    assert_eq!(events(&[folder.file("named.gz", named)]), expected);
    let mut wrong = packed.clone();
    *wrong.last_mut().unwrap() ^= 1;
    for (damaged, complaint) in [
        (&packed[..10], "the gzip file is cut"),
        (&packed[..packed.len() / 2], "the gzip file cannot be unpacked"),
        (&wrong, "the gzip file's checksum is wrong"),
    ] {
        let shown = run([folder.file("damaged.gz", damaged)]);
        assert_eq!((shown.status, &shown.out[..]), (1, ""));
        assert!(shown.complaints.contains(complaint), "{}", shown.complaints);
    }
}

/// Returns the listing that `iasl -d` writes for a table, with some of its fields.
fn listing(table: &[u8]) -> String {
    let name = String::from_utf8_lossy(&table[..4]);
    let lines: String = dump(table).lines().skip(1).map(|line| line.to_owned() + "\n").collect();
    format!(
        "/*\n * Intel ACPI Component Architecture\n * Disassembly of {name}.dat\n *\n * ACPI Data Table [{name}]\n */\n\n\
         [000h 0000   4]                    Signature : \"{name}\"    [A Table: with 00: colons]\n\
         [004h 0004   4]                 Table Length : {:08X}\n\n\
         Raw Table Data: Length {} (0x{:X})\n\n{lines}",
        table.len(),
        table.len(),
        table.len()
    )
}

#[test]
fn listings_of_iasl_are_read_from_their_raw_bytes() {
    let folder = Folder::new("listing");
    let (expected, _) = expected(&folder);
    let files = [madt(), srat(), slit()].map(|table| {
        let name = format!("{}.dsl", String::from_utf8_lossy(&table[..4]));
        folder.file(&name, listing(&table))
    });
    assert_eq!(events(&files), expected);
    let commented = files.clone().map(|file| {
        let text = std::fs::read_to_string(&file).unwrap();
        // Newer versions have slashes in front of the letters.
        let lines = text.lines().map(|line| match line.split_at_checked(4 + 6 + 48) {
            Some((bytes, letters)) if line.starts_with("    0") => format!("{bytes} // {letters}\n"),
            _ => format!("{line}\n"),
        });
        folder.file("commented.dsl", lines.collect::<String>())
    });
    assert_eq!(events(&commented[2..]), events(&[folder.file("slit", slit())]));
    let joined: String = [madt(), srat(), slit()].iter().map(|table| listing(table)).collect();
    assert_eq!(events(&[folder.file("all.dsl", joined)]), expected);
}

#[test]
fn a_folder_stands_for_the_files_in_it() {
    let folder = Folder::new("folder");
    let (expected, _) = expected(&folder);
    std::fs::create_dir(folder.0.join("dynamic")).unwrap();
    assert_eq!(events(std::slice::from_ref(&folder.0)), expected);
    let stray = folder.file("notes", "nothing about tables");
    let shown = run([OsString::from("--json"), folder.0.clone().into()]);
    assert_eq!(events_of(&shown), expected);
    assert_eq!((shown.status, shown.complaints.contains(&stray.display().to_string())), (1, true));
}

#[test]
fn a_dash_stands_for_the_standard_input() {
    let folder = Folder::new("dash");
    let (expected, text) = expected(&folder);
    assert_eq!(events_of(&run_with(["--json", "-"], text.as_bytes())), expected);
    assert_eq!(events_of(&run_with(["--json", "-"], &[madt(), srat(), slit()].concat())), expected);
    let nothing = run_with(["-"], b"");
    assert_eq!((nothing.status, &nothing.out[..]), (1, ""));
    assert_eq!(nothing.complaints, "show: standard input: it contains no ACPI table\n");
}
