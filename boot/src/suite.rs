//! The verb `test`: everything that continuous integration runs.
use anyhow::Result;
use boot::qemu;

use crate::build::{self, loader_cargo};
use crate::command::{cargo, run, say};
use crate::soak;

/// Runs the host tests, the tests that boot QEMU, and a sample of each soak.
///
/// # Errors
/// The first test that fails.
pub fn test() -> Result<()> {
    say("Tests on the host");
    run(&mut cargo(&["test", "--quiet", "--", "--show-output"]))?;
    run(&mut loader_cargo(&["test"]))?;
    build::images(&[])?;
    build::checked_kernel()?;
    say(format_args!("Tests that boot QEMU {}", qemu::version()?));
    run(&mut cargo(&["test", "--quiet", "--package", "boot", "--", "--show-output"]))?;
    soak::samples()
}
