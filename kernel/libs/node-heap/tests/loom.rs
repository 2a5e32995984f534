//! Models of what CPUs share: each runs in every interleaving. `RUSTFLAGS="--cfg loom" cargo test -p node-heap --test loom`.
#![cfg(loom)]

use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::mem::MaybeUninit;
use std::ptr::NonNull;
use std::sync::Arc;

use loom::thread;
use node_heap::{
    AtHand, Class, CpuHeap, FRAME, FreeError, Metadata, ModelLock, NodeHeap, NodeHeaps, OwnerId,
};
use node_heap::{RECORD_BYTES, STATES_PER_FRAME, System, Window};

/// Frames of the window: those of one step of metadata.
const FRAMES: usize = 32;
const KERNEL: OwnerId = OwnerId::KERNEL;

/// A system with so many frames, which counts those that are mapped.
struct Frames {
    left: loom::sync::Mutex<Vec<bool>>,
    most: usize,
}

// SAFETY: the window's memory is there all the time, and so are its metadata.
unsafe impl System for Frames {
    fn map(&self, _: usize, frame: u32) -> bool {
        let mut mapped = self.left.lock().unwrap();
        if mapped.iter().filter(|mapped| **mapped).count() == self.most {
            return false;
        }
        assert!(!std::mem::replace(&mut mapped[frame as usize], true), "a frame is mapped twice");
        true
    }

    fn unmap(&self, _: usize, frames: &[u32]) {
        let mut mapped = self.left.lock().unwrap();
        for frame in frames {
            assert!(std::mem::replace(&mut mapped[*frame as usize], false), "a frame is unmapped twice");
        }
    }

    fn map_metadata(&self, _: usize, first: u32) -> bool {
        assert_eq!(first, 0);
        true
    }
}

/// One node. The memory is freed with it.
struct Node {
    heaps: &'static NodeHeaps<'static, ModelLock>,
    system: Frames,
    owned: Vec<(*mut u8, Layout)>,
}

// SAFETY: the pointers are used by `drop` alone.
unsafe impl Send for Node {}
// SAFETY: as above.
unsafe impl Sync for Node {}

impl Node {
    fn new(most: usize) -> Self {
        let mut owned = Vec::new();
        let mut zeroed = |size: usize| {
            let layout = Layout::from_size_align(size, FRAME).unwrap();
            // SAFETY: the size is not 0.
            let memory = unsafe { alloc_zeroed(layout) };
            owned.push((memory, layout));
            memory
        };
        let base = zeroed(FRAMES * FRAME);
        let metadata =
            Metadata { states: zeroed(FRAMES * STATES_PER_FRAME), records: zeroed(FRAMES * RECORD_BYTES) };
        // SAFETY: the memory is there until the node is dropped, and only the heap uses it.
        let window = unsafe { Window::new(base, FRAMES as u32, metadata) };
        let heap =
            zeroed(size_of::<NodeHeap<'_, ModelLock>>()).cast::<MaybeUninit<NodeHeap<'_, ModelLock>>>();
        // SAFETY: the memory is large enough, aligned to a frame, and lives as long as the node.
        let heap = NodeHeap::init(unsafe { &mut *heap }, window);
        let list = zeroed(size_of::<usize>()).cast::<&NodeHeap<'_, ModelLock>>();
        // SAFETY: as above.
        let list = unsafe {
            list.write(heap);
            std::slice::from_raw_parts(list, 1)
        };
        let heaps = zeroed(size_of::<NodeHeaps<'_, ModelLock>>()).cast::<NodeHeaps<'_, ModelLock>>();
        // SAFETY: as above.
        let heaps = unsafe {
            heaps.write(NodeHeaps::new(list, FRAMES * FRAME).unwrap());
            &*heaps
        };
        let system = Frames { left: loom::sync::Mutex::new(vec![false; FRAMES]), most };
        Self { heaps, system, owned }
    }

    fn heap(&self) -> &NodeHeap<'static, ModelLock> {
        self.heaps.node(0).unwrap()
    }

    fn cpu(&self) -> CpuHeap<'static, ModelLock> {
        let cpu = CpuHeap::detached();
        cpu.attach(self.heaps, 0, None);
        cpu
    }

    fn allocate(
        &self,
        cpu: &CpuHeap<'static, ModelLock>,
        size: usize,
        owner: OwnerId,
    ) -> Option<NonNull<u8>> {
        let class = Class::of(size, 1)?;
        loop {
            match cpu.take(0, class, owner) {
                Ok(block) => return Some(block),
                Err(_) if self.heap().grow(0, &self.system) => {}
                Err(_) => return cpu.take_alone(0, class, owner),
            }
        }
    }

    /// Returns all memory, and checks that none is missing.
    fn end(&self, cpus: &[CpuHeap<'static, ModelLock>]) {
        for cpu in cpus {
            while cpu.drain_some() {}
        }
        self.heap().break_up_magazines();
        self.heap().trim(0, &self.system, 0);
        assert_eq!(self.heap().stats().frames, 0);
        assert!(self.system.left.lock().unwrap().iter().all(|mapped| !mapped));
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        for (memory, layout) in &self.owned {
            // SAFETY: `new` has allocated it with this layout, and the model is over.
            unsafe { dealloc(*memory, *layout) };
        }
    }
}

/// A block's address, which a model passes to another CPU.
#[derive(Clone, Copy)]
struct Address(NonNull<u8>);
// SAFETY: models do not use the block's memory.
unsafe impl Send for Address {}

fn free(cpu: &CpuHeap<'static, ModelLock>, block: NonNull<u8>) -> Result<(), FreeError> {
    match cpu.free_at_hand(block) {
        AtHand::Freed => Ok(()),
        AtHand::Untouched => cpu.free(block, KERNEL),
        AtHand::Taken(state) => cpu.finish_free(block, state),
    }
}

#[test]
fn of_two_cpus_that_free_a_block_exactly_one_succeeds() {
    for owner in [KERNEL, OwnerId::new(3).unwrap()] {
        loom::model(move || {
            let node = Arc::new(Node::new(4));
            let first = node.cpu();
            let block = Address(node.allocate(&first, 32, owner).unwrap());
            let other = {
                let node = Arc::clone(&node);
                thread::spawn(move || {
                    let cpu = node.cpu();
                    let Address(block) = { block };
                    let freed = if owner == KERNEL { free(&cpu, block) } else { cpu.free(block, owner) };
                    (cpu, freed.is_ok())
                })
            };
            let freed = if owner == KERNEL { free(&first, block.0) } else { first.free(block.0, owner) };
            let (second, other_freed) = other.join().unwrap();
            assert_ne!(freed.is_ok(), other_freed);
            node.end(&[first, second]);
        });
    }
}

#[test]
fn two_cpus_never_get_one_block() {
    loom::model(|| {
        let node = Arc::new(Node::new(3));
        let class = Class::of(2048, 1).unwrap();
        let first = node.cpu();
        // One block is left of a slab, and another is spread over the next one.
        let before = node.allocate(&first, 2048, KERNEL).unwrap();
        while first.drain_some() {}
        let other = {
            let node = Arc::clone(&node);
            thread::spawn(move || node.cpu().take_alone(0, class, KERNEL).map(Address))
        };
        let one = first.take_alone(0, class, KERNEL).map(Address);
        let two = other.join().unwrap();
        assert!(one.is_some() || two.is_some());
        assert!(one.is_none_or(|one| two.is_none_or(|two| one.0 != two.0)));
        for Address(block) in [one, two, Some(Address(before))].into_iter().flatten() {
            free(&first, block).unwrap();
        }
        node.end(&[first]);
    });
}

#[test]
fn two_cpus_that_grow_a_node_get_a_frame_each_while_there_are_any() {
    for most in [1, 2] {
        loom::model(move || {
            let node = Arc::new(Node::new(most));
            let other = {
                let node = Arc::clone(&node);
                thread::spawn(move || node.heap().grow(0, &node.system))
            };
            let grown = usize::from(node.heap().grow(0, &node.system)) + usize::from(other.join().unwrap());
            assert_eq!(grown, most);
            assert_eq!(node.heap().stats().spare as usize, most);
            node.end(&[]);
        });
    }
}

#[test]
fn a_block_that_another_cpu_frees_comes_back_to_its_slab() {
    loom::model(|| {
        let node = Arc::new(Node::new(3));
        let first = node.cpu();
        let block = Address(node.allocate(&first, 2048, KERNEL).unwrap());
        let other = {
            let node = Arc::clone(&node);
            thread::spawn(move || {
                let cpu = node.cpu();
                let Address(block) = { block };
                free(&cpu, block).unwrap();
                while cpu.drain_some() {}
                node.heap().trim(0, &node.system, 0);
            })
        };
        let another = node.allocate(&first, 2048, KERNEL).unwrap();
        free(&first, another).unwrap();
        other.join().unwrap();
        node.end(&[first]);
    });
}

#[test]
fn what_a_driver_frees_while_all_of_it_is_taken_back_is_counted_once() {
    loom::model(|| {
        let node = Arc::new(Node::new(4));
        let driver = OwnerId::new(7).unwrap();
        let first = node.cpu();
        let block = Address(node.allocate(&first, 64, driver).unwrap());
        let other = {
            let node = Arc::clone(&node);
            thread::spawn(move || node.heap().take_back_all(driver))
        };
        let freed = usize::from(first.free(block.0, driver).is_ok());
        assert_eq!(other.join().unwrap() + freed, 1);
        node.end(&[first]);
    });
}

#[test]
fn two_cpus_that_trim_return_each_frame_once() {
    loom::model(|| {
        let node = Arc::new(Node::new(2));
        assert!(node.heap().grow(0, &node.system) && node.heap().grow(0, &node.system));
        let other = {
            let node = Arc::clone(&node);
            thread::spawn(move || node.heap().trim(0, &node.system, 0))
        };
        let gone = node.heap().trim(0, &node.system, 0);
        assert_eq!(gone + other.join().unwrap(), 2);
        node.end(&[]);
    });
}
