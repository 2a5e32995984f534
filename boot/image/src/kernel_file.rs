//! The kernel's file without what only debuggers read. The loader reads the whole file from the disk, and most of it is line tables.
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use tempfile::NamedTempFile;

/// Writes a copy of the kernel without debug sections, except `.debug_frame`: the kernel walks its stacks by that.
///
/// # Errors
/// The file cannot be written, or `objcopy` is missing or does not take the kernel for an object file.
pub fn without_line_tables(kernel: &Path) -> Result<NamedTempFile> {
    let copy = NamedTempFile::new().context("temporary file for the kernel")?;
    let mut objcopy = Command::new("objcopy");
    objcopy.args(["--remove-section=.debug_*", "--remove-section=!.debug_frame"]);
    let status = objcopy.arg(kernel).arg(copy.path()).status();
    let status = status.context("objcopy (of binutils, which the C compiler needs too) is missing")?;
    ensure!(status.success(), "{}: objcopy failed ({status})", kernel.display());
    Ok(copy)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    /// The test program is an executable with the same kinds of sections.
    #[test]
    fn line_tables_go_and_everything_that_is_loaded_stays() {
        let program = std::env::current_exe().unwrap();
        let copy = without_line_tables(&program).unwrap();
        let names = |file: &Path| {
            let output = Command::new("objdump").arg("-h").arg(file).output().unwrap();
            let text = String::from_utf8(output.stdout).unwrap();
            text.split_whitespace().filter(|word| word.starts_with('.')).map(String::from).collect::<Vec<_>>()
        };
        let kept = names(copy.path());
        assert!(kept.iter().all(|name| !name.starts_with(".debug_") || name == ".debug_frame"), "{kept:?}");
        let loaded = |names: Vec<String>| names.into_iter().filter(|name| !name.starts_with(".debug_"));
        assert!(loaded(names(&program)).eq(loaded(kept)));
        assert!(fs::metadata(copy.path()).unwrap().len() <= fs::metadata(&program).unwrap().len());
    }

    #[test]
    fn what_is_no_object_file_is_refused() {
        let text = NamedTempFile::new().unwrap();
        fs::write(text.path(), "no object file").unwrap();
        assert!(without_line_tables(text.path()).unwrap_err().to_string().contains("objcopy failed"));
    }
}
