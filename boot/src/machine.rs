//! A machine to boot on: processors, nodes, memory, distances, firmware and kernel parameters, as QEMU arguments.
use std::ffi::OsString;
use std::path::PathBuf;
use std::str::FromStr;

use anyhow::{Result, bail};

/// From this size on, memory backends are not reserved on the host. The guest touches little of them.
const UNRESERVED_FROM_MIB: u64 = 1024;

/// With this variable, all machines protect memory by keys.
const PROTECT_ALL: &str = "PROXIMA_PROTECT";

/// The firmware that starts the boot loader.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Firmware {
    /// SeaBIOS, which is part of QEMU.
    Bios,
    /// OVMF, from a package of the host.
    Uefi,
}

impl FromStr for Firmware {
    type Err = anyhow::Error;

    fn from_str(name: &str) -> Result<Self> {
        match name {
            "bios" => Ok(Self::Bios),
            "uefi" => Ok(Self::Uefi),
            _ => bail!("--firmware is bios or uefi, not {name:?}"),
        }
    }
}

/// A NUMA node: its CPUs by QEMU's index, and its memory.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Node {
    cpus: Vec<u32>,
    memory_mib: u64,
}

impl Node {
    /// Returns a node of these CPUs and this much memory.
    #[must_use]
    pub fn new(cpus: impl IntoIterator<Item = u32>, memory_mib: u64) -> Self {
        Self { cpus: cpus.into_iter().collect(), memory_mib }
    }

    /// Returns a node without memory.
    #[must_use]
    pub fn without_memory(cpus: impl IntoIterator<Item = u32>) -> Self {
        Self::new(cpus, 0)
    }

    /// Returns a node without CPUs.
    #[must_use]
    pub fn without_cpus(memory_mib: u64) -> Self {
        Self::new([], memory_mib)
    }
}

/// An empty disk of 64 MiB. Each boot has disks of its own.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Disk {
    /// An NVMe disk on node 1, at 0000:81:00.0: behind a port of a host bridge that the firmware places there.
    Nvme,
    /// A virtio disk on the bus of the chipset, whose node the firmware does not tell.
    Virtio,
}

impl Disk {
    /// The name under which QEMU's devices find the disk's content.
    pub(crate) const fn drive(self) -> &'static str {
        match self {
            Self::Nvme => "d1",
            Self::Virtio => "d0",
        }
    }

    /// Returns the devices, as values of QEMU's option `-device`.
    fn devices(self) -> Vec<String> {
        let drive = self.drive();
        match self {
            Self::Nvme => vec![
                "pxb-pcie,id=p1,bus_nr=128,numa_node=1,bus=pcie.0".into(),
                "pcie-root-port,id=r1,bus=p1,chassis=1".into(),
                format!("nvme,drive={drive},serial=far,bus=r1"),
            ],
            Self::Virtio => {
                vec![format!("virtio-blk-pci,drive={drive},serial=near,disable-legacy=on,bus=pcie.0")]
            }
        }
    }
}

/// What the machine's disks hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum DiskContent {
    /// An empty file.
    File,
    /// Nothing: what is read is not defined. They answer after so many nanoseconds of the host.
    Nothing {
        /// The nanoseconds.
        latency_ns: u64,
    },
    /// Zeros, at once.
    Zeros,
}

impl DiskContent {
    /// Returns what QEMU's driver of no content is told; `None` if there is a file.
    pub(crate) fn without_file(self) -> Option<String> {
        match self {
            Self::File => None,
            Self::Nothing { latency_ns } => Some(format!("latency-ns={latency_ns}")),
            Self::Zeros => Some("read-zeroes=on".to_owned()),
        }
    }
}

/// The disk that the machine boots from: what holds the image of the kernel.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BootDisk {
    /// A disk at the chipset's own controller.
    Chipset,
    /// A disk at an AHCI controller that is a card.
    Ahci,
    /// A USB stick at an xHCI controller.
    UsbStick,
}

impl BootDisk {
    /// Returns the devices that the machine has for it, as values of QEMU's option `-device`. The content is the drive `image`. The
    /// chipset's controller takes the drive without one.
    pub(crate) const fn devices(self) -> &'static [&'static str] {
        match self {
            Self::Chipset => &[],
            Self::Ahci => &["ahci,id=card,bus=pcie.0", "ide-hd,drive=image,bus=card.0,bootindex=0"],
            Self::UsbStick => {
                &["qemu-xhci,id=usb,bus=pcie.0", "usb-storage,drive=image,bus=usb.0,removable=on,bootindex=0"]
            }
        }
    }
}

/// A machine to boot on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Machine {
    cpu: String,
    cpus: u32,
    /// The sockets among which the CPUs are divided, and the threads of each core.
    sockets: Option<(u32, u32)>,
    pub(crate) boot_disk: BootDisk,
    memory_mib: u64,
    nodes: Vec<Node>,
    distances: Vec<Vec<u8>>,
    pub(crate) firmware: Firmware,
    parameters: Option<String>,
    is_protected: bool,
    is_patient: bool,
    pub(crate) event_port: bool,
    pub(crate) log_port: bool,
    pub(crate) log_is_read: bool,
    ends: bool,
    pub(crate) image: Option<PathBuf>,
    arguments: Vec<OsString>,
    pub(crate) disks: Vec<Disk>,
    /// The socket at which COM3 listens for drivers that are pushed.
    pub(crate) push_socket: Option<PathBuf>,
    /// COM1 is a terminal that a person or a program types at.
    pub(crate) is_interactive: bool,
    pub(crate) disk_content: DiskContent,
    /// What is to appear on COM1, and the command that QEMU's monitor is given when it does.
    pub(crate) command: Option<(String, String)>,
}

impl Machine {
    /// Returns a machine whose firmware does not describe nodes.
    #[must_use]
    pub fn without_numa(cpus: u32, memory_mib: u64) -> Self {
        Self {
            cpu: "max".into(),
            cpus,
            sockets: None,
            boot_disk: BootDisk::Chipset,
            memory_mib,
            nodes: Vec::new(),
            distances: Vec::new(),
            firmware: Firmware::Bios,
            parameters: Some("exit".into()),
            is_protected: std::env::var_os(PROTECT_ALL).is_some(),
            is_patient: false,
            event_port: true,
            log_port: true,
            log_is_read: true,
            ends: true,
            image: None,
            arguments: Vec::new(),
            disks: Vec::new(),
            push_socket: None,
            is_interactive: false,
            disk_content: DiskContent::File,
            command: None,
        }
    }

    /// Returns a machine of these nodes. It has their CPUs and their memory.
    #[must_use]
    pub fn with_nodes(nodes: impl IntoIterator<Item = Node>) -> Self {
        let nodes: Vec<Node> = nodes.into_iter().collect();
        let cpus = nodes.iter().map(|node| node.cpus.len() as u32).sum();
        let memory_mib = nodes.iter().map(|node| node.memory_mib).sum();
        Self { nodes, ..Self::without_numa(cpus, memory_mib) }
    }

    /// Returns the machine that `./run.sh` boots: two nodes of two CPUs and 256 MiB each, 20 apart, and two disks.
    #[must_use]
    pub fn two_nodes() -> Self {
        Self::with_nodes([Node::new(0..2, 256), Node::new(2..4, 256)])
            .sockets(2)
            .distances(&[&[10, 20], &[20, 10]])
            .disks([Disk::Nvme, Disk::Virtio])
    }

    /// Returns the two-node machine with this much memory on each node. The host keeps only what the guest touches.
    #[must_use]
    pub fn two_nodes_of(memory_mib: u64) -> Self {
        Self::with_nodes([Node::new(0..2, memory_mib), Node::new(2..4, memory_mib)])
            .sockets(2)
            .distances(&[&[10, 20], &[20, 10]])
            // 4 TiB of addresses. Those of QEMU's default CPU end at 1 TiB.
            .cpu_with("phys-bits=42")
    }

    /// Adds a property to the CPUs, as in QEMU's option `-cpu`: `phys-bits=42`, `-hypervisor`.
    #[must_use]
    pub fn cpu_with(self, property: &str) -> Self {
        Self { cpu: format!("{},{property}", self.cpu), ..self }
    }

    /// Runs the machine on a clock that counts instructions, each of them 2^`shift` ns long. Time in which every CPU is halted
    /// passes at once.
    #[must_use]
    pub fn counting(self, shift: u32) -> Self {
        self.arguments(["-accel", "tcg", "-icount", &format!("shift={shift},sleep=off")])
    }

    /// Divides the CPUs among this many sockets, with one thread a core.
    #[must_use]
    pub fn sockets(self, sockets: u32) -> Self {
        self.sockets_with_threads(sockets, 1)
    }

    /// Divides the CPUs among this many sockets, with so many threads a core.
    #[must_use]
    pub fn sockets_with_threads(self, sockets: u32, threads: u32) -> Self {
        Self { sockets: Some((sockets, threads)), ..self }
    }

    /// Sets the disk that the machine boots from.
    #[must_use]
    pub fn boot_disk(self, boot_disk: BootDisk) -> Self {
        Self { boot_disk, ..self }
    }

    /// Sets the distances between nodes, a row for each node. Without them the firmware has no SLIT.
    #[must_use]
    pub fn distances(self, rows: &[&[u8]]) -> Self {
        Self { distances: rows.iter().map(|row| row.to_vec()).collect(), ..self }
    }

    /// Sets the disks. The image of the kernel is not among them.
    #[must_use]
    pub fn disks(self, disks: impl IntoIterator<Item = Disk>) -> Self {
        Self { disks: disks.into_iter().collect(), ..self }
    }

    /// Gives the disks no content and this latency. What they read is not defined, what is written to them is lost.
    #[must_use]
    pub fn disks_without_content(self, latency_ns: u64) -> Self {
        Self { disk_content: DiskContent::Nothing { latency_ns }, ..self }
    }

    /// Gives the disks no content but zeros, which are there at once. What is written to them is lost. On a clock that counts instructions the
    /// time in which the host reads a file is none, or, if all CPUs wait for that, any.
    #[must_use]
    pub fn disks_of_zeros(self) -> Self {
        Self { disk_content: DiskContent::Zeros, ..self }
    }

    /// Sets the firmware. Without it the machine has BIOS.
    #[must_use]
    pub fn firmware(self, firmware: Firmware) -> Self {
        Self { firmware, ..self }
    }

    /// Sets the kernel's parameters. `exit` is added to them.
    #[must_use]
    pub fn parameters(self, words: &str) -> Self {
        Self { parameters: Some(format!("{words} exit").trim_start().to_owned()), ..self }
    }

    /// Lets the machine run on after its boot, with this process's standard input at its console. `exit` is not added to the parameters.
    #[must_use]
    pub fn interactive(self, words: &str) -> Self {
        Self { parameters: Some(words.to_owned()), is_interactive: true, ..self }
    }

    /// Adds COM3, which listens at this socket for drivers that are pushed.
    #[must_use]
    pub fn push_socket(self, path: impl Into<PathBuf>) -> Self {
        Self { push_socket: Some(path.into()), ..self }
    }

    /// Lets the kernel protect memory by keys, as it does unless it is told otherwise. In QEMU that makes each call between a driver and the
    /// kernel slow, so the other machines do without, unless the environment has the variable `PROXIMA_PROTECT`.
    #[must_use]
    pub fn protected(self) -> Self {
        Self { is_protected: true, ..self }
    }

    /// Lets the kernel wait for drivers for a minute: the host may be busy with other tests. A clock that counts instructions does not
    /// depend on the host, so there the kernel waits as long as it does otherwise.
    #[must_use]
    pub fn patient(self) -> Self {
        Self { is_patient: !self.counts(), ..self }
    }

    /// Gives the kernel no parameters, as on real hardware. The kernel then reads those of its ramdisk.
    #[must_use]
    pub fn without_parameters(self) -> Self {
        Self { parameters: None, ..self }
    }

    /// Removes COM2, and with it the events.
    #[must_use]
    pub fn without_event_port(self) -> Self {
        Self { event_port: false, ..self }
    }

    /// Removes COM1, and with it the log.
    #[must_use]
    pub fn without_log_port(self) -> Self {
        Self { log_port: false, ..self }
    }

    /// Removes the graphics card. Text on a screen may cost more instructions than what it is about.
    #[must_use]
    pub fn without_screen(self) -> Self {
        self.arguments(["-vga", "none"])
    }

    /// Removes the device by which the kernel ends the machine. The CPUs then halt, and the screen can be looked at.
    #[must_use]
    pub fn without_debug_exit(self) -> Self {
        Self { ends: false, ..self }
    }

    /// Leaves the log unread until the machine has ended. COM1 then takes no more bytes than a pipe holds, some 64 KiB.
    #[must_use]
    pub fn with_unread_log(self) -> Self {
        Self { log_is_read: false, ..self }
    }

    /// Sets the disk image, in place of the image that `run.sh` built for the firmware.
    #[must_use]
    pub fn image(self, path: impl Into<PathBuf>) -> Self {
        Self { image: Some(path.into()), ..self }
    }

    /// Gives QEMU's monitor this command as soon as these words appear on COM1. Only [`Machine::run`] does this.
    #[must_use]
    pub fn command_at(self, words: &str, command: &str) -> Self {
        Self { command: Some((words.to_owned(), command.to_owned())), ..self }
    }

    /// Adds arguments for QEMU, unchanged.
    #[must_use]
    pub fn arguments<A: Into<OsString>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// Returns QEMU's arguments for the hardware, the kernel's parameters and the debug exit. Those for firmware and the content of
    /// disks, which are files of the host, are not among them.
    #[must_use]
    pub fn qemu_arguments(&self) -> Vec<OsString> {
        let mut arguments = Vec::new();
        let mut option = |name: &str, value: String| arguments.extend([name.into(), value.into()]);
        option("-machine", "q35".into());
        option("-cpu", self.cpu());
        option("-smp", self.smp());
        option("-m", format!("{}M", self.memory_mib));
        for (id, node) in self.nodes.iter().enumerate().filter(|(_, node)| node.memory_mib > 0) {
            let reserve = if node.memory_mib < UNRESERVED_FROM_MIB { "" } else { ",reserve=off" };
            option("-object", format!("memory-backend-ram,id=mem{id},size={}M{reserve}", node.memory_mib));
        }
        for (id, node) in self.nodes.iter().enumerate() {
            option("-numa", numa_node(id, node));
        }
        for (from, to, distance) in self.qemu_distances() {
            option("-numa", format!("dist,src={from},dst={to},val={distance}"));
        }
        if let Some(words) = &self.parameters {
            let is_told = self.is_protected || words.contains("protection=");
            let protection = if is_told { "" } else { " protection=off" };
            let patience = if self.is_patient && !words.contains("patience=") { " patience=60" } else { "" };
            let words = escape(&format!("{words}{protection}{patience}"));
            option("-fw_cfg", format!("name=opt/org.proxima/cmdline,string={words}"));
        }
        if self.ends {
            option("-device", "isa-debug-exit,iobase=0xf4,iosize=0x04".into());
        }
        if !self.arguments.iter().any(chooses_accelerator) {
            // Not KVM, even if it is present: inside a virtual machine it may be far slower, or fail with `-cpu max`.
            option("-accel", "tcg,thread=multi".into());
        }
        arguments.extend(self.arguments.iter().cloned());
        // Last: QEMU would put later devices without a `bus=` on the bus of the disks' own host bridge, which takes none.
        for device in self.disks.iter().flat_map(|disk| disk.devices()) {
            arguments.extend(["-device".into(), device.into()]);
        }
        arguments
    }

    /// Returns true if the machine's clock counts instructions.
    fn counts(&self) -> bool {
        self.arguments.iter().any(|argument| argument == "-icount" || argument == "--icount")
    }

    fn cpu(&self) -> String {
        // QEMU 9 and later stop with "Bad icount read" when a guest on such a clock uses the registers of an x2APIC. To turn it
        // off is allowed where there is none.
        if self.counts() { format!("{},-x2apic", self.cpu) } else { self.cpu.clone() }
    }

    fn smp(&self) -> String {
        match self.sockets {
            Some((sockets, threads)) => {
                let cores = self.cpus / sockets / threads;
                format!("{},sockets={sockets},cores={cores},threads={threads}", self.cpus)
            }
            None => self.cpus.to_string(),
        }
    }

    /// Returns the distances as QEMU takes them: from, to, distance. A symmetric matrix is given one way; QEMU adds the other.
    fn qemu_distances(&self) -> Vec<(usize, usize, u8)> {
        let rows = &self.distances;
        let all = || (0..rows.len()).flat_map(|from| (0..rows.len()).map(move |to| (from, to)));
        let symmetric = all().all(|(from, to)| rows[from][to] == rows[to][from]);
        all()
            .filter(|&(from, to)| if symmetric { from < to } else { from != to })
            .map(|(from, to)| (from, to, rows[from][to]))
            .collect()
    }
}

/// Returns the value of `-numa` for a node, such as `node,nodeid=0,cpus=0-1,memdev=mem0`.
fn numa_node(id: usize, node: &Node) -> String {
    let mut value = format!("node,nodeid={id}");
    for run in node.cpus.chunk_by(|before, after| before + 1 == *after) {
        let (first, last) = (run[0], run[run.len() - 1]);
        value += &if first == last { format!(",cpus={first}") } else { format!(",cpus={first}-{last}") };
    }
    if node.memory_mib > 0 {
        value += &format!(",memdev=mem{id}");
    }
    value
}

/// Returns true if this argument says how QEMU runs the guest.
fn chooses_accelerator(argument: &OsString) -> bool {
    let argument = argument.to_string_lossy();
    matches!(argument.as_ref(), "-accel" | "--accel" | "-enable-kvm" | "--enable-kvm")
        || argument.contains("accel=")
}

/// Escapes a value for QEMU, which splits option values at single commas.
pub(crate) fn escape(value: &str) -> String {
    value.replace(',', ",,")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(machine: &Machine) -> String {
        let arguments = machine.qemu_arguments();
        arguments.iter().map(|argument| argument.to_str().unwrap()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn the_two_node_machine_is_the_documented_one() {
        let documented = "-machine q35 -cpu max -smp 4,sockets=2,cores=2,threads=1 -m 512M \
            -object memory-backend-ram,id=mem0,size=256M -object memory-backend-ram,id=mem1,size=256M \
            -numa node,nodeid=0,cpus=0-1,memdev=mem0 -numa node,nodeid=1,cpus=2-3,memdev=mem1 \
            -numa dist,src=0,dst=1,val=20 ";
        let disks = "-device pxb-pcie,id=p1,bus_nr=128,numa_node=1,bus=pcie.0 -device pcie-root-port,id=r1,bus=p1,chassis=1 \
            -device nvme,drive=d1,serial=far,bus=r1 \
            -device virtio-blk-pci,drive=d0,serial=near,disable-legacy=on,bus=pcie.0";
        let line = line(&Machine::two_nodes().arguments(["-device", "edu"]));
        assert!(line.starts_with(documented) && line.ends_with(disks), "{line}");
    }

    #[test]
    fn an_asymmetric_matrix_is_given_both_ways() {
        let nodes = [Node::new([0], 64), Node::new([1], 64)];
        let line = line(&Machine::with_nodes(nodes).distances(&[&[10, 20], &[30, 10]]));
        assert!(line.contains("-numa dist,src=0,dst=1,val=20 -numa dist,src=1,dst=0,val=30"));
    }

    #[test]
    fn a_node_lacks_what_it_does_not_have() {
        let nodes = [Node::new([0, 2, 3], 64), Node::without_memory([1]), Node::without_cpus(2048)];
        let line = line(&Machine::with_nodes(nodes));
        assert!(line.contains("-smp 4 -m 2112M"));
        assert!(line.contains("id=mem2,size=2048M,reserve=off"));
        assert!(line.contains("nodeid=0,cpus=0,cpus=2-3,memdev=mem0 -numa node,nodeid=1,cpus=1 "));
        assert!(line.contains("nodeid=2,memdev=mem2"));
    }

    #[test]
    fn exit_is_always_among_the_parameters_and_commas_are_doubled() {
        let machine = Machine::without_numa(1, 128);
        assert!(line(&machine).contains("string=exit protection=off -device"));
        assert!(line(&machine.clone().protected()).contains("string=exit -device"));
        assert!(line(&machine.parameters("log=a,b")).contains("string=log=a,,b exit protection=off -device"));
    }

    #[test]
    fn a_clock_that_counts_instructions_goes_without_x2apic() {
        let machine = Machine::without_numa(1, 128);
        assert!(line(&machine).contains("-cpu max -smp"));
        let counting = line(&machine.cpu_with("phys-bits=42").counting(8));
        assert!(counting.contains("-cpu max,phys-bits=42,-x2apic -smp"));
        assert!(counting.ends_with("-accel tcg -icount shift=8,sleep=off"));
        assert!(line(&Machine::without_numa(1, 128).arguments(["-icount", "auto"])).contains("max,-x2apic"));
    }

    #[test]
    fn the_users_accelerator_takes_the_place_of_ours() {
        let machine = Machine::without_numa(1, 128);
        assert!(line(&machine).ends_with("-accel tcg,thread=multi"));
        assert!(line(&machine.clone().arguments(["-enable-kvm"])).ends_with("iosize=0x04 -enable-kvm"));
        assert!(line(&machine.arguments(["-accel", "kvm"])).ends_with("iosize=0x04 -accel kvm"));
    }
}
