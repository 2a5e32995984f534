//! Starts QEMU for a machine, and ensures that no QEMU outlives its user.
use std::fs;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;
use wait_timeout::ChildExt;

use crate::machine::escape;
use crate::process::attached;
use crate::{Firmware, Machine, Run, Screenshot, Verdict, artifacts, screenshot};

/// The program.
const QEMU: &str = "qemu-system-x86_64";

/// The files of OVMF's code and variable store: in Debian and Ubuntu, in their older versions, in Fedora, in Arch.
const OVMF: [(&str, &str); 4] = [
    ("/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"),
    ("/usr/share/OVMF/OVMF_CODE.fd", "/usr/share/OVMF/OVMF_VARS.fd"),
    ("/usr/share/edk2/ovmf/OVMF_CODE.fd", "/usr/share/edk2/ovmf/OVMF_VARS.fd"),
    ("/usr/share/edk2/x64/OVMF_CODE.4m.fd", "/usr/share/edk2/x64/OVMF_VARS.4m.fd"),
];

/// Returns the version that QEMU gives itself, such as `7.2.22 (Debian 1:7.2+dfsg-7)`.
///
/// # Errors
/// QEMU cannot be started.
pub fn version() -> Result<String> {
    let output = attached(QEMU).arg("--version").output().context(CANNOT_START)?;
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text.lines().next().context(CANNOT_START)?;
    Ok(line.trim_start_matches("QEMU emulator version ").to_owned())
}

/// Returns true if QEMU's emulated CPUs have x2APIC. Those of QEMU 7.2 do not, those of QEMU 10 do.
///
/// # Errors
/// QEMU cannot be started.
pub fn has_x2apic() -> Result<bool> {
    let mut qemu = attached(QEMU);
    qemu.args(["-machine", "q35", "-accel", "tcg", "-cpu", "max,+x2apic,enforce", "-S"]);
    // Its monitor ends it, if `enforce` has not.
    qemu.args(["-nodefaults", "-display", "none", "-monitor", "stdio"]).stdin(Stdio::piped());
    let mut qemu = qemu.stdout(Stdio::null()).stderr(Stdio::null()).spawn().context(CANNOT_START)?;
    // A QEMU that has refused the CPU has closed its input.
    let _ = qemu.stdin.take().expect("it is piped").write_all(b"quit\n");
    Ok(qemu.wait()?.success())
}

/// How often a machine boots again after a crash of QEMU.
const MOST_CRASHES: u32 = 2;

impl Machine {
    /// Boots the machine with COM1 on this process's standard output and COM2 in a file, and waits for its end.
    ///
    /// # Errors
    /// The image or the firmware is missing, or QEMU cannot be started.
    pub fn attach(&self, events: &Path) -> Result<Verdict> {
        let status = self.command(events)?.status().context(CANNOT_START)?;
        Ok(status.into())
    }

    /// Starts the machine with this file as its terminal, and COM2 in a file.
    ///
    /// # Errors
    /// The image or the firmware is missing, or QEMU cannot be started.
    pub fn start_on(&self, terminal: &OwnedFd, events: &Path) -> Result<Running> {
        let mut command = self.command(events)?;
        command.stdin(terminal.try_clone()?).stdout(terminal.try_clone()?).stderr(Stdio::inherit());
        Ok(Running(Guard(command.spawn().context(CANNOT_START)?)))
    }

    /// Starts the machine, with COM2 in a file. Returns what it writes to COM1, too.
    ///
    /// # Errors
    /// The image or the firmware is missing, or QEMU cannot be started.
    pub fn start(&self, events: &Path) -> Result<(Running, ChildStdout)> {
        let mut command = self.command(events)?;
        command.stdout(Stdio::piped()).stderr(Stdio::inherit());
        let mut child = Guard(command.spawn().context(CANNOT_START)?);
        let log = child.0.stdout.take().context(CANNOT_START)?;
        Ok((Running(child), log))
    }

    /// Boots the machine, collects its output, and waits for its end, but no longer than `limit`. If QEMU itself crashes, the machine boots again,
    /// a few times at most.
    ///
    /// # Errors
    /// The image or the firmware is missing, QEMU cannot be started, or a line on COM2 is not JSON.
    pub fn run(&self, limit: Duration) -> Result<Run> {
        for _ in 0..MOST_CRASHES {
            let run = self.run_once(limit)?;
            if !run.verdict.is_crash_of_qemu() {
                return Ok(run);
            }
            eprintln!("QEMU itself has crashed ({}); the machine boots again", run.verdict);
        }
        self.run_once(limit)
    }

    fn run_once(&self, limit: Duration) -> Result<Run> {
        let folder = tempfile::tempdir()?;
        let events = folder.path().join("com2");
        let monitor = folder.path().join("monitor");
        let mut command = self.command(&events)?;
        if self.command.is_some() {
            let socket = format!("socket,id=monitor,path={},server=on,wait=off", file(&monitor)?);
            command.args(["-chardev", &socket, "-mon", "chardev=monitor,mode=readline"]);
        }
        let mut child =
            Guard(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().context(CANNOT_START)?);
        let order = self.command.clone();
        let watch = move |so_far: &str| {
            let Some((_, command)) = order.as_ref().filter(|(words, _)| so_far.contains(words)) else {
                return false;
            };
            tell(&monitor, command).expect("QEMU has made the socket of its monitor before the guest runs");
            true
        };
        let log = child.0.stdout.take();
        let (serial, unread) = if self.log_is_read { (Some(collect(log, watch)), None) } else { (None, log) };
        let complaints = collect(child.0.stderr.take(), |_| true);
        let status = child.0.wait_timeout(limit)?;
        drop(child);
        let serial = serial.unwrap_or_else(|| collect(unread, |_| true));

        let verdict = status.map_or(Verdict::TimedOut, Verdict::from);
        let reported = matches!(verdict, Verdict::Success | Verdict::Failure);
        let events = read_events(&fs::read_to_string(&events).unwrap_or_default(), reported)?;
        Ok(Run { verdict, serial: text(serial)?, events, complaints: text(complaints)? })
    }

    /// Boots the machine and takes pictures of its screen until one is what `is_awaited` waits for. Then ends it. Returns that picture, and
    /// what was written to COM1.
    ///
    /// # Errors
    /// As those of [`Machine::run`], or no picture was the right one within `limit`.
    pub fn watch_screen(
        &self,
        limit: Duration,
        mut is_awaited: impl FnMut(&Screenshot) -> bool,
    ) -> Result<(Screenshot, String)> {
        let folder = tempfile::tempdir()?;
        let monitor = folder.path().join("monitor");
        let mut command = self.command(&folder.path().join("com2"))?;
        let socket = format!("socket,id=monitor,path={},server=on,wait=off", file(&monitor)?);
        command.args(["-chardev", &socket, "-mon", "chardev=monitor,mode=readline"]);
        let mut child =
            Guard(command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().context(CANNOT_START)?);
        let serial = collect(child.0.stdout.take(), |_| true);
        let picture = screenshot::watch(&monitor, folder.path(), limit, &mut is_awaited);
        drop(child);
        Ok((picture?, text(serial)?))
    }

    /// Returns the command that starts QEMU. Standard output and standard error are the caller's to choose.
    fn command(&self, events: &Path) -> Result<Command> {
        let image = match &self.image {
            Some(image) => image.clone(),
            None => artifacts::image(self.firmware)?,
        };
        let mut qemu = attached(QEMU);
        // UEFI firmware would try to boot from QEMU's default CD drive and network card.
        qemu.args(["-display", "none", "-nodefaults", "-vga", "std"]);
        if !self.is_interactive {
            qemu.arg("-no-reboot");
        }
        if self.is_interactive {
            // Ctrl-A is QEMU's key: Ctrl-A X ends it, and Ctrl-A C leads to its monitor.
            qemu.args(["-chardev", "stdio,id=com1,mux=on,signal=off", "-serial", "chardev:com1"]);
            qemu.args(["-mon", "chardev=com1,mode=readline"]);
        } else if self.log_port {
            qemu.args(["-chardev", "stdio,id=com1", "-serial", "chardev:com1"]);
        } else {
            qemu.args(["-serial", "none"]);
        }
        if self.event_port {
            qemu.arg("-chardev").arg(format!("file,id=com2,path={}", file(events)?));
            qemu.args(["-serial", "chardev:com2"]);
        }
        if let Some(socket) = &self.push_socket {
            let listens = format!("socket,id=push,path={},server=on,wait=off", file(socket)?);
            // An interrupt of its own: two ports cannot share one on this bus.
            qemu.args([
                "-chardev",
                &listens,
                "-device",
                "isa-serial,chardev=push,index=2,iobase=0x3e8,irq=5",
            ]);
        }
        if self.firmware == Firmware::Uefi {
            let (code, variables) = ovmf()?;
            qemu.arg("-drive").arg(format!("if=pflash,unit=0,format=raw,readonly=on,file={code}"));
            // The firmware writes to its variables; `snapshot` sends the writes to a temporary file.
            qemu.arg("-drive").arg(format!("if=pflash,unit=1,format=raw,snapshot=on,file={variables}"));
        }
        let devices = self.boot_disk.devices();
        let place = if devices.is_empty() { "" } else { "if=none,id=image," };
        qemu.arg("-drive").arg(format!("{place}format=raw,snapshot=on,file={}", file(&image)?));
        qemu.args(devices.iter().flat_map(|device| ["-device", device]));
        for disk in &self.disks {
            if let Some(how) = self.disk_content.without_file() {
                let (name, bytes) = (disk.drive(), artifacts::DISK_BYTES);
                let drive = format!("driver=null-co,node-name={name},size={bytes},{how}");
                qemu.args(["-blockdev", &drive]);
                continue;
            }
            let content = file(&artifacts::empty_disk()?)?;
            let drive = format!("if=none,id={},format=raw,snapshot=on,file={content}", disk.drive());
            qemu.args(["-drive", &drive]);
        }
        qemu.args(self.qemu_arguments());
        if !self.is_interactive {
            // On a terminal, QEMU would switch it to raw mode and leave it so when killed.
            qemu.stdin(Stdio::null());
        }
        Ok(qemu)
    }
}

const CANNOT_START: &str = "setpriv and qemu-system-x86_64 could not be started";

/// A machine that runs. It ends when this is dropped.
pub struct Running(Guard);

impl Running {
    /// Waits for the machine's end, but no longer than `limit`.
    ///
    /// # Errors
    /// The operating system does not tell.
    pub fn wait(&mut self, limit: Duration) -> Result<Verdict> {
        Ok(self.0.0.wait_timeout(limit)?.map_or(Verdict::TimedOut, Verdict::from))
    }
}

/// A process that ends when this is dropped, so that a test that fails leaves none behind.
struct Guard(Child);

impl Drop for Guard {
    fn drop(&mut self) {
        // Both calls fail if the process has ended already.
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

/// Returns a path as the value of one of QEMU's options.
fn file(path: &Path) -> Result<String> {
    let path: PathBuf = std::path::absolute(path)?;
    let name = path.to_str().with_context(|| format!("{}: not UTF-8", path.display()))?;
    Ok(escape(name))
}

type Output = JoinHandle<io::Result<Vec<u8>>>;

/// The longest words that [`collect`] finds where two reads meet, in bytes.
const LONGEST_WORDS: usize = 256;

/// Reads a pipe to its end in a thread of its own, because a full pipe would stop QEMU. Calls `watch` with what was read, and with some text
/// before it, until it returns true.
fn collect(
    pipe: Option<impl Read + Send + 'static>,
    watch: impl Fn(&str) -> bool + Send + 'static,
) -> Output {
    let mut pipe = pipe.expect("the pipe was requested when the process was started");
    thread::spawn(move || {
        let (mut bytes, mut chunk, mut is_done) = (Vec::new(), [0; 4096], false);
        loop {
            let count = pipe.read(&mut chunk)?;
            if count == 0 {
                return Ok(bytes);
            }
            bytes.extend_from_slice(&chunk[..count]);
            let from = bytes.len().saturating_sub(count + LONGEST_WORDS);
            is_done = is_done || watch(&String::from_utf8_lossy(&bytes[from..]));
        }
    })
}

/// Gives a command to QEMU's monitor, which listens on this socket.
fn tell(monitor: &Path, command: &str) -> io::Result<()> {
    let mut socket = UnixStream::connect(monitor)?;
    writeln!(socket, "{command}")?;
    // The monitor answers with its prompt when it has read the line. QEMU may end before that.
    socket.set_read_timeout(Some(Duration::from_secs(5)))?;
    let mut answer = [0; 4096];
    while !matches!(socket.read(&mut answer), Ok(0) | Err(_)) {}
    Ok(())
}

fn text(output: Output) -> Result<String> {
    let bytes = output.join().expect("the thread only reads")?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Returns the events of COM2. Lines that UEFI firmware writes before the first event are skipped. Unless `complete` is set, the
/// machine was stopped, and its last line may be incomplete.
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
