//! The name of a driver, from the path of its file in the ramdisk's folder of drivers.
use core::fmt;

/// The ending of a driver's file, which is not part of the driver's name.
const SUFFIX: &str = ".so";

/// Why a file's path does not name a driver.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NameError {
    /// Nothing is left of the file's name without its ending.
    Empty,
    /// The path is that of a folder.
    Folder,
    /// The path is that of a link or of a device.
    NotAFile,
    /// The file lies in a folder of its own.
    InFolder,
    /// An earlier file has this driver's name.
    Repeated,
}

impl core::error::Error for NameError {}

impl fmt::Display for NameError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Empty => "its file's name is nothing but an ending",
            Self::Folder => "it is a folder, not a file",
            Self::NotAFile => "it is not a file",
            Self::InFolder => "it lies in a folder of its own, not among the drivers",
            Self::Repeated => "a file before it has the same name",
        })
    }
}

/// Returns a driver's name: its path in the folder of drivers, without `.so`. `earlier` are the paths of the files before it.
///
/// # Errors
/// [`NameError`].
pub fn file_name(path: &str, earlier: impl IntoIterator<Item: AsRef<str>>) -> Result<&str, NameError> {
    let name = stem(path);
    if path.ends_with('/') {
        return Err(NameError::Folder);
    }
    if path.contains('/') {
        return Err(NameError::InFolder);
    }
    if name.is_empty() {
        return Err(NameError::Empty);
    }
    if earlier.into_iter().any(|path| stem(path.as_ref()) == name) {
        return Err(NameError::Repeated);
    }
    Ok(name)
}

fn stem(path: &str) -> &str {
    path.strip_suffix(SUFFIX).unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: [&str; 0] = [];

    #[test]
    fn a_name_is_the_files_without_its_ending() {
        for (path, name) in
            [("disk.so", "disk"), ("disk", "disk"), ("a.b.so", "a.b"), (".so.so", ".so"), (" .so", " ")]
        {
            assert_eq!(file_name(path, NONE), Ok(name));
        }
    }

    #[test]
    fn a_file_without_a_name_is_refused() {
        assert_eq!(file_name(".so", NONE), Err(NameError::Empty));
        assert_eq!(file_name("", NONE), Err(NameError::Empty));
    }

    #[test]
    fn folders_and_files_in_folders_are_refused() {
        assert_eq!(file_name("disk.so/", NONE), Err(NameError::Folder));
        for path in ["disk/a.so", "/a.so", "./a.so", "../a.so", "a/b/c.so"] {
            assert_eq!(file_name(path, NONE), Err(NameError::InFolder), "{path}");
        }
    }

    #[test]
    fn a_name_that_an_earlier_file_has_is_refused_whatever_the_endings() {
        assert_eq!(file_name("disk.so", ["net.so", "disk.so"]), Err(NameError::Repeated));
        assert_eq!(file_name("disk", ["disk.so"]), Err(NameError::Repeated));
        assert_eq!(file_name("disk.so", ["disk2.so", "a/disk.so"]), Ok("disk"));
    }
}
