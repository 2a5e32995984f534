//! Random calls on a few CPUs, compared with a model that knows every block.
mod machine;

use std::collections::BTreeMap;
use std::ptr::NonNull;

use machine::{Cpu, Machine};
use node_heap::{Class, FRAME, FreeError, NodeHeap, OwnerId};
use proptest::prelude::*;

const NODES: usize = 2;
const CPUS: usize = 3;
const OWNERS: usize = 3;
const FRAMES: usize = 128;

#[derive(Clone, Debug)]
enum Call {
    Allocate { cpu: usize, node: usize, owner: usize, size: usize, alignment: usize },
    Free { cpu: usize, which: usize },
    FreeAsOther { cpu: usize, which: usize, owner: usize },
    FreeInside { cpu: usize, which: usize, offset: usize },
    FreeAgain { cpu: usize, which: usize },
    FreeWild { cpu: usize, owner: usize, address: usize },
    Drain { cpu: usize },
    Trim,
    TakeBack { owner: usize },
}

fn call() -> impl Strategy<Value = Call> {
    let size = prop_oneof![4 => 1usize..300, 2 => 1usize..4097, 1 => Just(4096usize)];
    let alignment = prop_oneof![6 => Just(1usize), 1 => (0u32..13).prop_map(|shift| 1 << shift)];
    let place = (0..CPUS, 0..NODES, 0..OWNERS);
    prop_oneof![
        12 => (place, size, alignment).prop_map(|((cpu, node, owner), size, alignment)| {
            Call::Allocate { cpu, node, owner, size, alignment }
        }),
        10 => (0..CPUS, any::<usize>()).prop_map(|(cpu, which)| Call::Free { cpu, which }),
        2 => (0..CPUS, any::<usize>(), 0..OWNERS)
            .prop_map(|(cpu, which, owner)| Call::FreeAsOther { cpu, which, owner }),
        2 => (0..CPUS, any::<usize>(), 1usize..4096)
            .prop_map(|(cpu, which, offset)| Call::FreeInside { cpu, which, offset }),
        2 => (0..CPUS, any::<usize>()).prop_map(|(cpu, which)| Call::FreeAgain { cpu, which }),
        1 => (0..CPUS, 0..OWNERS, any::<usize>())
            .prop_map(|(cpu, owner, address)| Call::FreeWild { cpu, owner, address }),
        1 => (0..CPUS).prop_map(|cpu| Call::Drain { cpu }),
        1 => Just(Call::Trim),
        1 => (1..OWNERS).prop_map(|owner| Call::TakeBack { owner }),
    ]
}

struct Known {
    size: usize,
    node: usize,
    owner: usize,
    fill: u8,
}

struct Test {
    machine: Machine,
    cpus: Vec<Cpu>,
    blocks: BTreeMap<NonNull<u8>, Known>,
    freed: Vec<(NonNull<u8>, usize)>,
    calls: u8,
}

fn owner(number: usize) -> OwnerId {
    OwnerId::new(number).unwrap()
}

impl Test {
    fn new(unmaps_frames_of_drivers: bool) -> Self {
        let machine = Machine::new(NODES, FRAMES, 60);
        if unmaps_frames_of_drivers {
            machine.heaps.iter().for_each(NodeHeap::unmap_frames_of_drivers);
        }
        let cpus = (0..CPUS).map(|cpu| machine.cpu(cpu % NODES)).collect();
        Self { machine, cpus, blocks: BTreeMap::new(), freed: Vec::new(), calls: 0 }
    }

    fn call(&mut self, call: &Call) {
        self.calls = self.calls.wrapping_add(1);
        match *call {
            Call::Allocate { cpu, node, owner, size, alignment } => {
                self.allocate(cpu, node, owner, size, alignment);
            }
            Call::Free { cpu, which } => {
                if let Some(block) = self.choose(which) {
                    self.free(cpu, block);
                }
            }
            Call::FreeAsOther { cpu, which, owner: by } => {
                if let Some(block) = self.choose(which)
                    && self.blocks[&block].owner != by
                {
                    assert!(matches!(self.cpus[cpu].free(block, owner(by)), Err(FreeError::OtherOwner(_))));
                }
            }
            Call::FreeInside { cpu, which, offset } => {
                if let Some(block) = self.choose(which) {
                    let Known { size, owner: of, .. } = self.blocks[&block];
                    let inside = block.map_addr(|address| address.checked_add(1 + offset % size).unwrap());
                    if !self.blocks.contains_key(&inside) {
                        assert!(self.cpus[cpu].free(inside, owner(of)).is_err());
                    }
                }
            }
            Call::FreeAgain { cpu, which } => {
                let choice = self.freed.get(which % self.freed.len().max(1)).copied();
                if let Some((block, of)) = choice.filter(|(block, _)| !self.blocks.contains_key(block)) {
                    assert!(self.cpus[cpu].free(block, owner(of)).is_err());
                }
            }
            Call::FreeWild { cpu, owner: by, address } => {
                if let Some(block) = std::num::NonZero::new(address).map(NonNull::<u8>::without_provenance)
                    && !self.blocks.contains_key(&block)
                {
                    assert!(self.cpus[cpu].free(block, owner(by)).is_err());
                }
            }
            Call::Drain { cpu } => self.cpus[cpu].drain(),
            Call::Trim => self.machine.trim(),
            Call::TakeBack { owner: of } => self.take_back(of),
        }
    }

    fn choose(&self, which: usize) -> Option<NonNull<u8>> {
        self.blocks.keys().nth(which % self.blocks.len().max(1)).copied()
    }

    fn allocate(&mut self, cpu: usize, node: usize, of: usize, size: usize, alignment: usize) {
        let Some(block) = self.cpus[cpu].allocate(node, owner(of), size, alignment) else {
            return self.may_refuse(node, size, alignment);
        };
        let address = block.addr().get();
        assert!(address.is_multiple_of(alignment));
        assert_eq!(self.machine.heaps.node_of(address), Some(node));
        assert!(self.machine.heaps.node(node).unwrap().contains(address, size));
        let before = self.blocks.range(..=block).next_back();
        assert!(before.is_none_or(|(start, known)| start.addr().get() + known.size <= address), "overlap");
        let after = self.blocks.range(block..).next();
        assert!(after.is_none_or(|(start, _)| address + size <= start.addr().get()), "overlap");
        // SAFETY: the block has that many bytes, and is this test's.
        unsafe { block.write_bytes(self.calls, size) };
        self.blocks.insert(block, Known { size, node, owner: of, fill: self.calls });
    }

    /// A node refuses only if it has no frame left, and no CPU has any of the class.
    fn may_refuse(&self, node: usize, size: usize, alignment: usize) {
        assert!(Class::of(size, alignment).is_some());
        let left = self.machine.host.available[node].load(std::sync::atomic::Ordering::SeqCst);
        assert_eq!(left, 0, "a node with {left} frames refuses {size} bytes");
    }

    fn free(&mut self, cpu: usize, block: NonNull<u8>) {
        let known = self.blocks.remove(&block).unwrap();
        Self::check(block, &known);
        assert_eq!(self.cpus[cpu].free(block, owner(known.owner)), Ok(()));
        self.freed.push((block, known.owner));
    }

    fn check(block: NonNull<u8>, known: &Known) {
        // SAFETY: the block has that many bytes, which `allocate` has written.
        let bytes = unsafe { std::slice::from_raw_parts(block.as_ptr(), known.size) };
        assert!(bytes.iter().all(|byte| *byte == known.fill), "a block's contents have changed");
    }

    fn take_back(&mut self, of: usize) {
        for (node, heap) in self.machine.heaps.iter().enumerate() {
            let known = self.blocks.values().filter(|known| known.owner == of && known.node == node).count();
            assert_eq!(heap.in_use_by(owner(of)).0, known);
            assert_eq!(heap.take_back_all(owner(of)), known);
            assert_eq!(heap.in_use_by(owner(of)), (0, 0));
        }
        self.blocks.retain(|_, known| known.owner != of);
    }

    fn end(mut self) {
        for heap in self.machine.heaps.iter() {
            let stats = heap.stats();
            assert!(stats.metadata_bytes <= FRAMES * FRAME / 25);
        }
        while let Some(block) = self.choose(0) {
            self.free(0, block);
        }
        self.cpus.iter().for_each(Cpu::drain);
        self.machine.trim();
        for (node, heap) in self.machine.heaps.iter().enumerate() {
            assert_eq!((heap.stats().frames, self.machine.host.mapped(node)), (0, 0), "node {node}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn the_heap_does_what_the_model_does(unmaps: bool, calls in prop::collection::vec(call(), 1..600)) {
        let mut test = Test::new(unmaps);
        calls.iter().for_each(|call| test.call(call));
        test.end();
    }
}
