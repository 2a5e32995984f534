//! The CPUs: which there are, in the MADT's order, and which domain the SRAT puts each of them in.
use acpi_tables::{Finding, Findings, Madt, Signature, Srat, SratCpu, SratEntry, What};
use arrayvec::ArrayVec;
use units::{ApicId, CpuId, NodeId, ProximityDomain};

use crate::fake::node_of_cpu;
use crate::smallest::Smallest;
use crate::{Cpu, Inputs, MAX_CPUS, Node};

/// The CPUs by id, and their ids by APIC id.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Cpus {
    list: ArrayVec<Cpu, MAX_CPUS>,
    by_apic_id: ArrayVec<u16, MAX_CPUS>,
}

const _: () = assert!(MAX_CPUS <= 1 << 16, "by_apic_id holds 16-bit indices");

/// Why a CPU was not added.
enum Refusal {
    Duplicate,
    Full,
}

impl Cpus {
    pub const EMPTY: Self = Self { list: ArrayVec::new_const(), by_apic_id: ArrayVec::new_const() };

    pub fn as_slice(&self) -> &[Cpu] {
        &self.list
    }

    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Cpu> {
        self.list.iter_mut()
    }

    /// The CPU with this APIC id.
    pub fn find(&self, apic_id: ApicId) -> Option<&Cpu> {
        let place = self.place(apic_id).ok()?;
        self.list.get(usize::from(self.by_apic_id[place]))
    }

    /// Lists the machine's CPUs anew, all on node 0, and notes those that it has room for but lacks.
    pub fn read(&mut self, inputs: &Inputs<'_>, absent: &mut AbsentCpus, findings: &mut dyn Findings) {
        self.list.clear();
        self.by_apic_id.clear();
        if let Some(madt) = &inputs.madt {
            self.read_madt(madt, absent, findings);
        }
        match (inputs.boot_cpu, &inputs.madt, &inputs.srat) {
            (Some(boot_cpu), madt, _) => self.have_boot_cpu(boot_cpu, madt.is_some(), absent, findings),
            (None, None, Some(srat)) => self.read_srat(srat, findings),
            _ => {}
        }
    }

    fn read_madt(&mut self, madt: &Madt<'_>, absent: &mut AbsentCpus, findings: &mut dyn Findings) {
        let mut reader = madt.reader();
        while let Some(cpu) = reader.next(findings) {
            let apic_id = cpu.apic_id;
            if !cpu.enabled {
                absent.offer(apic_id);
                continue;
            }
            let what = if cpu.is_broadcast() {
                What::CpuBroadcast { apic_id }
            } else {
                match self.add(apic_id, Some(cpu.acpi_processor_uid)) {
                    Ok(()) => continue,
                    Err(Refusal::Duplicate) => What::CpuDuplicate { apic_id },
                    Err(Refusal::Full) => {
                        absent.offer(apic_id);
                        What::CpusFull { apic_id, limit: MAX_CPUS }
                    }
                }
            };
            findings.report(Finding::new(Signature::MADT, cpu.offset, what));
        }
    }

    /// Adds the boot CPU if no table did: it runs this, so it is there.
    fn have_boot_cpu(
        &mut self,
        apic_id: ApicId,
        has_madt: bool,
        absent: &mut AbsentCpus,
        findings: &mut dyn Findings,
    ) {
        if self.place(apic_id).is_ok() {
            return;
        }
        if has_madt {
            findings.report(Finding::new(Signature::MADT, 0, What::BootCpuMissing { apic_id }));
        }
        if self.list.is_full() {
            let last = MAX_CPUS - 1;
            if let Some(cpu) = self.list.pop() {
                absent.offer(cpu.apic_id);
            }
            self.by_apic_id.retain(|&mut index| usize::from(index) != last);
        }
        // There is room, and the APIC id is new.
        let _ = self.add(apic_id, None);
    }

    /// Takes the CPUs that the SRAT names, by APIC id so that the order of its entries says nothing; of too many the lowest.
    fn read_srat(&mut self, srat: &Srat<'_>, findings: &mut dyn Findings) {
        // What the table got wrong is told when it is read for its domains.
        let mut unheard = |_: Finding| {};
        let mut is_full = false;
        for SratCpu { apic_id, .. } in enabled(srat, &mut unheard) {
            if let Err(Refusal::Full) = self.add(apic_id, None) {
                is_full = true;
                self.exchange_highest(apic_id);
            }
        }
        for SratCpu { apic_id, offset, .. } in enabled(srat, &mut unheard).take_while(|_| is_full) {
            if self.place(apic_id).is_err() {
                let what = What::CpusFull { apic_id, limit: MAX_CPUS };
                findings.report(Finding::new(Signature::SRAT, offset, what));
            }
        }
        self.list.sort_unstable_by_key(|cpu| cpu.apic_id);
        for (index, (cpu, place)) in self.list.iter_mut().zip(&mut self.by_apic_id).enumerate() {
            cpu.id = CpuId(index as u32);
            *place = index as u16;
        }
    }

    /// Puts a new CPU in the place of the one with the highest APIC id, if its own is lower.
    fn exchange_highest(&mut self, apic_id: ApicId) {
        let (Err(place), Some(&highest)) = (self.place(apic_id), self.by_apic_id.last()) else { return };
        if place < self.by_apic_id.len() {
            self.by_apic_id.pop();
            self.list[usize::from(highest)].apic_id = apic_id;
            self.by_apic_id.insert(place, highest);
        }
    }

    fn add(&mut self, apic_id: ApicId, acpi_processor_uid: Option<u32>) -> Result<(), Refusal> {
        let Err(place) = self.place(apic_id) else { return Err(Refusal::Duplicate) };
        let index = self.list.len();
        let cpu = Cpu { id: CpuId(index as u32), apic_id, acpi_processor_uid, node: NodeId::ZERO };
        self.list.try_push(cpu).map_err(|_| Refusal::Full)?;
        self.by_apic_id.insert(place, index as u16);
        Ok(())
    }

    /// Where the APIC id is, or would be, in `by_apic_id`.
    fn place(&self, apic_id: ApicId) -> Result<usize, usize> {
        self.by_apic_id.binary_search_by_key(&apic_id, |&index| self.list[usize::from(index)].apic_id)
    }

    /// Gives each of these nodes its share of the CPUs.
    pub fn deal_out(&mut self, nodes: &[Node]) {
        for (place, index) in self.by_apic_id.iter().enumerate() {
            self.list[usize::from(*index)].node =
                nodes[node_of_cpu(place, self.by_apic_id.len(), nodes.len())].id;
        }
    }

    /// Gives each CPU without a home the node of the CPU with a home whose APIC id is next below its own, else next
    /// above, else node 0: APIC ids number threads within cores within packages, so neighbours share a package.
    pub fn place_homeless(&mut self, homes: &Homes, findings: &mut dyn Findings) {
        let has_home = |index: &&u16| homes.of(usize::from(**index)).is_some();
        let mut neighbour = self.by_apic_id.iter().find(has_home).map(|&index| self.list[usize::from(index)]);
        for index in &self.by_apic_id {
            let cpu = &mut self.list[usize::from(*index)];
            if homes.of(usize::from(*index)).is_some() {
                neighbour = Some(*cpu);
                continue;
            }
            cpu.node = neighbour.map_or(NodeId::ZERO, |neighbour| neighbour.node);
            let neighbour = neighbour.map(|neighbour| neighbour.apic_id);
            let what = What::CpuMissing { apic_id: cpu.apic_id, node: cpu.node, neighbour };
            findings.report(Finding::new(Signature::SRAT, 0, what));
        }
    }
}

/// The CPUs that the SRAT places, in its order.
fn enabled(srat: &Srat<'_>, findings: &mut dyn Findings) -> impl Iterator<Item = SratCpu> {
    srat.entries(findings).filter_map(|entry| match entry {
        SratEntry::Cpu(cpu) if cpu.enabled => Some(cpu),
        _ => None,
    })
}

/// The APIC ids of CPUs that the MADT lists and that are none here: not enabled, so that they may come later, or too many.
/// The lowest that there is room for.
pub type AbsentCpus = Smallest<ApicId, MAX_CPUS>;

/// Where the SRAT says that a CPU belongs.
#[derive(Clone, Copy)]
pub struct Home {
    pub domain: ProximityDomain,
    /// The entry that says so.
    pub offset: u32,
}

/// Each CPU's home, by CPU id.
pub struct Homes(ArrayVec<Option<Home>, MAX_CPUS>);

impl Homes {
    pub const fn new() -> Self {
        Self(ArrayVec::new_const())
    }

    /// No home for any of these CPUs, in place: moving the array would copy all of it.
    pub fn clear_for(&mut self, cpus: &Cpus) {
        self.0.clear();
        self.0.extend(cpus.list.iter().map(|_| None));
    }

    pub fn of(&self, index: usize) -> Option<Home> {
        self.0.get(index).copied().flatten()
    }

    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Option<Home>> {
        self.0.iter_mut()
    }

    /// Takes in what an enabled SRAT entry says. Of two domains for one CPU the lower is used, so that the order of the
    /// entries says nothing.
    pub fn take(&mut self, entry: SratCpu, cpus: &Cpus, others: Others<'_>, findings: &mut dyn Findings) {
        let SratCpu { apic_id, domain, offset, .. } = entry;
        let known = cpus.find(apic_id).and_then(|cpu| self.0.get_mut(cpu.id.index()));
        let Some(home) = known else {
            if others.are_strangers(apic_id) {
                findings.report(Finding::new(Signature::SRAT, offset, What::CpuUnknown { apic_id, domain }));
            }
            return;
        };
        let new = Home { domain, offset };
        match *home {
            None => *home = Some(new),
            Some(old) if old.domain == domain => {}
            Some(old) => {
                let (used, dropped) = if old.domain < domain { (old, new) } else { (new, old) };
                *home = Some(used);
                let what = What::CpuInTwoDomains { apic_id, used: used.domain, other: dropped.domain };
                findings.report(Finding::new(Signature::SRAT, dropped.offset, what));
            }
        }
    }
}

/// What is known of CPUs that are not there.
#[derive(Clone, Copy)]
pub struct Others<'a> {
    /// Those that may come later.
    pub absent: &'a AbsentCpus,
    /// Whether a MADT lists all there are; without one nothing is known.
    pub all_known: bool,
}

impl Others<'_> {
    /// Whether the MADT knows nothing of this CPU.
    fn are_strangers(self, apic_id: ApicId) -> bool {
        self.all_known && !self.absent.may_have(apic_id)
    }
}
