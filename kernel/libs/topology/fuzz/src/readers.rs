//! Reads each table to its end and checks that the number of steps is bounded and that findings are valid.
use acpi_tables::{
    Finding, Findings, HmatEntry, Rule, SratEntry, find_hmat, find_madt, find_mcfg, find_msct, find_slit,
    find_srat,
};
use units::ProximityDomain;

/// The highest number of findings of one step.
const FINDINGS_A_STEP: usize = 4;

/// A receiver that counts findings and checks each of them.
#[derive(Debug)]
pub struct Counter {
    /// Findings so far.
    pub count: usize,
    length: usize,
    rules: &'static str,
    with_text: bool,
}

impl Counter {
    /// Creates a counter for a table of `length` bytes whose own rules start with `rules`.
    ///
    /// If `with_text` is true, the counter also checks each finding's text.
    #[must_use]
    pub const fn new(length: usize, rules: &'static str, with_text: bool) -> Self {
        Self { count: 0, length, rules, with_text }
    }
}

impl Findings for Counter {
    fn report(&mut self, finding: Finding) {
        self.count += 1;
        // Checked for each finding, to notice a reader that reports findings in an endless loop.
        assert!(self.count <= FINDINGS_A_STEP * (self.length / 2 + 1), "{} findings", self.count);
        let id = finding.rule.id();
        assert!(id.starts_with(self.rules) || id.starts_with("table."), "{id} of {}", finding.table);
        assert!(finding.offset as usize <= self.length, "{finding} lies outside the table");
        if self.with_text {
            check_text(&finding);
        }
    }
}

/// Checks that a finding has an existing rule and that its text is one line.
pub fn check_text(finding: &Finding) {
    assert!(Rule::ALL.contains(&finding.rule));
    let text = finding.to_string();
    assert!(text.len() < 160 && !text.contains('\n'), "{text}");
}

/// Reads these bytes as the table whose signature they start with. Returns the number of findings.
///
/// # Panics
/// Panics if reading takes more steps than the table's length allows, or if a finding has another table's rule.
pub fn read(bytes: &[u8], with_text: bool) -> usize {
    let counter = |rules| Counter::new(bytes.len(), rules, with_text);
    match bytes.first_chunk() {
        Some(b"SRAT") => srat(bytes, counter("srat.")),
        Some(b"SLIT") => slit(bytes, counter("slit.")),
        Some(b"APIC") => madt(bytes, counter("madt.")),
        Some(b"HMAT") => hmat(bytes, counter("hmat.")),
        Some(b"MCFG") => mcfg(bytes, counter("mcfg.")),
        Some(b"MSCT") => msct(bytes, counter("msct.")),
        Some(b"DSDT" | b"SSDT") => aml_names::invariants::read_all(&[bytes], with_text),
        _ => 0,
    }
}

/// Checks that a reader took at most one step for each `smallest` bytes, the size of its smallest entry.
///
/// Returns the number of findings.
fn check_steps(steps: usize, smallest: usize, bytes: &[u8], findings: &Counter) -> usize {
    assert!(steps <= bytes.len() / smallest, "{steps} steps in {} bytes", bytes.len());
    findings.count
}

fn srat(bytes: &[u8], mut findings: Counter) -> usize {
    let mut steps = 0;
    if let Some(srat) = find_srat([bytes], &mut findings) {
        let mut last = 0;
        for entry in srat.entries(&mut findings) {
            let offset = match entry {
                SratEntry::Cpu(cpu) => cpu.offset,
                SratEntry::Memory(memory) => memory.offset,
                SratEntry::GenericInitiator(device) | SratEntry::GenericPort(device) => device.offset,
                SratEntry::Other { offset, .. } => offset,
            };
            assert!(offset > last && (offset as usize) < bytes.len(), "entries ascend, inside the table");
            last = offset;
            steps += 1;
        }
    }
    check_steps(steps, 2, bytes, &findings)
}

fn slit(bytes: &[u8], mut findings: Counter) -> usize {
    if let Some(slit) = find_slit([bytes], &mut findings) {
        assert!(slit.localities() > 0);
        let edge = u32::try_from(slit.localities()).unwrap_or(u32::MAX);
        let domains = [0, 1, 2, edge / 2, edge - 1, edge, u32::MAX].map(ProximityDomain);
        for (from, to) in domains.iter().flat_map(|&from| domains.map(|to| (from, to))) {
            let offset = slit.offset(from, to) as usize;
            assert_eq!(slit.distance(from, to), bytes.get(offset).copied().filter(|_| offset != 0));
        }
    }
    check_steps(0, 2, bytes, &findings)
}

fn madt(bytes: &[u8], mut findings: Counter) -> usize {
    let mut steps = 0;
    if let Some(madt) = find_madt([bytes], &mut findings) {
        steps = madt.cpus(&mut findings).take(bytes.len()).count();
        let _ = madt.local_apic_address();
    }
    check_steps(steps, 2, bytes, &findings)
}

fn hmat(bytes: &[u8], mut findings: Counter) -> usize {
    let mut steps = 0;
    if let Some(hmat) = find_hmat([bytes], &mut findings) {
        for entry in hmat.entries(&mut findings).take(bytes.len()) {
            steps += 1;
            if let HmatEntry::Matrix(matrix) = entry {
                let (rows, columns) = (matrix.initiators().len(), matrix.targets().len());
                assert!(4 * (rows + columns) <= bytes.len(), "a matrix lies in its table");
                for (row, column) in
                    [(0, 0), (rows.saturating_sub(1), columns.saturating_sub(1)), (rows, columns)]
                {
                    let _ = matrix.value(row, column);
                }
            }
        }
    }
    check_steps(steps, 8, bytes, &findings)
}

fn mcfg(bytes: &[u8], mut findings: Counter) -> usize {
    let mut ranges = Vec::new();
    if let Some(mcfg) = find_mcfg([bytes], &mut findings) {
        for range in mcfg.ranges(&mut findings) {
            let buses = u64::from(range.last_bus - range.first_bus) + 1;
            assert_eq!(range.memory.end.0 - range.memory.start.0, buses << 20);
            ranges.push(range);
        }
    }
    for (index, range) in ranges.iter().enumerate() {
        assert!(ranges[..index].iter().all(|other| range.segment != other.segment
            || range.last_bus < other.first_bus
            || other.last_bus < range.first_bus));
    }
    check_steps(ranges.len(), 16, bytes, &findings)
}

fn msct(bytes: &[u8], mut findings: Counter) -> usize {
    let mut steps = 0;
    if let Some(msct) = find_msct([bytes], &mut findings) {
        steps = msct.domains(&mut findings).take(bytes.len()).count();
        let _ = (msct.max_domains(), msct.max_clock_domains(), msct.max_address());
    }
    check_steps(steps, 2, bytes, &findings)
}
