//! Blocks: what a caller gets, what wrong frees change, and where memory goes.
mod machine;

use machine::Machine;
use node_heap::{Class, FreeError, LARGEST_BLOCK, OwnerId};
use std::collections::HashSet;
use std::iter;
use std::ptr::NonNull;

const KERNEL: OwnerId = OwnerId::KERNEL;

fn driver(number: usize) -> OwnerId {
    OwnerId::new(number).unwrap()
}

fn at(block: NonNull<u8>, offset: usize) -> NonNull<u8> {
    block.map_addr(|address| address.checked_add(offset).unwrap())
}

#[test]
fn all_memory_of_a_node_can_be_blocks_and_all_of_it_comes_back() {
    for class in Class::all() {
        let machine = Machine::new(1, 256, 40);
        let cpu = machine.cpu(0);
        let mut blocks = Vec::new();
        while let Some(block) = cpu.allocate(0, KERNEL, class.size(), 1) {
            blocks.push(block);
        }
        // All but the frames for magazines are full of blocks.
        let whole = 40 * (LARGEST_BLOCK / class.size());
        assert!(blocks.len() >= whole - 2 * (LARGEST_BLOCK / class.size()), "{class:?}: {}", blocks.len());
        assert_eq!(blocks.iter().collect::<HashSet<_>>().len(), blocks.len());
        for block in blocks {
            cpu.free(block, KERNEL).unwrap();
        }
        cpu.drain();
        machine.trim();
        assert_eq!(machine.host.mapped(0), 0, "{class:?}");
        assert_eq!(machine.heaps.node(0).unwrap().stats().frames, 0);
    }
}

#[test]
fn a_second_free_an_inner_address_and_a_wild_one_are_refused() {
    let machine = Machine::new(2, 256, 100);
    let cpu = machine.cpu(0);
    for owner in [KERNEL, driver(5)] {
        for node in [0, 1] {
            let block = cpu.allocate(node, owner, 200, 8).unwrap();
            for offset in [1, 8, 31] {
                assert!(matches!(cpu.free(at(block, offset), owner), Err(FreeError::NotInHeap(_))));
            }
            for offset in [32, 64, 192] {
                assert!(matches!(cpu.free(at(block, offset), owner), Err(FreeError::NotInUse(_))));
            }
            assert_eq!(cpu.free(block, owner), Ok(()));
            assert!(matches!(cpu.free(block, owner), Err(FreeError::NotInUse(_))));
        }
    }
    for wild in [0x1000, usize::MAX - 31, usize::MAX] {
        let wild = NonNull::without_provenance(wild.try_into().unwrap());
        assert!(matches!(cpu.free(wild, KERNEL), Err(FreeError::NotInHeap(_))));
    }
}

#[test]
fn a_block_is_refused_to_all_but_its_owner() {
    let machine = Machine::new(2, 256, 100);
    let cpu = machine.cpu(0);
    let owners = [KERNEL, driver(1), driver(127)];
    for node in [0, 1] {
        for of in owners {
            let block = cpu.allocate(node, of, 64, 8).unwrap();
            for by in owners.into_iter().filter(|by| *by != of) {
                assert!(matches!(cpu.free(block, by), Err(FreeError::OtherOwner(_))));
            }
            assert_eq!(cpu.free(block, of), Ok(()));
        }
    }
}

#[test]
fn blocks_of_two_owners_never_share_a_frame() {
    let machine = Machine::new(1, 512, 400);
    let cpu = machine.cpu(0);
    let mut frames = Vec::new();
    for owner in (0..4).map(driver) {
        let of_owner: HashSet<_> =
            (0..300).map(|_| cpu.allocate(0, owner, 32, 8).unwrap().addr().get() / LARGEST_BLOCK).collect();
        frames.push(of_owner);
    }
    for (first, second) in [(0, 1), (0, 2), (1, 2), (2, 3), (1, 3), (0, 3)] {
        assert!(frames[first].is_disjoint(&frames[second]));
    }
}

#[test]
fn a_drivers_blocks_are_counted_and_taken_back() {
    let machine = Machine::new(2, 256, 200);
    let (one, other) = (machine.cpu(0), machine.cpu(1));
    let (node, remote) = (machine.heaps.node(0).unwrap(), machine.heaps.node(1).unwrap());
    let kept = one.allocate(0, driver(2), 100, 8).unwrap();
    for size in [32, 100, 1000, 4096] {
        for _ in 0..40 {
            one.allocate(0, driver(1), size, 8).unwrap();
            one.allocate(1, driver(1), size, 8).unwrap();
            other.allocate(1, driver(1), size, 8).unwrap();
        }
    }
    assert_eq!(node.in_use_by(driver(1)), (160, 40 * (32 + 128 + 1024 + 4096)));
    assert_eq!(node.take_back_all(driver(1)), 160);
    assert_eq!(remote.take_back_all(driver(1)), 320);
    assert_eq!(node.in_use_by(driver(1)), (0, 0));
    assert_eq!(node.in_use_by(driver(2)), (1, 128));
    assert_eq!(one.free(kept, driver(2)), Ok(()));
    one.drain();
    other.drain();
    machine.trim();
    assert_eq!([machine.host.mapped(0), machine.host.mapped(1)], [0, 0]);
}

#[test]
fn a_frame_of_a_driver_is_unmapped_before_another_owner_has_it_where_the_node_says_so() {
    for (is_unmapped, owner) in [(false, KERNEL), (true, KERNEL), (true, driver(2)), (true, driver(1))] {
        let machine = Machine::new(1, 256, 10);
        let cpu = machine.cpu(0);
        let node = machine.heaps.node(0).unwrap();
        if is_unmapped {
            node.unmap_frames_of_drivers();
        }
        let blocks: Vec<_> = iter::from_fn(|| cpu.allocate(0, driver(1), 4096, 1)).collect();
        for block in blocks {
            cpu.free(block, driver(1)).unwrap();
        }
        cpu.drain();
        let (mapped, spare) = (machine.host.mapped(0), node.spare());
        assert!(spare >= 8, "{spare}");
        // Without memory for more, the node can serve only from frames that it has.
        assert_eq!(cpu.allocate(0, owner, 4096, 1).is_none(), is_unmapped, "{is_unmapped} {owner:?}");
        assert_eq!((machine.host.mapped(0), node.spare() == spare), (mapped, is_unmapped));
        machine.trim();
        assert!(cpu.allocate(0, owner, 4096, 1).is_some());
    }
}

#[test]
fn frames_of_drivers_go_back_before_the_spare_ones_that_a_trim_keeps() {
    let machine = Machine::new(1, 256, 100);
    let cpu = machine.cpu(0);
    let node = machine.heaps.node(0).unwrap();
    node.unmap_frames_of_drivers();
    for owner in [KERNEL, driver(1)] {
        let blocks: Vec<_> = (0..20).map(|_| cpu.allocate(0, owner, 4096, 1).unwrap()).collect();
        blocks.into_iter().for_each(|block| cpu.free(block, owner).unwrap());
    }
    cpu.drain();
    node.break_up_magazines();
    let spare = node.spare();
    assert!(spare >= 40, "{spare}");
    let gone = node.trim(0, machine.host, 1000);
    assert!((20..30).contains(&gone), "{gone}");
    assert_eq!(node.trim(0, machine.host, 5), spare - gone - 5);
}

#[test]
fn a_node_without_memory_refuses_and_changes_nothing() {
    let machine = Machine::new(1, 256, 3);
    let cpu = machine.cpu(0);
    let mut blocks = Vec::new();
    while let Some(block) = cpu.allocate(0, KERNEL, 4096, 1) {
        blocks.push(block);
    }
    assert!(!blocks.is_empty());
    let before = machine.heaps.node(0).unwrap().stats();
    for _ in 0..10 {
        assert_eq!(cpu.allocate(0, KERNEL, 4096, 1), None);
    }
    assert_eq!(machine.heaps.node(0).unwrap().stats(), before);
}

#[test]
fn metadata_is_at_most_four_percent_of_the_peak() {
    let machine = Machine::new(1, 8192, 8000);
    let cpu = machine.cpu(0);
    for _ in 0..7000 {
        cpu.allocate(0, KERNEL, 4096, 1).unwrap();
    }
    let stats = machine.heaps.node(0).unwrap().stats();
    let peak = stats.frames as usize * LARGEST_BLOCK;
    assert!(stats.metadata_bytes * 100 <= 4 * peak, "{stats:?}");
}

#[test]
fn a_cpu_without_memory_for_magazines_frees_all_it_has() {
    let machine = Machine::new(2, 256, 1);
    let cpu = machine.cpu(0);
    let blocks: Vec<_> = std::iter::from_fn(|| cpu.allocate(0, KERNEL, 32, 1)).collect();
    assert!(blocks.len() > 100);
    for block in blocks {
        cpu.free(block, KERNEL).unwrap();
    }
    cpu.drain();
    machine.trim();
    assert_eq!(machine.host.mapped(0), 0);
}

#[test]
fn a_step_of_a_drain_returns_the_blocks_of_a_few_frames() {
    for owner in [KERNEL, driver(3)] {
        let machine = Machine::new(1, 256, 200);
        let cpu = machine.cpu(0);
        // One block of each of 60 frames, in one magazine.
        let blocks: Vec<_> = (0..60 * 64).map(|_| cpu.allocate(0, owner, 64, 1).unwrap()).collect();
        while cpu.heap.drain_some() {}
        let (freed, kept): (Vec<_>, Vec<_>) = blocks.into_iter().enumerate().partition(|(n, _)| n % 64 == 0);
        freed.into_iter().for_each(|(_, block)| cpu.free(block, owner).unwrap());
        let mut steps = 0;
        while cpu.heap.drain_some() {
            steps += 1;
        }
        assert!((8..30).contains(&steps), "{steps}");
        kept.into_iter().for_each(|(_, block)| cpu.free(block, owner).unwrap());
        cpu.drain();
        machine.trim();
        assert_eq!(machine.host.mapped(0), 0);
    }
}
