//! Definition blocks for tests: those of real machines where there are any, and those that `iasl` compiles.
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{fs, process};

/// The definition blocks of one machine.
pub struct Machine {
    pub name: String,
    /// The DSDT, then the SSDTs.
    pub blocks: Vec<Vec<u8>>,
}

/// Returns true if these bytes start with the signature of a definition block.
fn is_block(bytes: &[u8]) -> bool {
    bytes.starts_with(b"DSDT") || bytes.starts_with(b"SSDT")
}

/// Returns the machines of real firmware that this host has: those of the collection of tables next to the repository, this
/// host itself, and the DSDT that comes with SeaBIOS.
pub fn real() -> Vec<Machine> {
    let mut machines = Vec::new();
    let collection = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../../shared/tables");
    for folder in ["qemu", "real"] {
        let mut found = BTreeMap::<String, Vec<Vec<u8>>>::new();
        for (file, bytes) in files(&collection.join(folder)) {
            let machine = file.rsplit_once("__").map_or(&file[..], |(machine, _)| machine);
            found.entry(machine.to_string()).or_default().push(bytes);
        }
        machines.extend(found.into_iter().map(|(name, blocks)| Machine { name, blocks }));
    }
    let host = files(Path::new("/sys/firmware/acpi/tables"));
    let blocks: Vec<_> = host.into_iter().map(|(_, bytes)| bytes).collect();
    machines.push(Machine { name: "this host".to_string(), blocks });
    let dsdt = fs::read("/usr/share/seabios/acpi-dsdt.aml").ok().filter(|bytes| is_block(bytes));
    machines.push(Machine { name: "SeaBIOS".to_string(), blocks: dsdt.into_iter().collect() });
    machines.retain(|machine| !machine.blocks.is_empty());
    machines
}

/// Returns the definition blocks among a folder's files, the DSDT first.
fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let read = entries.filter_map(|entry| {
        let name = entry.file_name().into_string().ok()?;
        Some((name, fs::read(entry.path()).ok().filter(|bytes| is_block(bytes))?))
    });
    let mut found: Vec<_> = read.collect();
    found.sort_by_key(|(name, bytes)| (bytes[0], name.clone()));
    found
}

/// Returns the machine of `tests/asl`, or `None` if there is no `iasl` to compile it.
pub fn compiled() -> Option<Machine> {
    let folder = scratch_folder("compiled");
    let blocks = ["two_sockets", "two_sockets_more"].map(|name| {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/asl").join(name);
        run(Command::new("iasl")
            .arg("-oa")
            .arg("-p")
            .arg(folder.join(name))
            .arg(source.with_extension("asl")))?;
        Some(fs::read(folder.join(name).with_extension("aml")).expect("iasl wrote it"))
    });
    let _ = fs::remove_dir_all(&folder);
    Some(Machine { name: "tests/asl".to_string(), blocks: blocks.into_iter().collect::<Option<_>>()? })
}

/// Runs `iasl`. Returns `None` if there is none.
///
/// # Panics
/// Panics if it fails.
pub fn run(command: &mut Command) -> Option<()> {
    match command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status() {
        Ok(status) => assert!(status.success(), "{command:?} fails"),
        Err(error) if error.kind() == ErrorKind::NotFound => return None,
        Err(error) => panic!("{command:?}: {error}"),
    }
    Some(())
}

/// Creates a folder for one use by this test.
pub fn scratch_folder(use_: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{use_}-{}", process::id()));
    fs::create_dir_all(&folder).expect("cargo's own folder is writable");
    folder
}
