//! The files of drivers in the ramdisk, each with the driver's name.
use super::pushed_files;
use crate::platform::ramdisk::{Path, Ramdisk};
use alloc::vec::Vec;
use driver_text::{NameError, file_name};
use spin::Once;

/// The ramdisk's folder of drivers.
const FOLDER: &str = "drivers/";

static RAMDISK: Once<&'static Ramdisk> = Once::new();

/// The folder's entries. Without memory for the list, each search reads the ramdisk.
static FILES: Once<Vec<File>> = Once::new();

/// Remembers the ramdisk, and lists its drivers.
pub fn init(ramdisk: &'static Ramdisk) {
    RAMDISK.call_once(|| ramdisk);
    if let Some(files) = list() {
        FILES.call_once(|| files);
    }
}

fn list() -> Option<Vec<File>> {
    let mut files: Vec<File> = Vec::new();
    for (path, bytes) in entries() {
        files.try_reserve(1).ok()?;
        files.push(File::new(path, bytes, files.iter().map(|file| file.path.as_str())));
    }
    Some(files)
}

/// One entry of the folder.
#[derive(Clone)]
pub struct File {
    /// Its path in the folder.
    pub path: Path,
    bytes: Option<&'static [u8]>,
    /// The bytes of the path that are the driver's name.
    name_bytes: Result<usize, NameError>,
}

impl File {
    /// Returns the entry with this path and these bytes. `earlier` are the paths of the entries before it.
    fn new(path: Path, bytes: Option<&'static [u8]>, earlier: impl IntoIterator<Item: AsRef<str>>) -> Self {
        let name_bytes = file_name(&path, earlier).map(str::len);
        Self { path, bytes, name_bytes }
    }

    /// Returns the driver's name and the file's bytes.
    ///
    /// # Errors
    /// [`NameError`]: the entry names no driver.
    pub fn driver(&self) -> Result<(&str, &'static [u8]), NameError> {
        let name = &self.path[..self.name_bytes?];
        Ok((name, self.bytes.ok_or(NameError::NotAFile)?))
    }
}

/// Returns the folder's entries, in the archive's order.
pub fn all() -> impl Iterator<Item = File> {
    let listed = FILES.get();
    let read = listed.is_none().then(read).into_iter().flatten();
    listed.into_iter().flatten().cloned().chain(read)
}

/// Reads the folder's entries from the ramdisk.
fn read() -> impl Iterator<Item = File> {
    let earlier = |index| entries().take(index).map(|(path, _)| path);
    entries().enumerate().map(move |(index, (path, bytes))| File::new(path, bytes, earlier(index)))
}

/// Reads the paths in the folder, each with the contents if it is a file.
fn entries() -> impl Iterator<Item = (Path, Option<&'static [u8]>)> {
    let entries = RAMDISK.get().into_iter().flat_map(|ramdisk| ramdisk.entries());
    entries.filter_map(|(path, bytes)| {
        let rest = path.strip_prefix(FOLDER).filter(|rest| !rest.is_empty())?;
        Some((Path::from(rest).ok()?, bytes))
    })
}

/// Returns the bytes of the driver of this name: those that were pushed, or else those of the ramdisk. The caller holds a
/// [`pushed_files::FilesInUse`], or has preemption or interrupts off.
pub fn find(name: &str) -> Option<&'static [u8]> {
    pushed_files::find(name).or_else(|| find_in_ramdisk(name))
}

fn find_in_ramdisk(name: &str) -> Option<&'static [u8]> {
    let bytes_of =
        |file: &File| file.driver().ok().filter(|(found, _)| *found == name).map(|(_, bytes)| bytes);
    match FILES.get() {
        Some(files) => files.iter().find_map(bytes_of),
        None => read().find_map(|file| bytes_of(&file)),
    }
}

/// Calls `work` with the name of each driver that has a file.
pub fn each_name(mut work: impl FnMut(&str)) {
    for file in all() {
        if let Ok((name, _)) = file.driver() {
            work(name);
        }
    }
    pushed_files::each_name(work);
}
