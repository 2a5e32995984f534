//! The start page: the code that a CPU runs from real mode until it calls the kernel's entry function.
//!
//! A CPU starts in real mode at a page below 1 MiB. The page's code switches to long mode in one step, with page tables that map
//! the kernel's half, and the start page at its own address. It then jumps to the kernel's half, loads the kernel's own page
//! tables, and looks up its stack by the id of its APIC. So all CPUs may start at once.
use super::page_entry::{PageKind, ROOT_LEVEL};
use super::page_table::{ENTRIES, Table};
use super::paging;
use super::physical_memory::physical_memory;
use ::address_space::PageSize;
use ::x86_64::registers::control::{Cr0, Cr3, Cr4, Cr4Flags};
use ::x86_64::registers::model_specific::{Efer, EferFlags};
use core::arch::{global_asm, naked_asm};
use core::mem::offset_of;
use units::{ApicId, FRAME_SIZE, FrameNumber, FrameRange, VirtAddr};

/// A CPU to start. The code that a CPU starts with finds its entry in a list of these.
#[repr(C)]
pub struct StartCpu {
    /// The id of the CPU's APIC.
    pub apic: ApicId,
    /// The end of the stack that the entry function runs on.
    pub stack_top: VirtAddr,
    /// The argument of the entry function.
    pub argument: *const (),
}

// SAFETY: the code that a CPU starts with only reads the list. What the argument leads to is the entry function's matter.
unsafe impl Sync for StartCpu {}

/// The frames that CPUs start from.
pub struct StartFrames {
    /// The start page's frame, below 1 MiB.
    pub start_page: FrameNumber,
    /// The frames, below 4 GiB, of the four levels of page tables that map the start page at its own address.
    pub tables: [FrameNumber; 4],
}

global_asm!(
    ".section .rodata.start_page, \"a\"",
    ".balign 16",
    // Global, as the compiler may put this code and the functions below into different object files.
    ".global start_page_begin, start_page_end, start_page_long_mode, start_page_gdt, start_page_gdt_address",
    ".global start_page_far_pointer, start_page_cr0, start_page_cr4, start_page_efer, start_page_low_cr3",
    ".global start_page_cr3, start_page_list, start_page_list_end, start_page_entry, start_page_continue",
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
    "movq (start_page_list - start_page_begin)(%rbx), %rdi",
    "movq (start_page_list_end - start_page_begin)(%rbx), %rsi",
    "movq (start_page_entry - start_page_begin)(%rbx), %r8",
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
    "start_page_list: .quad 0",
    "start_page_list_end: .quad 0",
    "start_page_entry: .quad 0",
    "start_page_continue: .quad 0",
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
    static start_page_list: u8;
    static start_page_list_end: u8;
    static start_page_entry: u8;
    static start_page_continue: u8;
}

/// The start page: a copy of the code between the symbols `start_page_begin` and `start_page_end`, with values filled in.
pub struct StartPage {
    base: *mut u8,
}

impl StartPage {
    /// Writes the start page, and the page tables that CPUs start with. CPUs that are not in the list halt.
    ///
    /// # Safety
    /// The frames are RAM, and nothing else uses them, now or later.
    pub unsafe fn write(
        frames: &StartFrames,
        entry: extern "C" fn(*const ()) -> !,
        list: &'static [StartCpu],
    ) {
        let base = physical_memory(frames.start_page.address());
        let begin = &raw const start_page_begin;
        let length = &raw const start_page_end as usize - begin as usize;
        assert!(length <= FRAME_SIZE as usize, "the start page's code is longer than a page");
        // SAFETY: by `# Safety` the page is RAM that nothing else uses, and the line above has checked its length.
        unsafe { core::ptr::copy_nonoverlapping(begin, base, length) };
        let page = Self { base };
        let address = frames.start_page.address().0 as u32;
        let offset_of = |symbol: *const u8| (symbol as usize - begin as usize) as u32;
        page.set(&raw const start_page_gdt_address, address + offset_of(&raw const start_page_gdt));
        page.set(&raw const start_page_far_pointer, address + offset_of(&raw const start_page_long_mode));
        page.set(&raw const start_page_cr0, Cr0::read_raw() as u32);
        // Protection keys count once the CPU's rights have a known value (`registers.rs`).
        page.set(
            &raw const start_page_cr4,
            (Cr4::read() - Cr4Flags::PROTECTION_KEY_SUPERVISOR).bits() as u32,
        );
        // The CPU itself sets the bit that says that long mode is active.
        page.set(&raw const start_page_efer, (Efer::read() - EferFlags::LONG_MODE_ACTIVE).bits() as u32);
        // SAFETY: by `# Safety` the frames are RAM that nothing else uses, which is the condition of `make_tables`.
        page.set(&raw const start_page_low_cr3, unsafe { make_tables(frames) });
        page.set(&raw const start_page_cr3, Cr3::read_raw().0.start_address().as_u64());
        page.set(&raw const start_page_entry, entry as usize as u64);
        let list = list.as_ptr_range();
        page.set(&raw const start_page_list, list.start as u64);
        page.set(&raw const start_page_list_end, list.end as u64);
        page.set(&raw const start_page_continue, leave_start_page as *const () as u64);
    }

    /// Writes a value to the address of `symbol` in the copy of the code.
    fn set<T>(&self, symbol: *const u8, value: T) {
        let offset = symbol as usize - &raw const start_page_begin as usize;
        // SAFETY: this file passes only symbols of the start page, with room for the value behind each. A CPU reads the value
        // after a startup message, and `start_cpus` sends one after it has called `write`.
        unsafe { self.base.add(offset).cast::<T>().write_unaligned(value) };
    }
}

/// Makes the page tables that a CPU starts with: the kernel's, and the start page at its own address, to be read and executed.
/// Returns the value for CR3, which has 32 bits in real mode.
///
/// # Safety
/// The frames are RAM, and nothing else uses them, now or later.
unsafe fn make_tables(frames: &StartFrames) -> u32 {
    let [root_frame, others @ ..] = frames.tables;
    let mut others = others.into_iter();
    let start_page = FrameRange::new(frames.start_page.0, frames.start_page.0 + 1);
    let address = VirtAddr(frames.start_page.address().0);
    // SAFETY: by `# Safety` nothing else uses the frames, so no other CPU knows these tables. Every CPU uses the kernel's own
    // tables, so what their entries make reachable may be reached. A CPU that starts reads and executes the start page.
    let mapped = unsafe {
        let root = Table::empty(root_frame, ROOT_LEVEL);
        root.copy_entries(paging::current_root(), 0..=ENTRIES - 1);
        root.map(address, start_page, PageSize::Small, PageKind::Code, &mut || others.next())
    };
    mapped.expect("the lower half is empty, and three tables lead to a page");
    root_frame.address().0 as u32
}

/// Continues after the start page, in the kernel's half and without a stack: loads the kernel's own page tables (rdx), finds the
/// CPU in the list (rdi to rsi), takes its stack, and calls the entry function (r8) with its argument.
///
/// The id of its APIC comes from CPUID, as in `apic::this_cpu`.
#[unsafe(naked)]
extern "C" fn leave_start_page() -> ! {
    naked_asm!(
        "mov cr3, rdx",
        "xor eax, eax",
        "cpuid",
        "cmp eax, 0xb",
        "jb 2f",
        "mov eax, 0xb",
        "xor ecx, ecx",
        "cpuid",
        "test bx, bx",
        "jz 2f",
        "mov eax, edx",
        "jmp 3f",
        "2:",
        "mov eax, 1",
        "cpuid",
        "shr ebx, 24",
        "mov eax, ebx",
        "3:",
        "cmp rdi, rsi",
        "jae 5f",
        "cmp eax, [rdi + {apic}]",
        "je 4f",
        "add rdi, {size}",
        "jmp 3b",
        "4:",
        "mov rsp, [rdi + {stack_top}]",
        "mov rdi, [rdi + {argument}]",
        "xor ebp, ebp",
        "call r8",
        "5:",
        "cli",
        "hlt",
        "jmp 5b",
        apic = const offset_of!(StartCpu, apic),
        stack_top = const offset_of!(StartCpu, stack_top),
        argument = const offset_of!(StartCpu, argument),
        size = const size_of::<StartCpu>(),
    )
}
