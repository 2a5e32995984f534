//! Recognises the tables of Arm machines, whose CPUs this kernel does not know.
use acpi_tables::wire::srat_entry_type::GICC_AFFINITY;
use acpi_tables::{Finding, SratEntry};
use topology::Inputs;

/// Returns a note about the CPUs of an Arm machine, or `None` if the tables list none.
pub fn note(inputs: &Inputs<'_>) -> Option<String> {
    let of_srat = |entry: &SratEntry| matches!(entry, SratEntry::Other { kind: GICC_AFFINITY, .. });
    // The topology was built from the same tables, which reported the findings then.
    let mut ignore = |_: Finding| {};
    let srat = inputs.srat.map_or(0, |srat| srat.entries(&mut ignore).filter(of_srat).count());
    let madt = inputs.madt.map_or(0, |madt| madt.arm_cpus());
    let tables = match (madt, srat) {
        (0, 0) => return None,
        (madt, 0) => format!("{madt} in the MADT"),
        (0, srat) => format!("{srat} in the SRAT"),
        (madt, srat) => format!("{madt} in the MADT, {srat} in the SRAT"),
    };
    Some(format!("An Arm machine: its CPUs ({tables}) are not shown, because Proxima runs on x86-64"))
}
