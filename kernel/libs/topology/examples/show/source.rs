//! Reads the bytes that an argument names: a file, the files of a folder, or the standard input.
use std::fmt::Display;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};

/// The largest input. Firmware's tables have at most some MiB.
const LARGEST: u64 = 64 << 20;

/// The bytes of a file, or the reason why it cannot be read.
pub struct Source {
    /// The name for people.
    pub file: PathBuf,
    /// The bytes.
    pub bytes: io::Result<Vec<u8>>,
}

/// Returns the files that an argument names. `-` is the standard input.
pub fn read(argument: &Path, input: &mut dyn Read) -> Vec<Source> {
    if argument == Path::new("-") {
        return vec![Source { file: "standard input".into(), bytes: read_all(input) }];
    }
    let file = |path: &Path| Source {
        file: path.to_path_buf(),
        bytes: File::open(path).and_then(|mut file| read_all(&mut file)),
    };
    if !argument.is_dir() {
        return vec![file(argument)];
    }
    match files_of(argument) {
        Ok(files) if files.is_empty() => vec![failed(argument, error("the folder contains no file"))],
        Ok(files) => files.iter().map(|path| file(path)).collect(),
        Err(error) => vec![failed(argument, error)],
    }
}

/// Returns an error with a message of this program.
pub fn error(message: impl Display) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, message.to_string())
}

fn failed(path: &Path, error: io::Error) -> Source {
    Source { file: path.to_path_buf(), bytes: Err(error) }
}

/// Returns the files of a folder by name. Folders in it are left out: Linux has copies of tables there.
fn files_of(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if !path.is_dir() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn read_all(input: &mut dyn Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    input.take(LARGEST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LARGEST {
        return Err(error(format_args!("there are more than {} MiB", LARGEST >> 20)));
    }
    Ok(bytes)
}

/// The largest content of a compressed file.
pub const LARGEST_CONTENT: usize = LARGEST as usize;
