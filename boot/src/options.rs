//! The command line of `run.sh`.
use std::ffi::OsString;
use std::fs::File;
use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};
use boot::Firmware;
use lexopt::prelude::*;

use crate::new_driver::{Language, NewDriver};

/// What to do.
#[derive(PartialEq, Debug)]
pub enum Command {
    /// Boot once, for a person to read.
    Boot(Boot),
    /// Boot, with the terminal at the console.
    Shell(Boot),
    /// Send a driver, a file or a folder of its sources, to the kernel that runs under `shell`.
    Push { driver: PathBuf },
    /// Build the disk images, with these drivers beside the examples and these parameters of the kernel.
    Image { drivers: Vec<PathBuf>, parameters: Option<String> },
    /// Boot, measure, and show the measurements.
    Bench(Boot),
    /// Compare the page allocator or the heap with others.
    Compare { subject: Subject, arguments: Vec<OsString> },
    /// Make the folder of a driver.
    NewDriver(NewDriver),
    /// Run all tests, or those of a package, a test program or a soak; all of them, or those whose name contains a word.
    Test { name: Option<String>, filter: Option<String> },
    /// Run the sample of a soak, with images that are built. The tests call it.
    Sample { name: String },
    /// Check the form of the source text.
    Check,
    /// Build the documents as a book.
    Docs,
    /// Run all soaks, or one; the whole of it, or so much, or what a seed chooses.
    Soak { name: Option<String>, count: Option<u64>, seed: Option<u64> },
}

/// What is compared with others of its kind.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Subject {
    /// The page allocator.
    Pages,
    /// The heap.
    Heap,
}

/// What of the two-node machine can be chosen.
#[derive(PartialEq, Debug)]
pub struct Boot {
    /// The firmware.
    pub firmware: Firmware,
    /// The kernel's parameters beside `exit`.
    pub parameters: String,
    /// Drivers beside the examples: files, or folders of their sources.
    pub drivers: Vec<PathBuf>,
    /// Arguments that go to QEMU as they are.
    pub qemu: Vec<OsString>,
}

/// Reads the command line: a verb, then its options.
///
/// # Errors
/// A verb or option is unknown, lacks its value, or does not belong to the verb. A driver file cannot be read.
pub fn parse(mut parser: lexopt::Parser) -> Result<Command> {
    let verb = match parser.next()? {
        Some(Value(verb)) => verb.string()?,
        Some(other) => bail!("{}: no such verb or option (see --help)", shown(&other)),
        None => "boot".into(),
    };
    if verb == "push" {
        return push(parser);
    }
    if verb == "new-driver" {
        return new_driver(parser).map(Command::NewDriver);
    }
    let (boot, words) = options(parser, &verb)?;
    // An image without parameters has none.
    let image_parameters = Some(boot.parameters.clone()).filter(|parameters| !parameters.is_empty());
    for driver in &boot.drivers {
        let is_readable = driver.is_dir() || driver.is_file() && File::open(driver).is_ok();
        ensure!(is_readable, "{}: no such driver, neither a file nor a folder", driver.display());
    }
    let mut words = words.into_iter();
    Ok(match verb.as_str() {
        "boot" => Command::Boot(boot),
        "shell" => Command::Shell(boot),
        "image" => Command::Image { drivers: boot.drivers, parameters: image_parameters },
        "bench" => Command::Bench(boot),
        "compare" => {
            let subject = match words.next().as_deref() {
                None | Some("pages") => Subject::Pages,
                Some("heap") => Subject::Heap,
                Some(other) => bail!("{other}: compare is followed by pages or heap"),
            };
            Command::Compare { subject, arguments: boot.qemu }
        }
        "test" => Command::Test { name: words.next(), filter: words.next() },
        "sample" => Command::Sample { name: words.next().context("sample is followed by a soak's name")? },
        "check" => Command::Check,
        "docs" => Command::Docs,
        "soak" => {
            let name = words.next();
            let mut number = |what| {
                let word = words
                    .next()
                    .map(|word| word.parse().with_context(|| format!("the {what} of a soak is a number")));
                word.transpose()
            };
            Command::Soak { name, count: number("count")?, seed: number("seed")? }
        }
        _ => bail!("{verb}: no such verb or option (see --help)"),
    })
}

/// Reads the options behind a verb, and the words of the verbs that take some.
fn options(mut parser: lexopt::Parser, verb: &str) -> Result<(Boot, Vec<String>)> {
    let only = |option: &str, verbs: &[&str]| -> Result<()> {
        ensure!(verbs.contains(&verb), "{verb} takes no {option} (see --help)");
        Ok(())
    };
    // A person at the console runs the self-tests when they are wanted.
    let parameters = if ["shell", "image"].contains(&verb) { String::new() } else { "selftest".into() };
    let mut boot = Boot { firmware: Firmware::Bios, parameters, drivers: vec![], qemu: vec![] };
    let mut words = Vec::new();
    loop {
        // The words behind `--` are for another program.
        if let Some(mut raw) = parser.try_raw_args()
            && raw.next_if(|argument| argument == "--").is_some()
        {
            only("--", &["boot", "shell", "bench", "compare"])?;
            boot.qemu.extend(raw);
            return Ok((boot, words));
        }
        match parser.next()? {
            None => return Ok((boot, words)),
            Some(Long("firmware")) => {
                only("--firmware", &["boot", "shell", "bench"])?;
                let value = parser.value().ok().and_then(|value| value.string().ok());
                boot.firmware = value
                    .and_then(|name| name.parse().ok())
                    .context("--firmware is followed by bios or uefi")?;
            }
            Some(Long("cmdline")) => {
                only("--cmdline", &["boot", "shell", "image"])?;
                let value =
                    parser.value().ok().context("--cmdline is followed by the kernel's parameters")?;
                boot.parameters = value.string().context("--cmdline is not UTF-8")?;
            }
            Some(Long("drivers")) => {
                only("--drivers", &["boot", "shell", "bench", "image"])?;
                let files = parser.values().ok().context("--drivers is followed by files or folders")?;
                boot.drivers.extend(files.map(PathBuf::from));
            }
            Some(Value(word)) if verb == "soak" && words.len() < 3 => words.push(word.string()?),
            Some(Value(word)) if verb == "test" && words.len() < 2 => words.push(word.string()?),
            Some(Value(word)) if ["compare", "sample"].contains(&verb) && words.is_empty() => {
                words.push(word.string()?)
            }
            Some(other) => bail!("{}: no such verb or option (see --help)", shown(&other)),
        }
    }
}

/// Reads what follows the verb `push`.
fn push(mut parser: lexopt::Parser) -> Result<Command> {
    let driver = match parser.next()? {
        Some(Value(path)) => Some(PathBuf::from(path)),
        _ => None,
    };
    let is_only = parser.next()?.is_none();
    let driver = driver
        .filter(|_| is_only)
        .context("push is followed by a driver: a file, or a folder of its sources")?;
    ensure!(driver.exists(), "{}: no such driver, neither a file nor a folder", driver.display());
    Ok(Command::Push { driver })
}

/// Reads what follows the verb `new-driver`.
fn new_driver(mut parser: lexopt::Parser) -> Result<NewDriver> {
    let (mut folder, mut language, mut device) = (None, None, None);
    while let Some(argument) = parser.next()? {
        match argument {
            Long("c") if language.is_none() => language = Some(Language::C),
            Long("rust") if language.is_none() => language = Some(Language::Rust),
            Long("pci") if device.is_none() => {
                let value = parser.value().ok().and_then(|value| value.string().ok());
                let ids = value.as_deref().and_then(ids);
                device = Some(ids.context(
                    "--pci is followed by VENDOR:DEVICE, two numbers of up to 4 hexadecimal digits",
                )?);
            }
            Value(path) if folder.is_none() => folder = Some(PathBuf::from(path)),
            other => {
                bail!("{}: new-driver takes a NAME, --c or --rust, and --pci VENDOR:DEVICE", shown(&other))
            }
        }
    }
    let folder = folder.context("new-driver is followed by a NAME, or by a path that ends with it")?;
    let language = language.context("new-driver takes --c or --rust")?;
    Ok(NewDriver { folder, language, device })
}

/// Reads the vendor and the device of PCI devices: 1234:11e8.
fn ids(text: &str) -> Option<(u16, u16)> {
    let id = |digits: &str| {
        let is_plain = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        u16::from_str_radix(digits, 16).ok().filter(|_| is_plain)
    };
    let (vendor, device) = text.split_once(':')?;
    Some((id(vendor)?, id(device)?))
}

/// Returns an argument as the user has typed it.
fn shown(argument: &lexopt::Arg<'_>) -> String {
    match argument {
        Short(letter) => format!("-{letter}"),
        Long(name) => format!("--{name}"),
        Value(value) => value.to_string_lossy().into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(words: &str) -> Result<Command> {
        parse(lexopt::Parser::from_args(words.split_whitespace()))
    }

    fn refused(words: &str) -> String {
        format!("{:#}", read(words).unwrap_err())
    }

    fn boot(words: &str) -> Boot {
        match read(words).unwrap() {
            Command::Boot(boot) | Command::Bench(boot) => boot,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_boot_without_options_is_of_bios_with_selftest() {
        let plain =
            Boot { firmware: Firmware::Bios, parameters: "selftest".into(), drivers: vec![], qemu: vec![] };
        assert_eq!(boot(""), plain);
        assert_eq!(boot("boot"), plain);
    }

    #[test]
    fn a_shell_has_the_options_of_a_boot_and_no_selftest() {
        let shell = |words: &str| match read(words).unwrap() {
            Command::Shell(boot) => boot,
            other => panic!("{other:?}"),
        };
        assert_eq!(shell("shell").parameters, "");
        let chosen = shell("shell --firmware uefi --cmdline log=debug -- -m 1G");
        assert_eq!((chosen.firmware, chosen.parameters.as_str()), (Firmware::Uefi, "log=debug"));
        assert_eq!(chosen.qemu, ["-m", "1G"]);
    }

    #[test]
    fn an_image_has_parameters_if_they_are_given() {
        let image = |parameters: Option<&str>| Command::Image {
            drivers: vec![],
            parameters: parameters.map(Into::into),
        };
        assert_eq!(read("image").unwrap(), image(None));
        assert_eq!(read("image --cmdline report").unwrap(), image(Some("report")));
    }

    #[test]
    fn one_driver_is_pushed() {
        assert_eq!(read("push .").unwrap(), Command::Push { driver: ".".into() });
        assert_eq!(refused("push missing.so"), "missing.so: no such driver, neither a file nor a folder");
        assert!(refused("push").starts_with("push is followed by a driver"));
        assert!(refused("push . .").starts_with("push is followed by a driver"));
    }

    #[test]
    fn options_of_boot_are_read_in_any_order() {
        let options = boot("boot --cmdline bench --firmware uefi -- -m 1G --firmware");
        assert_eq!((options.firmware, options.parameters.as_str()), (Firmware::Uefi, "bench"));
        assert_eq!(options.qemu, ["-m", "1G", "--firmware"]);
    }

    #[test]
    fn drivers_are_files_or_folders_up_to_the_next_option() {
        let file = file!();
        let folder = std::env::current_dir().unwrap();
        let path = folder.ancestors().map(|folder| folder.join(file)).find(|path| path.is_file()).unwrap();
        let options = boot(&format!("bench --drivers {0} {0} --firmware bios", path.display()));
        assert_eq!(options.drivers, [path.clone(), path]);
        assert_eq!(boot("boot --drivers .").drivers, [PathBuf::from(".")]);
        let missing = "missing.so: no such driver, neither a file nor a folder";
        assert_eq!(refused("image --drivers missing.so"), missing);
        assert_eq!(refused("image --drivers"), "--drivers is followed by files or folders");
    }

    #[test]
    fn a_soak_may_have_a_name_a_count_and_a_seed() {
        let soak =
            |name: Option<&str>, count, seed| Command::Soak { name: name.map(Into::into), count, seed };
        assert_eq!(read("soak").unwrap(), soak(None, None, None));
        assert_eq!(read("soak loom").unwrap(), soak(Some("loom"), None, None));
        assert_eq!(read("soak boots 3").unwrap(), soak(Some("boots"), Some(3), None));
        assert_eq!(read("soak exports 3 17").unwrap(), soak(Some("exports"), Some(3), Some(17)));
        assert!(refused("soak boots three").starts_with("the count of a soak is a number"));
        assert!(refused("soak exports 3 none").starts_with("the seed of a soak is a number"));
    }

    #[test]
    fn a_test_may_have_the_names_of_its_program_and_its_own() {
        let test = |name: Option<&str>, filter: Option<&str>| Command::Test {
            name: name.map(Into::into),
            filter: filter.map(Into::into),
        };
        assert_eq!(read("test").unwrap(), test(None, None));
        assert_eq!(read("test boot:disks").unwrap(), test(Some("boot:disks"), None));
        assert_eq!(read("test disks reads").unwrap(), test(Some("disks"), Some("reads")));
        assert!(refused("test disks reads writes").contains("no such verb or option"));
        assert!(refused("sample").starts_with("sample is followed by"));
    }

    #[test]
    fn a_comparison_is_of_pages_unless_the_heap_is_named() {
        let compare = |subject, arguments: &[&str]| Command::Compare {
            subject,
            arguments: arguments.iter().map(OsString::from).collect(),
        };
        assert_eq!(read("compare").unwrap(), compare(Subject::Pages, &[]));
        assert_eq!(read("compare heap -- counts").unwrap(), compare(Subject::Heap, &["counts"]));
        assert_eq!(
            read("compare -- --crate bitmap").unwrap(),
            compare(Subject::Pages, &["--crate", "bitmap"])
        );
        assert_eq!(refused("compare threads"), "threads: compare is followed by pages or heap");
    }

    #[test]
    fn a_new_driver_has_a_name_a_language_and_perhaps_a_device() {
        let new = |folder: &str, language, device| {
            Command::NewDriver(NewDriver { folder: folder.into(), language, device })
        };
        assert_eq!(read("new-driver my --c").unwrap(), new("my", Language::C, None));
        let with_device = new("a/my", Language::Rust, Some((0x1234, 0x11e8)));
        assert_eq!(read("new-driver --pci 1234:11E8 a/my --rust").unwrap(), with_device);
        let wrong = [
            "new-driver",
            "new-driver my",
            "new-driver --c",
            "new-driver my --c --rust",
            "new-driver my your --c",
            "new-driver my --c --pci",
            "new-driver my --c --pci 1234",
            "new-driver my --c --pci 1234:12345",
            "new-driver my --c --pci +123:1",
            "new-driver my --c --firmware uefi",
        ];
        wrong.into_iter().for_each(|words| _ = read(words).unwrap_err());
    }

    #[test]
    fn an_option_of_another_verb_is_refused() {
        assert_eq!(refused("check --firmware uefi"), "check takes no --firmware (see --help)");
        assert_eq!(refused("bench --cmdline x"), "bench takes no --cmdline (see --help)");
        assert_eq!(refused("test -- -m"), "test takes no -- (see --help)");
        assert_eq!(refused("boot --firmware grub"), "--firmware is followed by bios or uefi");
        assert_eq!(refused("boot --verbose"), "--verbose: no such verb or option (see --help)");
        assert_eq!(refused("tset"), "tset: no such verb or option (see --help)");
    }
}
