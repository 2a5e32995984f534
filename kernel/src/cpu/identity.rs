//! A CPU's identity: its ids, its node, its area, and whether it is online.
use crate::arch::{self, CpuArea, InterruptStacks};
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use units::{ApicId, CpuId, NodeId};

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
    /// Whether it is online: it has started, and takes part in shootdowns.
    online: AtomicBool,
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
        let (online, stack_seen) = (AtomicBool::new(false), AtomicUsize::new(0));
        Self { id, apic, node, area, interrupt_stacks, online, stack_seen }
    }

    /// Marks the CPU as online. `stack_pointer` is an address in the stack that it runs on.
    pub fn set_online(&self, stack_pointer: usize) {
        self.stack_seen.store(stack_pointer, Ordering::Relaxed);
        self.online.store(true, Ordering::Release);
    }

    /// Returns true if the CPU has started and runs the kernel.
    pub fn is_online(&self) -> bool {
        self.online.load(Ordering::Acquire)
    }

    /// Returns an address in the stack that the CPU ran on when it became online.
    pub fn stack_seen(&self) -> usize {
        self.stack_seen.load(Ordering::Relaxed)
    }

    /// Returns the ends of the CPU's interrupt stacks.
    pub fn interrupt_stacks(&self) -> &InterruptStacks {
        &self.interrupt_stacks
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
