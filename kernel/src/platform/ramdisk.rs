//! The ramdisk: files that the boot loader brings along, as an uncompressed tar archive, checked by `tar-no-std`.
use arrayvec::ArrayString;
use core::str::Utf8Error;
use tar_no_std::{CorruptDataError, PosixHeader, TarArchiveRef, TypeFlag};

/// Bytes in a block of an archive (POSIX.1-2024, pax, "ustar Interchange Format").
const BLOCK: usize = 512;
/// The most bytes of a path: a prefix of 155, a slash, and a name of 100.
const LONGEST_PATH: usize = 256;

/// A path in the archive. That of a folder ends with a slash.
pub type Path = ArrayString<LONGEST_PATH>;

/// The ramdisk's files. There are none if there is no ramdisk, or if it is no archive.
pub struct Ramdisk {
    bytes: &'static [u8],
    archive: Option<TarArchiveRef<'static>>,
}

impl Ramdisk {
    /// Reads the bytes that the boot loader has brought. An archive that is damaged is refused whole, with a warning.
    pub fn open(bytes: Option<&'static [u8]>) -> Self {
        let bytes = bytes.unwrap_or_default();
        let archive = match TarArchiveRef::new(bytes) {
            Ok(archive) => Some(archive),
            Err(CorruptDataError::EmptyArchive) => None,
            Err(error) => {
                log::warn!(target: "ramdisk", "it is not used, because it is no tar archive: {error}");
                None
            }
        };
        Self { bytes, archive }
    }

    /// Returns what the archive has, in its order: each path, with the contents if it is a file.
    pub fn entries(&self) -> impl Iterator<Item = (Path, Option<&'static [u8]>)> {
        let headers = self.archive.iter().flat_map(TarArchiveRef::headers);
        headers.filter_map(|(block, header)| {
            let path = path_of(header)?;
            match header.typeflag.try_to_type_flag().ok()? {
                TypeFlag::REGTYPE | TypeFlag::AREGTYPE => {
                    let start = (block + 1) * BLOCK;
                    let end = start.checked_add(header.size.as_number().ok()?)?;
                    Some((path, Some(self.bytes.get(start..end)?)))
                }
                TypeFlag::DIRTYPE => Some((as_folder(path)?, None)),
                // What is said of the next entry, or of all of them.
                TypeFlag::XHDTYPE | TypeFlag::XGLTYPE => None,
                _ => Some((path, None)),
            }
        })
    }

    /// Returns the contents of the file at `path`.
    pub fn file(&self, path: &str) -> Option<&'static [u8]> {
        self.entries().find(|(found, _)| found.as_str() == path)?.1
    }
}

/// Returns the path that a header names, with its prefix. `None` means that the path is not UTF-8, which the log says.
fn path_of(header: &'static PosixHeader) -> Option<Path> {
    let text = |is: Result<&'static str, Utf8Error>| {
        is.inspect_err(|_| log::warn!(target: "ramdisk", "a file is left out, because its path is not UTF-8"))
            .ok()
    };
    let mut path = Path::new();
    // Other formats than POSIX's have something else where the prefix is.
    let has_prefix = (header.magic.as_str(), header.version.as_str()) == (Ok("ustar"), Ok("00"));
    if has_prefix && !header.prefix.is_empty() {
        path.try_push_str(text(header.prefix.as_str())?).ok()?;
        path.try_push('/').ok()?;
    }
    path.try_push_str(text(header.name.as_str())?).ok()?;
    Some(path)
}

/// Returns the path of a folder, with a slash at its end.
fn as_folder(mut path: Path) -> Option<Path> {
    if !path.ends_with('/') {
        path.try_push('/').ok()?;
    }
    Some(path)
}
