//! Starting the other CPUs: INIT, a wait, startup messages (Intel SDM vol. 3 §9.4), and the code that a CPU runs from
//! real mode to the kernel's own.
//!
//! A CPU starts at a page below 1 MiB, the start page. It goes from real mode to long mode in one step, with page tables
//! that are the kernel's plus that page at its own address, then leaves both for the kernel's half and the kernel's tables.
use super::apic::{self, Message};
use super::page_entry::{PageKind, ROOT_LEVEL};
use super::page_table::{ENTRIES, Table};
use super::paging;
use super::physical_memory::physical_memory;
use super::time;
use ::address_space::PageSize;
use ::x86_64::registers::control::{Cr0, Cr3, Cr4};
use ::x86_64::registers::model_specific::{Efer, EferFlags};
use core::arch::{global_asm, naked_asm};
use units::{ApicId, FrameNumber, FrameRange, VirtAddr};

/// Between INIT and the first startup message; for all CPUs together.
const INIT_WAIT_US: u64 = 10_000;
/// Between the two startup messages.
const STARTUP_WAIT_US: u64 = 200;
/// How long a CPU may take to come online before it is given up, and all those together that do not come.
const ONLINE_TIMEOUT_US: u64 = 5_000_000;
const PATIENCE_US: u64 = 10_000_000;
/// How long it may take when the patience is used up: firmware that names hundreds of CPUs which are not there does not keep the
/// kernel from booting.
const HASTY_TIMEOUT_US: u64 = 100_000;

/// A CPU to be started.
pub struct StartCpu {
    /// Its APIC.
    pub apic: ApicId,
    /// The end of its stack.
    pub stack_top: VirtAddr,
    /// Handed to the entry function.
    pub block: *const (),
}

global_asm!(
    ".section .rodata.start_page, \"a\"",
    ".balign 16",
    ".global start_page_begin",
    "start_page_begin:",
    ".code16",
    "cli",
    "cld",
    "movw %cs, %ax",
    "movw %ax, %ds",
    "lgdtl (start_page_gdt_pointer - start_page_begin)",
    "movl (start_page_cr4 - start_page_begin), %eax",
    "movl %eax, %cr4",
    "movl (start_page_low_cr3 - start_page_begin), %eax",
    "movl %eax, %cr3",
    "movl $0xc0000080, %ecx",
    "movl (start_page_efer - start_page_begin), %eax",
    "xorl %edx, %edx",
    "wrmsr",
    "movl (start_page_cr0 - start_page_begin), %eax",
    "movl %eax, %cr0",
    "ljmpl *(start_page_far_pointer - start_page_begin)",
    ".code64",
    "start_page_long_mode:",
    "xorl %eax, %eax",
    "movl %eax, %ds",
    "movl %eax, %es",
    "movl %eax, %ss",
    "leaq start_page_begin(%rip), %rbx",
    "movq (start_page_stack - start_page_begin)(%rbx), %rsp",
    "movq (start_page_block - start_page_begin)(%rbx), %rdi",
    "movq (start_page_entry - start_page_begin)(%rbx), %rsi",
    "movq (start_page_cr3 - start_page_begin)(%rbx), %rdx",
    "movq (start_page_continue - start_page_begin)(%rbx), %rax",
    "jmpq *%rax",
    ".balign 8",
    "start_page_gdt:",
    ".quad 0, 0x00af9b000000ffff, 0x00cf93000000ffff",
    "start_page_gdt_pointer:",
    ".word 23",
    "start_page_gdt_address:",
    ".long 0",
    "start_page_far_pointer:",
    ".long 0",
    ".word 8",
    ".balign 8",
    "start_page_cr0: .long 0",
    "start_page_cr4: .long 0",
    "start_page_efer: .long 0",
    "start_page_low_cr3: .long 0",
    "start_page_cr3: .quad 0",
    "start_page_stack: .quad 0",
    "start_page_block: .quad 0",
    "start_page_entry: .quad 0",
    "start_page_continue: .quad 0",
    ".global start_page_end",
    "start_page_end:",
    ".text",
    options(att_syntax)
);

unsafe extern "C" {
    static start_page_begin: u8;
    static start_page_end: u8;
    static start_page_long_mode: u8;
    static start_page_gdt: u8;
    static start_page_gdt_address: u8;
    static start_page_far_pointer: u8;
    static start_page_cr0: u8;
    static start_page_cr4: u8;
    static start_page_efer: u8;
    static start_page_low_cr3: u8;
    static start_page_cr3: u8;
    static start_page_stack: u8;
    static start_page_block: u8;
    static start_page_entry: u8;
    static start_page_continue: u8;
}

/// The frames that starting CPUs takes, all below 4 GiB and zeroed.
pub struct StartFrames {
    /// Below 1 MiB.
    pub start_page: FrameNumber,
    /// For the four levels of page tables that map the start page at its own address.
    pub tables: [FrameNumber; 4],
}

/// Starts the CPUs, one after the other. `online` says whether the CPU at that index has come up, and `report` is told, once
/// for each, how it went.
///
/// # Safety
/// The frames are nobody else's, now and later. Each [`StartCpu`] names a CPU that does not run, and a stack and a block that
/// are its own for good. `entry` may be called with that block on that stack.
pub unsafe fn start_cpus(
    frames: &StartFrames,
    entry: extern "C" fn(*const ()) -> !,
    cpus: &[StartCpu],
    online: &dyn Fn(usize) -> bool,
    report: &mut dyn FnMut(usize, bool),
) {
    // SAFETY: the caller hands the frames over.
    let page = unsafe { StartPage::write(frames, entry) };
    let startup = Message::Startup(frames.start_page.0 as u8);
    for cpu in cpus.iter().filter(|cpu| apic::reaches(cpu.apic)) {
        apic::send(cpu.apic, Message::Init);
    }
    time::wait(INIT_WAIT_US);
    let mut patience = PATIENCE_US;
    for (index, cpu) in cpus.iter().enumerate() {
        let is_online = apic::reaches(cpu.apic) && {
            page.set(&raw const start_page_stack, cpu.stack_top.0);
            page.set(&raw const start_page_block, cpu.block as u64);
            start(cpu.apic, startup, &mut patience, &|| online(index))
        };
        report(index, is_online);
    }
}

fn start(cpu: ApicId, startup: Message, patience: &mut u64, online: &dyn Fn() -> bool) -> bool {
    apic::send(cpu, startup);
    if time::wait_until(STARTUP_WAIT_US, online) {
        return true;
    }
    apic::send(cpu, startup);
    let timeout = ONLINE_TIMEOUT_US.min(*patience).max(HASTY_TIMEOUT_US);
    let is_online = time::wait_until(timeout, online);
    if !is_online {
        *patience = patience.saturating_sub(timeout);
        // Should it wake up late after all, it must not find the next CPU's stack in the start page.
        apic::send(cpu, Message::Init);
    }
    is_online
}

/// The start page once written.
struct StartPage {
    base: *mut u8,
}

impl StartPage {
    /// Writes the start page and the page tables that it starts with.
    ///
    /// # Safety
    /// The frames are the caller's.
    unsafe fn write(frames: &StartFrames, entry: extern "C" fn(*const ()) -> !) -> Self {
        let base = physical_memory(frames.start_page.address());
        let begin = &raw const start_page_begin;
        let length = &raw const start_page_end as usize - begin as usize;
        // SAFETY: the code is shorter than a page, and the page is the caller's.
        unsafe { core::ptr::copy_nonoverlapping(begin, base, length) };
        let page = Self { base };
        let address = frames.start_page.address().0 as u32;
        let offset_of = |symbol: *const u8| (symbol as usize - begin as usize) as u32;
        page.set(&raw const start_page_gdt_address, address + offset_of(&raw const start_page_gdt));
        page.set(&raw const start_page_far_pointer, address + offset_of(&raw const start_page_long_mode));
        page.set(&raw const start_page_cr0, Cr0::read_raw() as u32);
        page.set(&raw const start_page_cr4, Cr4::read_raw() as u32);
        // The CPU sets the bit that says long mode is active itself.
        page.set(&raw const start_page_efer, (Efer::read() - EferFlags::LONG_MODE_ACTIVE).bits() as u32);
        // SAFETY: the frames are the caller's.
        page.set(&raw const start_page_low_cr3, unsafe { make_tables(frames) });
        page.set(&raw const start_page_cr3, Cr3::read_raw().0.start_address().as_u64());
        page.set(&raw const start_page_entry, entry as usize as u64);
        page.set(&raw const start_page_continue, leave_start_page as *const () as u64);
        page
    }

    /// Writes a value to where the symbol lies in the copy of the start page.
    fn set<T>(&self, symbol: *const u8, value: T) {
        let offset = symbol as usize - &raw const start_page_begin as usize;
        // SAFETY: the symbols lie between the start page's begin and end, aligned or not; a CPU reads them only after the
        // message that starts it, which is sent later.
        unsafe { self.base.add(offset).cast::<T>().write_unaligned(value) };
    }
}

/// Makes the page tables that a CPU starts with: the kernel's, and the start page at its own address, to be read and executed.
/// Returns the value for CR3, which has 32 bits in real mode.
///
/// # Safety
/// As for [`start_cpus`].
unsafe fn make_tables(frames: &StartFrames) -> u32 {
    let [root_frame, others @ ..] = frames.tables;
    let mut others = others.into_iter();
    let start_page = FrameRange::new(frames.start_page.0, frames.start_page.0 + 1);
    let address = VirtAddr(frames.start_page.address().0);
    // SAFETY: by the first condition of `start_cpus`, nothing else uses the frames, so no other CPU knows these tables. What
    // the kernel's own tables make reachable may be reached, and nothing but a starting CPU reads the start page from now on.
    let mapped = unsafe {
        let root = Table::empty(root_frame, ROOT_LEVEL);
        root.copy_entries(paging::current_root(), 0..=ENTRIES - 1);
        root.map(address, start_page, PageSize::Small, PageKind::Code, &mut || others.next())
    };
    mapped.expect("the lower half is empty, and three tables lead to a page");
    root_frame.address().0 as u32
}

/// Where the start page leads: in the kernel's half, on the CPU's own stack. Takes the kernel's own tables (rdx) and calls
/// the entry function (rsi) with the block (rdi).
#[unsafe(naked)]
extern "C" fn leave_start_page() -> ! {
    naked_asm!("mov cr3, rdx", "xor ebp, ebp", "call rsi", "ud2")
}
