//! A CPU's identity: its ids, its node, its area, and whether it is online.
use crate::arch::{self, CpuArea, InterruptStacks};
use core::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use units::{ApicId, CpuId, NodeId, VirtAddr};

// How far a CPU's start has come.
/// The boot waits for it.
const WAITED_FOR: u8 = 0;
/// It has started, and takes part in shootdowns.
const ONLINE: u8 = 1;
/// It did not start in time. If it starts after all, it halts.
const GIVEN_UP: u8 = 2;

/// A CPU. It lies in the CPU's own area, and exists for good.
pub struct Cpu {
    /// The CPU's index.
    pub id: CpuId,
    /// The id of its APIC.
    pub apic: ApicId,
    /// Its node.
    pub node: NodeId,
    /// Its copy of the section `cpu_local`.
    pub(super) area: CpuArea,
    /// The ends of its interrupt stacks.
    interrupt_stacks: InterruptStacks,
    /// How far its start has come.
    start: AtomicU8,
    /// An address in the stack that it ran on when it became online.
    stack_seen: AtomicUsize,
}

impl Cpu {
    /// Returns a CPU that is not online.
    pub(super) fn new(
        id: CpuId,
        apic: ApicId,
        node: NodeId,
        area: CpuArea,
        interrupt_stacks: InterruptStacks,
    ) -> Self {
        let (start, stack_seen) = (AtomicU8::new(WAITED_FOR), AtomicUsize::new(0));
        Self { id, apic, node, area, interrupt_stacks, start, stack_seen }
    }

    /// Marks the CPU as online, unless the boot has given it up. Returns true if it is online. `stack_pointer` is an address in the
    /// stack that it runs on.
    pub fn come_online(&self, stack_pointer: usize) -> bool {
        self.stack_seen.store(stack_pointer, Ordering::Relaxed);
        self.end_wait(ONLINE)
    }

    /// Gives the CPU up, unless it is online. Returns true if it is given up. From then on it does not come online.
    pub fn give_up(&self) -> bool {
        self.end_wait(GIVEN_UP)
    }

    fn end_wait(&self, outcome: u8) -> bool {
        self.start.compare_exchange(WAITED_FOR, outcome, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// Returns true if the CPU has started and runs the kernel.
    pub fn is_online(&self) -> bool {
        self.start.load(Ordering::Acquire) == ONLINE
    }

    /// Returns an address in the stack that the CPU ran on when it became online.
    pub fn stack_seen(&self) -> usize {
        self.stack_seen.load(Ordering::Relaxed)
    }

    /// Returns the ends of the CPU's interrupt stacks.
    pub fn interrupt_stacks(&self) -> &InterruptStacks {
        &self.interrupt_stacks
    }

    /// Sets the end of the stack on which the CPU calls functions of drivers, where keys protect memory.
    pub fn set_call_stack(&self, top: VirtAddr) {
        self.area.set_call_stack(top);
    }

    /// Returns where the stack ends on which the CPU calls functions of drivers, or `None` if it has none of its own for that.
    pub fn call_stack_top(&self) -> Option<VirtAddr> {
        self.area.call_stack_top()
    }

    /// Interrupts the CPU, which ends its halt. It then looks for work.
    pub fn wake_up(&self) {
        arch::wake_cpu(self.apic);
    }

    /// Returns the task that the CPU runs.
    pub fn task(&self) -> *const () {
        self.area.task()
    }
}
