//! The registers of a controller (NVM Express 1.4 §3.1), and the structures that it reads and writes in memory (§4).

/// Capabilities, 64 bits.
pub const CAP: usize = 0x00;
/// Controller configuration.
pub const CC: usize = 0x14;
/// Controller status.
pub const CSTS: usize = 0x1c;
/// Admin queue attributes: the sizes of both admin queues.
pub const AQA: usize = 0x24;
/// The address of the admin submission queue, 64 bits.
pub const ASQ: usize = 0x28;
/// The address of the admin completion queue, 64 bits.
pub const ACQ: usize = 0x30;
/// The first doorbell.
pub const DOORBELLS: usize = 0x1000;

/// CC: the controller is enabled; memory pages have 4 KiB; commands have 64 bytes, and completions 16.
pub const CC_ENABLE: u32 = 1 | 6 << 16 | 4 << 20;
/// CSTS: the controller is ready.
pub const CSTS_READY: u32 = 1;
/// CSTS: the controller has failed.
pub const CSTS_FATAL: u32 = 2;
/// What a register of a device that is gone reads as.
pub const GONE: u32 = u32::MAX;

/// Bytes of a page.
pub const PAGE: u64 = 4096;
/// The most entries of a queue here: an index into it is a byte.
pub const ENTRIES: usize = 256;
/// The entries of a command's list of pages.
pub const LIST: usize = 64;

driver_kit::dma_struct! {
    /// A command, in a submission queue.
    pub struct Command {
        /// The opcode, and no flags.
        pub opcode: u16,
        /// The command's id.
        pub id: u16,
        /// The namespace.
        pub namespace: u32,
        pub reserved: u64,
        pub metadata: u64,
        /// The first page of the data, or its first bytes there.
        pub data: u64,
        /// The second page, or the list of all pages after the first.
        pub more_data: u64,
        /// Words 10 and 11: for a read or write, the first block.
        pub block: u64,
        /// Word 12: for a read or write, the number of blocks less 1.
        pub count: u32,
        pub word13: u32,
        pub words14: u64,
    }
}

driver_kit::dma_struct! {
    /// A completion, in a completion queue.
    pub struct Completion {
        /// A result, for some admin commands.
        pub result: u32,
        pub reserved: u32,
        /// The submission queue, and its head.
        pub queue: u32,
        /// The command's id, the phase in bit 16, and the status above.
        pub status: u32,
    }
}

/// The phase in a completion's `status`.
pub const PHASE: u32 = 1 << 16;
