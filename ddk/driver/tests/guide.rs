//! The code in Rust of docs/driver-guide.md compiles: drivers for the kernel's target, and tests for the host.
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What stands around a block that is a part of a driver of disks.
const PART: (&str, &str) = (
    "#![no_std]\n#![forbid(unsafe_code)]\nuse driver_kit::counter::Counter;\nuse driver_kit::device::Device;\n\
     use driver_kit::{parameter, warn};\npub struct Disk { pub failed: Counter }\n\
     pub fn add<'d>(device: Device<'d>, disk: &'d Disk, name: &str) -> u64 {\n",
    "queues\n}\n",
);

/// Returns the guide's code in Rust, a block each.
fn blocks() -> Vec<String> {
    let guide = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/driver-guide.md");
    let guide = fs::read_to_string(guide).expect("the guide is there");
    let blocks = guide.split("```rust\n").skip(1).filter_map(|rest| rest.split("```").next());
    blocks.map(str::to_owned).collect()
}

/// Writes a package that has these files beside its manifest, and returns its folder.
fn package(name: &str, manifest: &str, files: &[(String, String)]) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&folder);
    let ddk = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().expect("the kit is there");
    let manifest = format!(
        "[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n[workspace]\n\
         [dependencies]\ndriver_kit = {{ path = \"{ddk}/driver\" }}\n\
         [profile.dev]\npanic = \"abort\"\n{manifest}",
        ddk = ddk.display()
    );
    let manifest = ("Cargo.toml".to_owned(), manifest.replace("DDK", &ddk.display().to_string()));
    for (path, text) in files.iter().chain([&manifest]) {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().expect("a file is in a folder")).expect("a folder");
        fs::write(path, text).expect("the folder for test files is writable");
    }
    folder
}

/// Checks a package with cargo, which needs no network for it.
fn assert_checks(folder: &Path, words: &[&str]) {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("guide-target");
    let mut command = Command::new("cargo");
    command.args(["check", "--quiet", "--offline"]).args(words).arg("--target-dir").arg(target);
    let output = command.current_dir(folder).output().expect("cargo starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && !said.contains("warning"), "{said}");
}

#[test]
fn the_guides_drivers_compile_for_the_kernel() {
    let drivers = blocks().into_iter().filter_map(|block| {
        let is_whole = block.starts_with("#![no_std]");
        let is_part = block.starts_with("let queues = ");
        is_whole.then(|| block.clone()).or(is_part.then(|| format!("{}{block}{}", PART.0, PART.1)))
    });
    let mut files: Vec<_> =
        drivers.enumerate().map(|(index, driver)| (format!("examples/block_{index}.rs"), driver)).collect();
    assert_eq!(files.len(), 4, "the guide's drivers");
    let name = |index| format!("[[example]]\nname = \"block_{index}\"\ncrate-type = [\"rlib\"]\n");
    let manifest: String = (0..files.len()).map(name).collect();
    files.push(("src/lib.rs".into(), "#![no_std]\n".into()));
    assert_checks(
        &package("guide_drivers", &manifest, &files),
        &["--examples", "--target", "x86_64-unknown-none"],
    );
}

#[test]
fn the_guides_test_on_the_host_compiles() {
    let mut blocks = blocks();
    blocks.retain(|block| !block.starts_with("#![no_std]") && !block.starts_with("let queues = "));
    let [attribute, test] = blocks.as_slice() else { panic!("blocks of another kind: {blocks:#?}") };
    assert!(attribute.contains("no_std") && test.contains("driver_mock"));
    let files = [("src/lib.rs".into(), attribute.clone()), ("tests/on_host.rs".into(), test.clone())];
    let manifest = "[dev-dependencies]\ndriver_mock = { path = \"DDK/mock\" }\n";
    assert_checks(&package("my_driver", manifest, &files), &["--tests"]);
}
