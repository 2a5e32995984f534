//! The ramdisk: files that the boot loader brings along, as an uncompressed tar archive, read by `tar-no-std`.
use tar_no_std::TarArchiveRef;

/// The ramdisk's files; none where there is no ramdisk, or no archive in it.
pub struct Ramdisk {
    archive: Option<TarArchiveRef<'static>>,
}

impl Ramdisk {
    /// Looks at the bytes that the boot loader brought. An archive that is damaged is refused whole, with a warning.
    pub fn open(bytes: Option<&'static [u8]>) -> Self {
        let archive = bytes.and_then(|bytes| match TarArchiveRef::new(bytes) {
            Ok(archive) => Some(archive),
            Err(error) => {
                log::warn!(target: "ramdisk", "it is not used, being no tar archive: {error}");
                None
            }
        });
        Self { archive }
    }

    /// Each file's path and contents. A file whose path is not text is left out with a warning.
    pub fn files(&self) -> impl Iterator<Item = (alloc::string::String, &'static [u8])> {
        self.archive.iter().flat_map(TarArchiveRef::entries).filter_map(|entry| {
            match entry.filename().as_str() {
                Ok(path) => Some((path.into(), entry.data())),
                Err(_) => {
                    log::warn!(target: "ramdisk", "a file is left out, as its path is not text");
                    None
                }
            }
        })
    }

    /// The contents of the file at `path`.
    pub fn file(&self, path: &str) -> Option<&'static [u8]> {
        let mut entries = self.archive.iter().flat_map(TarArchiveRef::entries);
        entries.find(|entry| entry.filename().as_str() == Ok(path)).map(|entry| entry.data())
    }
}
