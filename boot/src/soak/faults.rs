//! The soak `faults`: drivers with one wrong instruction each are loaded, used, and unloaded, many in a boot. None may cost the machine.
//!
//! An image has the mutants in the order of their numbers, and behind each one the driver `uses_disks`, which uses and unloads it. After some of
//! them come sound drivers, which must work.
mod mutant;
mod session;

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use boot::{Verdict, artifacts, driver};
use tempfile::TempDir;

use mutant::{Mutant, Original};
use session::{Loss, Session};

use crate::soak::together;

/// The first mutant.
const SEED: u64 = 1;
/// The most mutants of one boot.
const OF_A_BOOT: u64 = 200;
/// After so many mutants, sound drivers must work.
const CHECK_EACH: u64 = 25;
/// The drivers that are changed, in turn, and how many disks each serves. The last one has threads, and uses much memory.
const DRIVERS: [(&str, i64); 3] = [("nvme", 1), ("virtio_blk", 1), ("gc_regions", 0)];
/// The flags of gc_regions. Without them, half of the soak's time would be its.
const LITTLE_WORK: [&str; 2] = ["-DROUNDS=2", "-DOBJECTS=6000"];
/// The drivers that must work.
const SOUND: [&str; 2] = ["nvme", "virtio_blk"];

/// How long the boot may take until the first driver starts, on a host that has other work.
const BOOT_LIMIT: Duration = Duration::from_secs(180);
/// How long a mutant may take: the kernel waits 10 s for each of a driver's functions, and then says so. On the counting clock, a CPU that loops
/// with interrupts off while no timer is set runs until 2 s of the guest have passed, for each tick of the CPU that watches it. That CPU asks the
/// other one after 64 ticks at the earliest.
const MUTANT_LIMIT: Duration = Duration::from_secs(400);

/// What `ddk/tests/uses_disks` returns if all disks have served well, plus their number; and if a request is lost.
const WELL: i64 = 10;
const REQUEST_LOST: i64 = 30;
/// What stands before the names of the drivers that it unloads, in its file, and how long each of the two names is.
const NAMES_MARK: &[u8] = b"to be unloaded:\0";
const NAME_BYTES: usize = 32;

/// What has become of a mutant.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Outcome {
    /// It did what the sound driver does.
    Unseen,
    /// Its requests failed, or did not end in time.
    Wrong,
    /// It was not loaded, or its `Driver_Init` returned an error.
    Refused,
    /// It has failed, and the kernel has ended it.
    Failed,
    /// It starts for ever, or does not end within 10 s. The machine goes on; another one takes the next mutant, which may need the same disk.
    Slow,
}

/// How many mutants had each outcome.
#[derive(Default)]
struct Counts {
    mutants: u64,
    of: [u64; 5],
    /// How many have crashed QEMU itself, by what they do with a device.
    crashes: u64,
    lost: Vec<String>,
}

/// Loads so many mutants, from the one with the number `seed` on.
///
/// # Errors
/// A machine is lost, or cannot be booted.
pub fn soak(count: u64, seed: Option<u64>) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let parts = Parts::build(folder.path())?;
    let first = seed.unwrap_or(SEED);
    let numbers = first..first + count;
    let (counts, begin) = (Mutex::new(Counts::default()), Instant::now());
    together::each(chunks(numbers), |chunk| {
        let (mut next, end) = (chunk.start, chunk.end);
        while next < end {
            let mut of_boot = Counts::default();
            let after = one_boot(&parts, next..end, &mut of_boot)?;
            of_boot.mutants = after - next;
            next = after;
            let mut counts = counts.lock().expect("nothing panics with the lock");
            counts.add(of_boot);
            let rate = counts.mutants as f64 / begin.elapsed().as_secs_f64();
            println!("soak faults: {} mutants, {rate:.1} a second: {counts}", counts.mutants);
        }
        Ok(())
    })?;
    let counts = counts.into_inner().expect("nothing panics with the lock");
    for lost in &counts.lost {
        println!("  {lost}");
    }
    ensure!(counts.lost.is_empty(), "{} machines are lost", counts.lost.len());
    Ok(())
}

/// Divides the numbers among boots. A number is in the same chunk whatever the first one is, so that its machine has the same clock.
fn chunks(numbers: Range<u64>) -> Vec<Range<u64>> {
    let chunks = chunk_of(numbers.start)..=chunk_of(numbers.end - 1);
    let chunk = |chunk| numbers.start.max(chunk * OF_A_BOOT)..numbers.end.min((chunk + 1) * OF_A_BOOT);
    chunks.map(chunk).collect()
}

/// Returns which chunk a mutant is in.
fn chunk_of(number: u64) -> u64 {
    number / OF_A_BOOT
}

impl std::fmt::Display for Counts {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [unseen, wrong, refused, failed, slow] = self.of;
        write!(
            out,
            "{unseen} did nothing visible, {wrong} served wrongly, {refused} were refused, {failed} failed, {slow} did not start or \
             end within 10 s, {} crashed QEMU itself, {} machines were lost",
            self.crashes,
            self.lost.len()
        )
    }
}

/// An image, which is removed with its drivers when this is dropped.
struct Image {
    file: PathBuf,
    _folder: TempDir,
}

/// What images are made of.
struct Parts {
    folder: PathBuf,
    originals: Vec<Original>,
    sound: Vec<Vec<u8>>,
    user: Vec<u8>,
}

impl Parts {
    fn build(folder: &Path) -> Result<Self> {
        let build = |name: &str| {
            let file = folder.join(name);
            if name == "gc_regions" {
                let source = artifacts::workspace().join("ddk/tests/gc_regions/gc_regions.c");
                driver::compile_with(&LITTLE_WORK, &[source], &file)?;
            } else {
                driver::build_named(name, &file)?;
            }
            mutant::stripped(&file)
        };
        let original = |&(name, disks): &(&'static str, i64)| {
            Original::new(name, disks, build(name)?, &folder.join("original"))
        };
        fs::write(folder.join("witness.so"), build("witness")?)?;
        Ok(Self {
            folder: folder.to_owned(),
            originals: DRIVERS.iter().map(original).collect::<Result<_>>()?,
            sound: SOUND.iter().map(|name| build(name)).collect::<Result<_>>()?,
            user: build("uses_disks")?,
        })
    }

    fn mutant(&self, number: u64) -> Mutant {
        self.originals[(number % self.originals.len() as u64) as usize].mutant(number)
    }

    /// Builds the image with these mutants.
    fn image(&self, numbers: &Range<u64>) -> Result<Image> {
        let folder = tempfile::tempdir_in(&self.folder)?;
        let mut drivers = vec![self.folder.join("witness.so")];
        let mut add = |name: &str, file: &[u8]| {
            let path = folder.path().join(format!("{name}.so"));
            drivers.push(path.clone());
            fs::write(path, file)
        };
        for number in numbers.clone() {
            let name = format!("m{number}");
            add(&name, &self.mutant(number).file)?;
            add(&format!("u{number}"), &self.user_of(&[&name])?)?;
            if is_check_due(numbers, number) {
                let names = SOUND.map(|name| format!("{name}_{number}"));
                for (name, file) in names.iter().zip(&self.sound) {
                    add(name, file)?;
                }
                add(&format!("check{number}"), &self.user_of(&names.each_ref().map(String::as_str))?)?;
            }
        }
        let file = folder.path().join("faults.img");
        driver::build_image(&file, &drivers)?;
        Ok(Image { file, _folder: folder })
    }

    /// Returns the driver that uses the disks and unloads these drivers.
    fn user_of(&self, names: &[&str]) -> Result<Vec<u8>> {
        let mut file = self.user.clone();
        let mark = file.windows(NAMES_MARK.len()).position(|bytes| bytes == NAMES_MARK);
        let mut at = mark.context("uses_disks has no room for names")? + NAMES_MARK.len();
        for name in names {
            file[at..at + name.len()].copy_from_slice(name.as_bytes());
            at += NAME_BYTES;
        }
        Ok(file)
    }
}

/// Returns true if sound drivers follow this mutant in the image with these.
fn is_check_due(numbers: &Range<u64>, number: u64) -> bool {
    number + 1 == numbers.end || (number + 1 - numbers.start).is_multiple_of(CHECK_EACH)
}

/// Boots a machine with these mutants. Returns the number of the first one that another machine must load.
fn one_boot(parts: &Parts, numbers: Range<u64>, counts: &mut Counts) -> Result<u64> {
    let image = parts.image(&numbers)?;
    let mut session = Session::start(&image.file, chunk_of(numbers.start))?;
    let begun = session.wait_for(BOOT_LIMIT, |line| line.contains("drivers: witness loaded").then_some(()));
    begun.map_err(|loss| session.explain(&loss)).context("the machine does not boot")?;
    let mut unchecked = numbers.start;
    for number in numbers.clone() {
        let mutant = parts.mutant(number);
        let mut seen = watch(&mut session, number, &mutant);
        if let Ok(outcome) = seen {
            counts.of[outcome as usize] += 1;
            if outcome == Outcome::Slow {
                return Ok(number + 1);
            }
            if is_check_due(&numbers, number) {
                seen = watch_sound(&mut session, number).map(|()| outcome);
            } else {
                continue;
            }
        } else {
            unchecked = number;
        }
        if let Err(loss) = seen {
            if loss == Loss::Reset && session.end(BOOT_LIMIT)?.is_crash_of_qemu() {
                counts.crashes += 1;
            } else {
                counts.lose(&session, &loss, unchecked..number + 1, &mutant);
            }
            return Ok(number + 1);
        }
        unchecked = number + 1;
    }
    let verdict = session.end(BOOT_LIMIT)?;
    ensure!(verdict == Verdict::Success, "the machine with mutants {numbers:?} has ended so: {verdict}");
    Ok(numbers.end)
}

/// Reads the log until a mutant has been used and unloaded.
///
/// # Errors
/// The machine is lost.
fn watch(session: &mut Session, number: u64, mutant: &Mutant) -> Result<Outcome, Loss> {
    let (own, user) = (format!("drivers: m{number} "), format!("drivers: u{number} "));
    let (mut has_failed, mut is_refused) = (false, false);
    let code = session.wait_for(MUTANT_LIMIT, |line| {
        has_failed |= line.contains(&format!("{own}failed"));
        is_refused |= line.contains(&format!("{own}refused"));
        if line.contains(&format!("{own}is still starting")) {
            return Some(None);
        }
        used(line, &user)
    })?;
    match code {
        Some(REQUEST_LOST) => Err(Loss::Check("a request has not ended".into())),
        None => Ok(Outcome::Slow),
        Some(_) if has_failed => Ok(Outcome::Failed),
        Some(_) if is_refused => Ok(Outcome::Refused),
        Some(code) if code == WELL + mutant.disks => Ok(Outcome::Unseen),
        Some(_) => Ok(Outcome::Wrong),
    }
}

/// Returns what a copy of the driver `uses_disks` has returned, if the line says that it has ended: `None` if it starts for too long, -1 if it
/// has failed, as it may by a fault of the driver whose functions write to its memory.
fn used(line: &str, user: &str) -> Option<Option<i64>> {
    let (_, how) = line.split_once(user)?;
    let code = how.strip_prefix("refused: Driver_Init returned ").and_then(|code| code.parse().ok());
    let is_slow = how.starts_with("is still starting");
    let has_failed = how.starts_with("ended after its failure");
    if is_slow { Some(None) } else { code.or(has_failed.then_some(-1)).map(Some) }
}

/// Reads the log until the sound drivers behind a mutant have been used.
///
/// # Errors
/// The machine is lost. [`Loss::Check`] if they have not served, or if other drivers or the kernel have lost something.
fn watch_sound(session: &mut Session, number: u64) -> Result<(), Loss> {
    let user = format!("drivers: check{number} ");
    let code = session.wait_for(MUTANT_LIMIT, |line| used(line, &user))?;
    if code != Some(WELL + SOUND.len() as i64) {
        return Err(Loss::Check(format!("sound drivers do not serve: {code:?}")));
    }
    match session.log().iter().find(|line| is_damage(line)) {
        Some(line) => Err(Loss::Check(line.clone())),
        None => Ok(()),
    }
}

/// Returns true if a line of the log says that a sound driver, or the kernel, has lost something.
fn is_damage(line: &str) -> bool {
    let of_witness = line.contains(" witness: ") && line.contains("does not hold");
    // A host that has other work may stop a CPU in a handler.
    let has_failed = line.contains("drivers: witness failed") && !line.contains("has run for");
    of_witness || has_failed || line.contains("the kernel's thread")
}

impl Counts {
    /// Adds those of a boot.
    fn add(&mut self, other: Self) {
        self.of.iter_mut().zip(other.of).for_each(|(own, other)| *own += other);
        self.mutants += other.mutants;
        self.crashes += other.crashes;
        self.lost.extend(other.lost);
    }

    /// Notes that a machine is lost by one of these mutants, probably the last one.
    fn lose(&mut self, session: &Session, loss: &Loss, numbers: Range<u64>, last: &Mutant) {
        let (count, first) = (numbers.end - numbers.start, numbers.start);
        let text = format!("./run.sh soak faults {count} {first}: {loss:?} ({})", last.what);
        eprintln!("{:#}\nsoak faults: a machine is lost: {text}", session.explain(loss));
        self.lost.push(text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_user_is_read_from_the_log() {
        let user = "drivers: u17 ";
        assert_eq!(used("WARN  drivers: u17 refused: Driver_Init returned 21", user), Some(Some(21)));
        assert_eq!(
            used("WARN  drivers: u17 ended after its failure; it left 1 threads", user),
            Some(Some(-1))
        );
        assert_eq!(used("WARN  drivers: u17 is still starting: Driver_Init has not", user), Some(None));
        assert_eq!(used("WARN  drivers: u1 refused: Driver_Init returned 21", user), None);
    }

    #[test]
    fn a_mutant_is_in_the_same_chunk_whatever_the_first_one_is() {
        assert_eq!(chunks(1..450), [1..200, 200..400, 400..450]);
        assert_eq!(chunks(217..219), vec![217..219]);
    }

    #[test]
    fn sound_drivers_follow_the_last_mutant_and_some_before() {
        let numbers = 100..160;
        let due: Vec<_> = numbers.clone().filter(|number| is_check_due(&numbers, *number)).collect();
        assert_eq!(due, [124, 149, 159]);
    }
}
