//! Starts QEMU for a machine, and sees to it that none is left behind.
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;
use wait_timeout::ChildExt;

use crate::machine::escape;
use crate::process::attached;
use crate::{Firmware, Machine, Run, Verdict, artifacts};

/// OVMF's code and variable store, as distributions place them: Debian and Ubuntu, older ones, Fedora, Arch.
const OVMF: [(&str, &str); 4] = [
    ("/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"),
    ("/usr/share/OVMF/OVMF_CODE.fd", "/usr/share/OVMF/OVMF_VARS.fd"),
    ("/usr/share/edk2/ovmf/OVMF_CODE.fd", "/usr/share/edk2/ovmf/OVMF_VARS.fd"),
    ("/usr/share/edk2/x64/OVMF_CODE.4m.fd", "/usr/share/edk2/x64/OVMF_VARS.4m.fd"),
];

impl Machine {
    /// Boots the machine with COM1 on this process's standard output and COM2 in a file, and waits for its end.
    ///
    /// # Errors
    /// An image or firmware that is missing, or QEMU that cannot be started.
    pub fn attach(&self, events: &Path) -> Result<Verdict> {
        let status = self.command(events)?.status().context(CANNOT_START)?;
        Ok(status.into())
    }

    /// Boots the machine, collects what it says, and waits for its end, no longer than the time given.
    ///
    /// # Errors
    /// An image or firmware that is missing, QEMU that cannot be started, or a line on COM2 that is not JSON.
    pub fn run(&self, limit: Duration) -> Result<Run> {
        let folder = tempfile::tempdir()?;
        let events = folder.path().join("com2");
        let mut child = Guard(
            self.command(&events)?
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .context(CANNOT_START)?,
        );
        let serial = collect(child.0.stdout.take());
        let complaints = collect(child.0.stderr.take());
        let status = child.0.wait_timeout(limit)?;
        drop(child);

        let verdict = status.map_or(Verdict::TimedOut, Verdict::from);
        let reported = matches!(verdict, Verdict::Success | Verdict::Failure);
        let events = read_events(&fs::read_to_string(&events).unwrap_or_default(), reported)?;
        Ok(Run { verdict, serial: text(serial)?, events, complaints: text(complaints)? })
    }

    /// QEMU, whole but for what is done with its output.
    fn command(&self, events: &Path) -> Result<Command> {
        let image = match &self.image {
            Some(image) => image.clone(),
            None => artifacts::image(self.firmware)?,
        };
        let mut qemu = attached("qemu-system-x86_64");
        // Without a CD drive and a network card, which UEFI firmware would try to boot from.
        qemu.args(["-display", "none", "-no-reboot", "-nodefaults", "-vga", "std"]);
        qemu.args(["-chardev", "stdio,id=com1", "-serial", "chardev:com1"]);
        if self.event_port {
            qemu.arg("-chardev").arg(format!("file,id=com2,path={}", file(events)?));
            qemu.args(["-serial", "chardev:com2"]);
        }
        if self.firmware == Firmware::Uefi {
            let (code, variables) = ovmf()?;
            qemu.arg("-drive").arg(format!("if=pflash,unit=0,format=raw,readonly=on,file={code}"));
            // Written to by the firmware: into a temporary file that QEMU itself keeps.
            qemu.arg("-drive").arg(format!("if=pflash,unit=1,format=raw,snapshot=on,file={variables}"));
        }
        qemu.arg("-drive").arg(format!("format=raw,snapshot=on,file={}", file(&image)?));
        qemu.args(self.qemu_arguments());
        // QEMU would switch the terminal to its own mode and, when killed, leave it there.
        qemu.stdin(Stdio::null());
        Ok(qemu)
    }
}

const CANNOT_START: &str = "setpriv and qemu-system-x86_64 could not be started";

/// Ends the process when it is no longer waited for, so that a test that fails leaves none behind.
struct Guard(Child);

impl Drop for Guard {
    fn drop(&mut self) {
        // Both fail for one that has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn ovmf() -> Result<(&'static str, &'static str)> {
    match OVMF
        .into_iter()
        .find(|(code, variables)| [code, variables].iter().all(|file| Path::new(file).exists()))
    {
        Some(files) => Ok(files),
        None => bail!("no UEFI firmware for QEMU: the package is called ovmf, edk2-ovmf or edk2"),
    }
}

/// A path as a value of one of QEMU's options.
fn file(path: &Path) -> Result<String> {
    let path: PathBuf = std::path::absolute(path)?;
    let name = path.to_str().with_context(|| format!("{}: not UTF-8", path.display()))?;
    Ok(escape(name))
}

type Output = JoinHandle<io::Result<Vec<u8>>>;

/// Reads to the end beside the waiting, as a full pipe would stop QEMU.
fn collect(pipe: Option<impl Read + Send + 'static>) -> Output {
    let mut pipe = pipe.expect("asked for when the process was started");
    thread::spawn(move || {
        let mut bytes = Vec::new();
        pipe.read_to_end(&mut bytes)?;
        Ok(bytes)
    })
}

fn text(output: Output) -> Result<String> {
    let bytes = output.join().expect("reads, and does nothing else")?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The events of COM2. UEFI firmware writes there too before it starts the boot loader, and of a machine that was cut
/// off the last line may be half a line.
fn read_events(lines: &str, complete: bool) -> Result<Vec<Value>> {
    let mut events = Vec::new();
    for (number, line) in (1..).zip(lines.lines()).skip_while(|(_, line)| !line.starts_with('{')) {
        match serde_json::from_str(line) {
            Ok(event) => events.push(event),
            Err(_) if !complete => break,
            Err(error) => bail!("COM2, line {number}: {error}: {line:?}"),
        }
    }
    Ok(events)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_is_not_json_is_an_error_unless_the_machine_was_cut_off() {
        let lines = "{\"event\":\"exit\"}\n{\"eve";
        assert!(read_events(lines, true).is_err());
        assert_eq!(read_events(lines, false).unwrap().len(), 1);
    }

    #[test]
    fn firmwares_own_lines_are_passed_over_and_those_among_events_are_not() {
        assert_eq!(read_events("\x1b[2JBdsDxe: starting\r\n{\"event\":\"exit\"}\n", true).unwrap().len(), 1);
        assert!(read_events("{\"event\":\"exit\"}\nBdsDxe: starting\n", true).is_err());
    }
}
