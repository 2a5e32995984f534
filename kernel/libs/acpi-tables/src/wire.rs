//! The tables' structures as they lie in memory: packed, little-endian, with the fields in the specification's order.
//!
//! `zerocopy` reads them in place, at any alignment.
mod clock;
mod dmar;
mod header;
mod hmat;
mod madt;
mod mcfg;
mod msct;
mod root;
mod slit;
mod srat;

pub use clock::{FadtHeader, GenericAddress, HpetTable};
pub use dmar::DmarHeader;
pub use header::SdtHeader;
pub use hmat::{
    HmatHeader, HmatLatencyAndBandwidth, HmatProximityDomainAttributes, HmatSideCache, hmat_structure_type,
};
pub use madt::{
    MadtHeader, MadtInterruptSourceOverride, MadtIoApic, MadtLocalApic, MadtLocalApicAddressOverride,
    MadtLocalX2Apic, madt_entry_type,
};
pub use mcfg::{McfgEntry, McfgHeader};
pub use msct::{MsctHeader, MsctProximityDomains};
pub use root::{ExtendedRsdp, Rsdp};
pub use slit::SlitHeader;
pub use srat::{
    SratGenericAffinity, SratHeader, SratMemoryAffinity, SratProcessorAffinity, SratX2ApicAffinity,
    srat_entry_type,
};
