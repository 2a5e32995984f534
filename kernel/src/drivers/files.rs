//! The files of drivers in the ramdisk, each with the driver's name.
use crate::platform::ramdisk::{Path, Ramdisk};
use driver_text::{NameError, file_name};
use spin::Once;

/// The ramdisk's folder of drivers.
const FOLDER: &str = "drivers/";

static RAMDISK: Once<&'static Ramdisk> = Once::new();

/// Remembers the ramdisk.
pub fn init(ramdisk: &'static Ramdisk) {
    RAMDISK.call_once(|| ramdisk);
}

/// One entry of the folder.
pub struct File {
    /// Its path in the folder.
    pub path: Path,
    bytes: Option<&'static [u8]>,
    /// Its place in the folder.
    index: usize,
}

impl File {
    /// Returns the driver's name and the file's bytes.
    ///
    /// # Errors
    /// [`NameError`]: the entry names no driver.
    pub fn driver(&self) -> Result<(&str, &'static [u8]), NameError> {
        let earlier = all().take(self.index).map(|file| file.path);
        let name = file_name(&self.path, earlier)?;
        Ok((name, self.bytes.ok_or(NameError::NotAFile)?))
    }
}

/// Returns the folder's entries, in the archive's order.
pub fn all() -> impl Iterator<Item = File> {
    let entries = RAMDISK.get().into_iter().flat_map(|ramdisk| ramdisk.entries());
    let files = entries.filter_map(|(path, bytes)| {
        let rest = path.strip_prefix(FOLDER).filter(|rest| !rest.is_empty())?;
        Some((Path::from(rest).ok()?, bytes))
    });
    files.enumerate().map(|(index, (path, bytes))| File { path, bytes, index })
}

/// Returns the bytes of the driver of this name.
pub fn find(name: &str) -> Option<&'static [u8]> {
    all().find_map(|file| file.driver().ok().filter(|(found, _)| *found == name).map(|(_, bytes)| bytes))
}
