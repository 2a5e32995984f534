//! Sends a driver to a kernel that runs, over the socket of its third serial port.
use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use driver_push::{ACCEPTED, Header, LONGEST_FILE, LONGEST_NAME, REFUSED};

/// How long the kernel may take nothing.
const SEND_LIMIT: Duration = Duration::from_secs(10);
/// How long the kernel may take to answer: longer than it waits for a driver's functions.
const ANSWER_LIMIT: Duration = Duration::from_secs(60);

/// Sends a driver, and returns what the kernel says.
///
/// # Errors
/// There is no kernel at the socket, it takes nothing or says nothing, or it refuses the driver. The error has its reason.
pub fn push(socket: &Path, name: &str, file: &[u8]) -> Result<String> {
    let header = Header::of(name, file).with_context(|| {
        format!("{name}: a name has up to {LONGEST_NAME} bytes, and a file up to {LONGEST_FILE}")
    })?;
    let mut stream = UnixStream::connect(socket).context("no kernel runs under ./run.sh shell")?;
    stream.set_write_timeout(Some(SEND_LIMIT))?;
    stream.set_read_timeout(Some(ANSWER_LIMIT))?;
    for part in [&header.to_bytes()[..], name.as_bytes(), file] {
        stream.write_all(part).map_err(explain).context("the kernel does not take the driver")?;
    }
    let mut answer = String::new();
    BufReader::new(&stream).read_line(&mut answer).map_err(explain).context("the kernel does not answer")?;
    judge(answer.trim_end())
}

fn judge(answer: &str) -> Result<String> {
    match answer.split_once(' ') {
        Some((ACCEPTED, what)) => Ok(what.to_owned()),
        Some((REFUSED, why)) => bail!("refused: {why}"),
        _ => bail!("the kernel has ended, or says {answer:?}"),
    }
}

/// Returns the error, or says that time is up.
fn explain(error: std::io::Error) -> anyhow::Error {
    match error.kind() {
        ErrorKind::WouldBlock | ErrorKind::TimedOut => {
            anyhow::anyhow!("its time is up; the boot may not have come so far")
        }
        _ => error.into(),
    }
}
