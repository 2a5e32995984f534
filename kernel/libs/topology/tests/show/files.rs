//! Tests of files that contain more or less than a table: no part of them is skipped silently.
use super::{Folder, dump, events, madt, run, slit, srat};

#[test]
fn a_byte_order_mark_changes_nothing() {
    let folder = Folder::new("mark");
    let text = dump(&srat()) + &dump(&slit());
    let expected = events(&[folder.file("plain", &text)]);
    assert_eq!(expected.1["source"], "srat");
    assert_eq!(events(&[folder.file("marked", format!("\u{feff}{text}"))]), expected);
}

#[test]
fn raw_tables_that_follow_each_other_in_a_file_are_each_read() {
    let folder = Folder::new("joined");
    let tables = [srat(), slit(), madt()];
    let joined = folder.file("joined", tables.concat());
    let files: Vec<_> = (0..).zip(&tables).map(|(n, table)| folder.file(&format!("{n}"), table)).collect();
    assert_eq!(events(std::slice::from_ref(&joined)), events(&files));
    let shown = run([joined]);
    assert_eq!(shown.complaints, "");
    for line in ["  SRAT      264 bytes  ", "  SLIT      108 bytes  ", "  APIC       76 bytes  "] {
        assert!(shown.out.contains(line), "{}", shown.out);
    }
}

#[test]
fn bytes_after_a_table_that_are_no_table_are_reported() {
    let folder = Folder::new("behind");
    let expected = events(&[folder.file("correct", srat())]);
    for rest in [&[0_u8; 9][..], b"SLIT", &[0xff; 100]] {
        let file = folder.file("longer", [&srat()[..], rest].concat());
        assert_eq!(events(std::slice::from_ref(&file)), expected);
        let complaint = format!("{} bytes after the SRAT are skipped", rest.len());
        let shown = run([file]);
        assert!(shown.complaints.contains(&complaint), "{}", shown.complaints);
    }
}

#[test]
fn lines_of_bytes_before_the_first_heading_are_reported() {
    let folder = Folder::new("before");
    let text = dump(&slit());
    let (_, headless) = text.split_once('\n').unwrap();
    let file = folder.file("dump", format!("Acpi dump: of a machine\n{headless}{}", dump(&srat())));
    assert_eq!(events(std::slice::from_ref(&file)), events(&[folder.file("correct", srat())]));
    let shown = run([file]);
    let complaint = "7 lines of bytes before the first heading are skipped\n";
    assert!(shown.complaints.ends_with(complaint), "{}", shown.complaints);
}

#[test]
fn a_table_of_a_dump_without_its_first_line_keeps_its_headings_name() {
    let folder = Folder::new("first");
    let text: String = dump(&srat()).split_inclusive('\n').filter(|line| !line.contains("0000:")).collect();
    let shown = run([folder.file("dump", text + &dump(&slit()))]);
    let finding = "SRAT at 0x0: the table has 0 bytes, but its header takes 36 [table.length, refused]";
    assert!(shown.out.contains(finding), "{}", shown.out);
    assert!(shown.out.contains("  SRAT        0 bytes  "), "{}", shown.out);
}
