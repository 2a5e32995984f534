//! The ramdisk: an uncompressed ustar archive of drivers and, if given, kernel parameters.
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use tar::{Builder, Header};

/// Returns the archive's bytes: each driver as `drivers/<file name>`, in the given order, then `cmdline`.
///
/// Equal files give equal bytes: the archive contains no time, owner or mode of the host.
///
/// # Errors
/// A driver cannot be read, or two drivers have one file name.
pub fn build(drivers: &[PathBuf], cmdline: Option<&str>) -> Result<Vec<u8>> {
    let mut archive = Builder::new(Vec::new());
    let mut names = BTreeSet::new();
    for driver in drivers {
        let name = driver.file_name().with_context(|| format!("{}: not a file", driver.display()))?;
        ensure!(names.insert(name), "{}: a second driver of this file name", driver.display());
        let content = fs::read(driver).with_context(|| driver.display().to_string())?;
        append(&mut archive, &Path::new("drivers").join(name), &content)
            .with_context(|| driver.display().to_string())?;
    }
    if let Some(words) = cmdline {
        append(&mut archive, Path::new("cmdline"), words.as_bytes())?;
    }
    Ok(archive.into_inner()?)
}

fn append(archive: &mut Builder<Vec<u8>>, path: &Path, content: &[u8]) -> Result<()> {
    let mut header = Header::new_ustar();
    header.set_path(path)?;
    header.set_size(content.len() as u64);
    header.set_mode(0o644);
    header.set_mtime(0);
    header.set_cksum();
    Ok(archive.append(&header, content)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(archive: &[u8]) -> Vec<(PathBuf, u64, u64)> {
        let mut reader = tar::Archive::new(archive);
        let entries = reader.entries().unwrap().map(Result::unwrap);
        entries
            .map(|entry| {
                let header = entry.header();
                (entry.path().unwrap().into_owned(), header.size().unwrap(), header.mtime().unwrap())
            })
            .collect()
    }

    #[test]
    fn drivers_come_in_their_order_and_the_parameters_last() {
        let folder = tempfile::tempdir().unwrap();
        let (b, a) = (folder.path().join("b.so"), folder.path().join("a.so"));
        fs::write(&b, "bb").unwrap();
        fs::write(&a, "a").unwrap();
        let archive = build(&[b, a], Some("numa=off")).unwrap();
        let expected = [("drivers/b.so", 2), ("drivers/a.so", 1), ("cmdline", 8)];
        assert_eq!(entries(&archive), expected.map(|(path, size)| (PathBuf::from(path), size, 0)));
    }

    #[test]
    fn the_same_files_give_the_same_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let driver = folder.path().join("a.so");
        fs::write(&driver, "a").unwrap();
        let before = build(std::slice::from_ref(&driver), None).unwrap();
        fs::write(&driver, "a").unwrap();
        assert_eq!(before, build(&[driver], None).unwrap());
    }

    #[test]
    fn a_driver_that_is_missing_or_comes_twice_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let driver = folder.path().join("a.so");
        let missing = build(std::slice::from_ref(&driver), None).unwrap_err();
        assert!(format!("{missing:#}").contains("a.so"));
        fs::write(&driver, "a").unwrap();
        let twice = build(&[driver.clone(), driver], None).unwrap_err();
        assert!(format!("{twice:#}").contains("second driver"));
    }
}
