//! Pictures of a machine's screen while it runs, from QEMU's monitor.
use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// The time between two pictures.
const PERIOD: Duration = Duration::from_millis(300);
/// How long QEMU's monitor may take for an answer.
const ANSWER: Duration = Duration::from_secs(20);

/// A picture of a screen.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Screenshot {
    /// The width in pixels.
    pub width: usize,
    /// The height in pixels.
    pub height: usize,
    /// Red, green and blue of each pixel, line by line.
    pub pixels: Vec<[u8; 3]>,
}

impl Screenshot {
    /// Returns a pixel, or `None` outside of the picture.
    #[must_use]
    pub fn pixel(&self, x: usize, y: usize) -> Option<[u8; 3]> {
        if x < self.width { self.pixels.get(y * self.width + x).copied() } else { None }
    }

    /// Decodes the picture that QEMU's command `screendump` writes: a binary portable pixmap.
    ///
    /// # Errors
    /// The bytes are no such picture.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        let mut rest = bytes;
        let mut word = || {
            let end = rest.iter().position(u8::is_ascii_whitespace).context("the header is cut")?;
            let word = std::str::from_utf8(&rest[..end])?;
            rest = &rest[end + 1..];
            anyhow::Ok(word)
        };
        let header = [word()?, word()?, word()?, word()?];
        let ["P6", width, height, "255"] = header else { bail!("{header:?} is no header of a pixmap") };
        let (width, height): (usize, usize) = (width.parse()?, height.parse()?);
        let (pixels, &[]) = rest.as_chunks::<3>() else { bail!("the last pixel is cut") };
        if width.checked_mul(height) != Some(pixels.len()) {
            bail!("{} pixels are not {width} times {height}", pixels.len());
        }
        Ok(Self { width, height, pixels: pixels.to_vec() })
    }
}

/// Takes pictures through the monitor at this socket, until one is what `is_awaited` waits for, or `limit` is over. Ends QEMU then.
///
/// # Errors
/// The monitor does not answer, or no picture was the right one in time. The last picture is kept in this folder as `last.ppm`.
pub(crate) fn watch(
    monitor: &Path,
    folder: &Path,
    limit: Duration,
    is_awaited: &mut dyn FnMut(&Screenshot) -> bool,
) -> Result<Screenshot> {
    let end = Instant::now() + limit;
    let mut socket = loop {
        match UnixStream::connect(monitor) {
            Ok(socket) => break socket,
            Err(error) if Instant::now() > end => return Err(error).context("QEMU has no monitor"),
            Err(_) => thread::sleep(PERIOD),
        }
    };
    socket.set_read_timeout(Some(ANSWER))?;
    prompt(&mut socket)?;
    let file = folder.join("last.ppm");
    loop {
        thread::sleep(PERIOD);
        writeln!(socket, "screendump {}", file.display())?;
        prompt(&mut socket)?;
        // Before the machine has set a mode, there may be no picture.
        let picture = fs::read(&file).context("no picture").and_then(|bytes| Screenshot::decode(&bytes));
        match picture {
            Ok(picture) if is_awaited(&picture) => {
                writeln!(socket, "quit")?;
                return Ok(picture);
            }
            _ if Instant::now() < end => {}
            Ok(_) => bail!("no picture was the right one in {} s", limit.as_secs()),
            Err(error) => return Err(error),
        }
    }
}

/// Waits for the monitor's prompt.
fn prompt(socket: &mut UnixStream) -> Result<()> {
    let (mut answer, mut chunk) = (Vec::new(), [0; 1024]);
    while !answer.ends_with(b"(qemu) ") {
        match socket.read(&mut chunk)? {
            0 => bail!("QEMU has ended: {}", String::from_utf8_lossy(&answer)),
            count => answer.extend_from_slice(&chunk[..count]),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pixmap_is_decoded_and_a_cut_one_refused() {
        let picture = Screenshot::decode(b"P6\n2 1\n255\nabcdef").unwrap();
        assert_eq!((picture.width, picture.height), (2, 1));
        assert_eq!(
            [picture.pixel(0, 0), picture.pixel(1, 0), picture.pixel(2, 0), picture.pixel(0, 1)],
            [Some(*b"abc"), Some(*b"def"), None, None]
        );
        for wrong in [&b"P6\n2 1\n255\nabcde"[..], b"P6\n2 2\n255\nabcdef", b"P5\n2 1\n255\nabcdef", b"P6\n2"]
        {
            assert!(Screenshot::decode(wrong).is_err());
        }
    }
}
