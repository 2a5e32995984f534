//! The verb `new-driver`: makes a folder with a driver that builds and boots, from a template of `ddk/templates`.
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use boot::artifacts;

use crate::command::{cargo, run};

/// The most bytes of a driver's name in the structures of the ABI.
const LONGEST_NAME: usize = 31;
/// Names that Rust has a meaning for.
const RESERVED: &str = "abi alloc as async await break const continue core crate driver_kit dyn else enum extern false fn for \
    gen if impl in let loop match mod move mut proc_macro pub ref return self static std struct super test trait true try \
    type union unsafe use where while yield abstract become box do final macro override priv typeof unsized virtual";

/// A driver that is to be made.
#[derive(PartialEq, Debug)]
pub struct NewDriver {
    /// Its folder, whose last part is its name.
    pub folder: PathBuf,
    /// Its language.
    pub language: Language,
    /// The vendor and the device of the PCI devices that it drives, if it drives any.
    pub device: Option<(u16, u16)>,
}

/// What a driver is written in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Language {
    /// C.
    C,
    /// Rust.
    Rust,
}

/// Makes the folder, and says what comes next.
///
/// # Errors
/// The name is not one for a driver, or a driver of the examples has it; the folder is there, or cannot be made. Then nothing is.
pub fn create(new: &NewDriver) -> Result<()> {
    let name =
        new.folder.file_name().and_then(|name| name.to_str()).context("the path does not end with a name")?;
    check_name(name)?;
    let example = artifacts::workspace().join("ddk/examples").join(name);
    ensure!(!example.exists(), "{name}: an example has this name, and is loaded beside your driver");
    ensure!(!new.folder.exists(), "{}: there is such a file or folder already", new.folder.display());
    fs::create_dir(&new.folder).with_context(|| new.folder.display().to_string())?;
    let made = fill(new, name);
    if made.is_err() {
        // What this has made is of no use. The reason is reported, whether or not it can be removed.
        let _ = fs::remove_dir_all(&new.folder);
    }
    made?;
    println!("{}", next_step(new, name));
    Ok(())
}

/// Refuses what is no name of a file, a crate and a driver.
fn check_name(name: &str) -> Result<()> {
    let mut bytes = name.bytes();
    let is_well_formed = bytes.next().is_some_and(|first| first.is_ascii_lowercase())
        && bytes.all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
        && name.len() <= LONGEST_NAME;
    ensure!(
        is_well_formed,
        "{name}: a driver's name begins with a small letter and has small letters, digits and _ only, {LONGEST_NAME} at most"
    );
    ensure!(!RESERVED.split_whitespace().any(|word| word == name), "{name}: the word has a meaning in Rust");
    Ok(())
}

/// Writes the driver's files into its folder, which is empty.
fn fill(new: &NewDriver, name: &str) -> Result<()> {
    let (template, placeholder) = template(new);
    copy(&template, &new.folder, &|text| adapt(text, placeholder, name, new.device))?;
    if new.language == Language::Rust {
        // For `cargo` and editors in the folder.
        let toolchain = artifacts::workspace().join("rust-toolchain.toml");
        fs::copy(&toolchain, new.folder.join("rust-toolchain.toml"))
            .with_context(|| toolchain.display().to_string())?;
        let manifest = new.folder.canonicalize()?.join("Cargo.toml");
        let mut lock = cargo(&["generate-lockfile", "--quiet", "--offline", "--manifest-path"]);
        run(lock.arg(manifest).stdin(Stdio::null()))?;
    }
    Ok(())
}

/// Returns the folder of the template, and the name that its driver has there.
fn template(new: &NewDriver) -> (PathBuf, &'static str) {
    let (folder, placeholder) = match (new.language, new.device) {
        (Language::C, None) => ("c", "my_driver"),
        (Language::C, Some(_)) => ("c_device", "my_device"),
        (Language::Rust, None) => ("rust", "my_driver"),
        (Language::Rust, Some(_)) => ("rust_device", "my_device"),
    };
    (artifacts::workspace().join("ddk/templates").join(folder), placeholder)
}

/// Copies the files of a folder, and of those in it, with another text. `Cargo.lock` is written anew by Cargo.
fn copy(from: &Path, to: &Path, adapt: &dyn Fn(&str) -> String) -> Result<()> {
    for entry in fs::read_dir(from).with_context(|| from.display().to_string())? {
        let path = entry?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
        let target = to.join(adapt(name));
        if path.is_dir() {
            fs::create_dir(&target).with_context(|| target.display().to_string())?;
            copy(&path, &target, adapt)?;
        } else if name != "Cargo.lock" {
            let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
            fs::write(&target, adapt(&text)).with_context(|| target.display().to_string())?;
        }
    }
    Ok(())
}

/// Returns a text of a template with the driver's name, its device, and the place of the kit.
fn adapt(text: &str, placeholder: &str, name: &str, device: Option<(u16, u16)>) -> String {
    let kit = artifacts::workspace().join("ddk").display().to_string();
    // A path in a string of TOML.
    let kit = kit.replace('\\', r"\\").replace('"', "\\\"");
    let mut text = text.replace(placeholder, name).replace("path = \"../../", &format!("path = \"{kit}/"));
    if let Some((vendor, device)) = device {
        text = text.replace("0x1234", &format!("{vendor:#06x}")).replace("0x11e8", &format!("{device:#06x}"));
        text = text.replace("1234:11e8", &format!("{vendor:04x}:{device:04x}"));
    }
    text
}

/// Returns what to do with the driver.
fn next_step(new: &NewDriver, name: &str) -> String {
    let folder = &new.folder;
    let source = match new.language {
        Language::C => folder.join(name).with_added_extension("c"),
        Language::Rust => folder.join("src/lib.rs"),
    };
    let script = artifacts::workspace().join("run.sh");
    let machine = match new.device {
        None => "",
        Some((0x1234, 0x11e8)) => " -- -device edu",
        Some(_) => " -- -device MODEL",
    };
    let test = match new.language {
        Language::C => {
            let script = artifacts::workspace().join("ddk/mock/test.sh");
            format!("{} {}", quoted(&script), quoted(folder))
        }
        Language::Rust => format!("(cd {} && cargo test)", quoted(folder)),
    };
    let says = if new.device.is_some() { "found" } else { "Hello from" };
    format!(
        "The driver is {}. Build and boot it:\n\n    {} --drivers {}{machine}\n\nThe log then has a line \"{name}: {says} ...\". \
         This tests it without a machine:\n\n    {test}\n\ndocs/driver-guide.md goes on from there.",
        source.display(),
        quoted(&script),
        quoted(folder),
    )
}

/// Returns a path as a shell takes it.
fn quoted(path: &Path) -> String {
    let path = path.display().to_string();
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-+".contains(&byte);
    if path.bytes().all(is_plain) { path } else { format!("'{}'", path.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new(folder: &Path, language: Language) -> NewDriver {
        NewDriver { folder: folder.into(), language, device: None }
    }

    #[test]
    fn a_name_is_one_of_a_file_and_of_a_crate() {
        for name in ["a", "my_driver2", "x".repeat(LONGEST_NAME).as_str()] {
            check_name(name).unwrap();
        }
        let longer = "x".repeat(LONGEST_NAME + 1);
        for name in
            ["", "2fast", "_a", "My", "my-driver", "my driver", "über", "fn", "core", "test", longer.as_str()]
        {
            check_name(name).unwrap_err();
        }
    }

    #[test]
    fn what_is_there_stays_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let mine = folder.path().join("mine");
        fs::create_dir(&mine).unwrap();
        fs::write(mine.join("mine.c"), "mine").unwrap();
        let error = create(&new(&mine, Language::C)).unwrap_err();
        assert!(error.to_string().ends_with("there is such a file or folder already"), "{error}");
        assert_eq!(fs::read_to_string(mine.join("mine.c")).unwrap(), "mine");
        assert_eq!(fs::read_dir(&mine).unwrap().count(), 1);
    }

    #[test]
    fn a_refused_driver_makes_no_folder() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["Wrong", "hello", "missing/mine"] {
            create(&new(&folder.path().join(name), Language::C)).unwrap_err();
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn no_placeholder_is_left() {
        let folder = tempfile::tempdir().unwrap();
        for (language, file) in [(Language::C, "abc.c"), (Language::Rust, "src/lib.rs")] {
            for device in [None, Some((0x8086, 0xf))] {
                let name = "abc";
                let driver = NewDriver { folder: folder.path().join(name), language, device };
                create(&driver).unwrap();
                let text = fs::read_to_string(driver.folder.join(file)).unwrap();
                assert!(
                    ["my_driver", "my_device", "0x1234", "11e8"].iter().all(|word| !text.contains(word)),
                    "{text}"
                );
                assert!(text.contains("abc"), "{text}");
                assert_eq!(
                    text.contains("0x8086") && text.contains("0x000f") && text.contains("8086:000f"),
                    device.is_some()
                );
                fs::remove_dir_all(&driver.folder).unwrap();
            }
        }
    }

    #[test]
    fn a_path_is_quoted_if_a_shell_would_divide_it() {
        assert_eq!(quoted(Path::new("/home/me/x_1")), "/home/me/x_1");
        assert_eq!(quoted(Path::new("my drivers/it's")), r"'my drivers/it'\''s'");
    }
}
