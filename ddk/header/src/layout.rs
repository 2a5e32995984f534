//! Writes assertions in C for the sizes and offsets that the structures have in Rust.
use abi::{
    BlockDriver, BlockInfo, BlockRequest, CpuInfo, DeviceBar, DeviceInfo, DeviceMatch, DmaGrant, DmaRequest,
    DmaSegment, InterruptInfo, InterruptSetup, NumaNodeInfo, NumaPolicy, PageGrant, PageRequest, PerCpuGrant,
};
use std::fmt::Write as _;
use std::mem::{offset_of, size_of};

/// A structure's name, its size, and the offset of each field.
struct Layout {
    name: &'static str,
    size: usize,
    fields: Vec<(&'static str, usize)>,
}

/// Returns the layout of a structure with exactly these fields. It does not compile if a field is missing.
macro_rules! layout {
    ($name:ident { $($field:ident),* }) => {{
        let _every_field = |$name { $($field: _),* }: $name| ();
        Layout {
            name: stringify!($name),
            size: size_of::<$name>(),
            fields: vec![$((stringify!($field), offset_of!($name, $field))),*],
        }
    }};
}

/// Returns one assertion for each structure and each field, for C11 and C++11.
pub fn assertions() -> String {
    let mut text = "\
#ifdef __cplusplus
#define PROXIMA_ASSERT(condition) static_assert(condition, #condition)
#else
#define PROXIMA_ASSERT(condition) _Static_assert(condition, #condition)
#endif
"
    .to_owned();
    for Layout { name, size, fields } in layouts() {
        // Writing to a `String` cannot fail.
        let _ = writeln!(text, "\nPROXIMA_ASSERT(sizeof({name}) == {size});");
        for (field, offset) in fields {
            let _ = writeln!(text, "PROXIMA_ASSERT(offsetof({name}, {field}) == {offset});");
        }
    }
    text + "\n#undef PROXIMA_ASSERT\n"
}

fn layouts() -> [Layout; 17] {
    [
        layout!(NumaNodeInfo { NodeId, CpuCount, MemoryBase, MemorySize, IsValid }),
        layout!(NumaPolicy { Size, Kind, Node, Reserved, Nodes, Weights }),
        layout!(PageRequest { Size, Flags, Count, Alignment, HighestAddress, Policy }),
        layout!(PageGrant { Size, Node, Address, Count, Distance, FellBack }),
        layout!(PerCpuGrant { Size, Reserved, Memory, Stride }),
        layout!(CpuInfo { CpuIndex, ApicId, AcpiProcessorId, NumaNode, IsBsp, IsOnline, IsEnabled }),
        layout!(DeviceMatch { Size, Flags, Vendor, Device, SubVendor, SubDevice, Class, ClassMask }),
        layout!(DeviceBar { Address, Size, Flags, Reserved }),
        layout!(DeviceInfo {
            Size,
            Segment,
            Bus,
            Slot,
            Function,
            Revision,
            VendorId,
            DeviceId,
            SubVendorId,
            SubDeviceId,
            Class,
            Node,
            NodeSource,
            MsixVectors,
            MsiVectors,
            IntxPin,
            Bars,
            Owner
        }),
        layout!(DmaRequest {
            Size,
            Flags,
            Device,
            Reserved,
            Bytes,
            Alignment,
            Boundary,
            HighestAddress,
            Policy
        }),
        layout!(DmaGrant { Size, Node, Memory, DeviceAddress, Bytes, Distance, FellBack }),
        layout!(DmaSegment { Address, Bytes }),
        layout!(InterruptSetup { Size, Flags, Handler, Context, Cpu, Reserved }),
        layout!(InterruptInfo {
            Size,
            Kind,
            Vector,
            Cpu,
            Node,
            Reserved,
            Count,
            Unclaimed,
            LongestNanoseconds
        }),
        layout!(BlockRequest {
            Size,
            Operation,
            Flags,
            Count,
            SegmentCount,
            Block,
            Segments,
            Done,
            Context,
            Queue,
            Status,
            State,
            Reserved,
            ForDriver
        }),
        layout!(BlockDriver {
            Size,
            Flags,
            Device,
            BlockSize,
            Blocks,
            MaxBytes,
            MaxSegments,
            Queues,
            Depth,
            Reserved,
            Name,
            Context,
            Submit,
            Poll
        }),
        layout!(BlockInfo {
            Size,
            BlockSize,
            Blocks,
            Node,
            Queues,
            MaxBytes,
            MaxSegments,
            Depth,
            Device,
            Reserved,
            Name,
            Driver
        }),
    ]
}
