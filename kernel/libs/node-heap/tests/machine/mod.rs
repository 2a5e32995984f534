//! A machine for tests: nodes with windows in memory of the host, whose frames come and go, and CPUs.
#![allow(dead_code)]

pub mod exchange;

use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::mem::MaybeUninit;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicI64, AtomicU8, Ordering::SeqCst};

use node_heap::{AtHand, Class, CpuHeap, FRAME, FreeError, Metadata, NodeHeap, NodeHeaps, OwnerId};
use node_heap::{METADATA_STEP, RECORD_BYTES, STATES_PER_FRAME, System, Window};

/// What a frame is filled with when it is mapped, so that nobody relies on zeros.
const POISON: u8 = 0xa5;

/// The frames of each node, and which of a window's are mapped.
pub struct Host {
    frames: usize,
    base: *mut u8,
    metadata: Vec<Metadata>,
    /// How many frames each node may still map.
    pub available: Vec<AtomicI64>,
    mapped: Vec<AtomicU8>,
    steps: Vec<AtomicU8>,
    /// How many steps of metadata are backed.
    pub metadata_steps: AtomicI64,
}

// SAFETY: the pointers are to memory that the heap alone uses.
unsafe impl Send for Host {}
// SAFETY: as above.
unsafe impl Sync for Host {}

fn window_layout(frames: usize, nodes: usize) -> Layout {
    Layout::from_size_align(frames * FRAME * nodes, FRAME).unwrap()
}

fn zeroed(size: usize) -> *mut u8 {
    // SAFETY: the size is not 0.
    unsafe { alloc_zeroed(Layout::from_size_align(size, FRAME).unwrap()) }
}

impl Host {
    pub fn window(&self, node: usize) -> Window<'static> {
        // SAFETY: the memory is the host's, which outlives the heap: a `Machine` leaks it.
        unsafe {
            Window::new(self.base.add(node * self.frames * FRAME), self.frames as u32, self.metadata[node])
        }
    }

    fn memory(&self, node: usize, frame: u32) -> *mut u8 {
        self.base.wrapping_add((node * self.frames + frame as usize) * FRAME)
    }

    /// How many frames of the node are mapped.
    pub fn mapped(&self, node: usize) -> usize {
        let of_node = &self.mapped[node * self.frames..(node + 1) * self.frames];
        of_node.iter().filter(|mapped| mapped.load(SeqCst) != 0).count()
    }
}

// SAFETY: a mapped frame's memory is the heap's until it is unmapped. Metadata is backed from the start.
unsafe impl System for Host {
    fn map(&self, node: usize, frame: u32) -> bool {
        if self.available[node].fetch_sub(1, SeqCst) <= 0 {
            self.available[node].fetch_add(1, SeqCst);
            return false;
        }
        let before = self.mapped[node * self.frames + frame as usize].swap(1, SeqCst);
        assert_eq!(before, 0, "frame {frame} of node {node} is mapped twice");
        // SAFETY: the frame lies in the window, and nothing uses it yet.
        unsafe { self.memory(node, frame).write_bytes(POISON, FRAME) };
        true
    }

    fn unmap(&self, node: usize, frames: &[u32]) {
        for frame in frames {
            let before = self.mapped[node * self.frames + *frame as usize].swap(0, SeqCst);
            assert_eq!(before, 1, "frame {frame} of node {node} is unmapped and was not mapped");
            self.available[node].fetch_add(1, SeqCst);
        }
    }

    fn map_metadata(&self, node: usize, first: u32) -> bool {
        assert!(first.is_multiple_of(METADATA_STEP) && (first as usize) < self.frames);
        let steps = self.frames / METADATA_STEP as usize;
        let step = &self.steps[node * steps + (first / METADATA_STEP) as usize];
        if step.swap(1, SeqCst) == 0 {
            self.metadata_steps.fetch_add(1, SeqCst);
        }
        true
    }
}

pub type Lock = spin::Mutex<()>;

/// A machine. Its memory is never freed, except for the windows.
pub struct Machine {
    pub host: &'static Host,
    pub heaps: &'static NodeHeaps<'static, Lock>,
    window: Layout,
}

impl Machine {
    /// Returns a machine whose nodes have windows of so many frames, and so many frames to map.
    pub fn new(nodes: usize, frames: usize, available: i64) -> Self {
        let window = window_layout(frames, nodes);
        let metadata = |_| Metadata {
            states: zeroed(frames * STATES_PER_FRAME),
            records: zeroed(frames * RECORD_BYTES),
        };
        let host: &Host = Box::leak(Box::new(Host {
            frames,
            // SAFETY: the size is not 0.
            base: unsafe { alloc_zeroed(window) },
            metadata: (0..nodes).map(metadata).collect(),
            available: (0..nodes).map(|_| AtomicI64::new(available)).collect(),
            mapped: (0..nodes * frames).map(|_| AtomicU8::new(0)).collect(),
            steps: (0..nodes * frames / METADATA_STEP as usize).map(|_| AtomicU8::new(0)).collect(),
            metadata_steps: AtomicI64::new(0),
        }));
        let heap = |node| NodeHeap::init(Box::leak(Box::new(MaybeUninit::uninit())), host.window(node));
        let heaps: Vec<&NodeHeap<'_, Lock>> = (0..nodes).map(heap).collect();
        let heaps = NodeHeaps::new(heaps.leak(), frames * FRAME).expect("the windows lie side by side");
        Self { host, heaps: Box::leak(Box::new(heaps)), window }
    }

    pub fn cpu(&self, node: usize) -> Cpu {
        let heap = CpuHeap::detached();
        let sets: &mut [u64] = vec![0; CpuHeap::<Lock>::SETS_BYTES / 8].leak();
        let bytes = sets.as_mut_ptr().cast::<MaybeUninit<u8>>();
        // SAFETY: the memory was leaked above, for this slice alone.
        let memory = unsafe { std::slice::from_raw_parts_mut(bytes, CpuHeap::<Lock>::SETS_BYTES) };
        heap.attach(self.heaps, node, Some(memory));
        Cpu { heap, host: self.host, heaps: self.heaps }
    }

    /// Returns all frames that are not in use to the host.
    pub fn trim(&self) {
        for (node, heap) in self.heaps.iter().enumerate() {
            heap.break_up_magazines();
            heap.trim(node, self.host, 0);
        }
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // SAFETY: `new` has allocated it with this layout, and tests keep no block.
        unsafe { dealloc(self.host.base, self.window) };
    }
}

/// A CPU, which does what a kernel would do around the heap.
pub struct Cpu {
    pub heap: CpuHeap<'static, Lock>,
    host: &'static Host,
    heaps: &'static NodeHeaps<'static, Lock>,
}

impl Cpu {
    pub fn allocate(
        &self,
        node: usize,
        owner: OwnerId,
        size: usize,
        alignment: usize,
    ) -> Option<NonNull<u8>> {
        let class = Class::of(size, alignment)?;
        if owner == OwnerId::KERNEL
            && node == self.heap.node()
            && let Some(block) = self.heap.take_at_hand(Some(class))
        {
            return Some(block);
        }
        if owner == OwnerId::KERNEL
            && node != self.heap.node()
            && let Some(block) = self.heap.take_at_hand_of(node, Some(class))
        {
            return Some(block);
        }
        loop {
            match self.heap.take(node, class, owner) {
                Ok(block) => return Some(block),
                Err(needs) => {
                    if !self.heaps.node(needs.node)?.grow(needs.node, self.host) {
                        self.drain();
                        self.heaps.iter().for_each(NodeHeap::break_up_magazines);
                        return self.heap.take_alone(node, class, owner);
                    }
                }
            }
        }
    }

    pub fn free(&self, block: NonNull<u8>, owner: OwnerId) -> Result<(), FreeError> {
        if owner != OwnerId::KERNEL {
            return self.heap.free(block, owner);
        }
        let freed = match self.heap.free_at_hand(block) {
            AtHand::Untouched => self.heap.free_at_hand_of(block),
            freed => freed,
        };
        match freed {
            AtHand::Freed => Ok(()),
            AtHand::Untouched => self.heap.free(block, owner),
            AtHand::Taken(state) => self.heap.finish_free(block, state),
        }
    }

    pub fn drain(&self) {
        while self.heap.drain_some() {}
    }
}
