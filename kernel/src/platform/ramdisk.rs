//! The ramdisk: an uncompressed tar archive that the boot loader has put into memory. The crate `tar-no-std` reads it.
use tar_no_std::TarArchiveRef;

/// The ramdisk's files. Without a ramdisk, or without an archive in it, there are none.
pub struct Ramdisk {
    archive: Option<TarArchiveRef<'static>>,
}

impl Ramdisk {
    /// Opens the archive in the bytes that the boot loader passed. Refuses a damaged archive as a whole, with a warning.
    pub fn open(bytes: Option<&'static [u8]>) -> Self {
        let archive = bytes.and_then(|bytes| match TarArchiveRef::new(bytes) {
            Ok(archive) => Some(archive),
            Err(error) => {
                log::warn!(target: "ramdisk", "it is not used, because it is not a tar archive: {error}");
                None
            }
        });
        Self { archive }
    }

    /// Returns each file's path and contents. Leaves out a file whose path is not UTF-8, with a warning.
    pub fn files(&self) -> impl Iterator<Item = (alloc::string::String, &'static [u8])> {
        self.archive.iter().flat_map(TarArchiveRef::entries).filter_map(|entry| {
            match entry.filename().as_str() {
                Ok(path) => Some((path.into(), entry.data())),
                Err(_) => {
                    log::warn!(target: "ramdisk", "a file is left out, because its path is not UTF-8");
                    None
                }
            }
        })
    }

    /// Returns the contents of the file at `path`.
    pub fn file(&self, path: &str) -> Option<&'static [u8]> {
        let mut entries = self.archive.iter().flat_map(TarArchiveRef::entries);
        entries.find(|entry| entry.filename().as_str() == Ok(path)).map(|entry| entry.data())
    }
}
