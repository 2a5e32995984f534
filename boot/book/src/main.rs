//! Builds the book of this repository in the folder that its only argument names. `./run.sh docs` calls it.
#![forbid(unsafe_code)]

use std::env;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};

fn main() -> ExitCode {
    match build() {
        Ok(page) => {
            println!("{}", page.display());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn build() -> Result<PathBuf> {
    let output = env::args_os().nth(1).map(PathBuf::from).context("usage: book FOLDER")?;
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    book::build(&repository, &output)
}
