//! A value of which each CPU has its own, on its node.
use crate::thread::{self, Cpu};
use core::ptr::NonNull;

/// A value for each CPU. It stays in memory until the driver goes; the values are not dropped.
pub struct PerCpu<T> {
    memory: NonNull<u8>,
    stride: usize,
    cpus: usize,
    values: core::marker::PhantomData<T>,
}

// SAFETY: a `PerCpu` gives out shared references only, which `T: Sync` allows on any CPU, to values that `T: Send` allows anywhere.
unsafe impl<T: Send + Sync> Send for PerCpu<T> {}
// SAFETY: as for `Send`.
unsafe impl<T: Send + Sync> Sync for PerCpu<T> {}

impl<T: Send + Sync + 'static> PerCpu<T> {
    /// Makes a value for each CPU by `value`. Returns `None` if there is not enough memory, or if a value is larger than 1 MiB.
    pub fn new(mut value: impl FnMut(Cpu) -> T) -> Option<Self> {
        const { assert!(align_of::<T>() <= 4096, "each part begins on a page") };
        let mut grant = abi::PerCpuGrant {
            Size: size_of::<abi::PerCpuGrant>() as u32,
            Reserved: 0,
            Memory: core::ptr::null_mut(),
            Stride: 0,
        };
        // SAFETY: `grant` is a local variable that nothing else refers to during the call.
        if !unsafe { abi::Kernel_AllocatePerCpu(size_of::<T>().max(1), &mut grant) } {
            return None;
        }
        let memory = NonNull::new(grant.Memory.cast())?;
        let cpus = thread::cpus();
        let parts = Self {
            memory,
            stride: grant.Stride as usize,
            cpus: cpus as usize,
            values: core::marker::PhantomData,
        };
        for cpu in 0..cpus {
            // SAFETY: the part has room for a `T` and begins on a page. Nothing else refers to it yet.
            unsafe { parts.part(cpu as usize).write(value(cpu)) };
        }
        Some(parts)
    }

    fn part(&self, cpu: usize) -> NonNull<T> {
        // SAFETY: `cpu` is below the number of CPUs, by the callers, and the kernel has granted so many parts.
        unsafe { self.memory.byte_add(cpu * self.stride) }.cast()
    }

    /// Returns this CPU's value, or `None` if there is no such CPU.
    pub fn of(&self, cpu: Cpu) -> Option<&T> {
        let cpu = usize::try_from(cpu).ok().filter(|cpu| *cpu < self.cpus)?;
        // SAFETY: `new` has written the value, and all references are shared.
        Some(unsafe { self.part(cpu).as_ref() })
    }

    /// Returns the value of the CPU that runs the caller. A thread may move at any time, so the value may
    /// already be another CPU's.
    pub fn here(&self) -> &T {
        self.of(thread::current_cpu()).expect("the calling CPU exists")
    }
}
