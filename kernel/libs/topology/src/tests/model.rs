//! A naive model of memory entries, frame by frame, to compare with the sweep.
use std::vec::Vec;
use units::{FRAME_SIZE, PhysRange};

/// A memory entry of a property test, in frames.
#[derive(Clone, Copy, Debug)]
pub struct Slab {
    pub start: u64,
    pub frames: u64,
    pub domain: u32,
    pub hot_pluggable: bool,
    pub persistent: bool,
}

/// Returns the domain of each of the first `count` frames, or `None` for a frame without a domain.
pub fn owners(slabs: &[Slab], ram: &[PhysRange], count: u64) -> Vec<Option<u32>> {
    let is_ram = |frame: u64| {
        let frame = PhysRange::new(frame * FRAME_SIZE, (frame + 1) * FRAME_SIZE);
        ram.iter().any(|ram| !ram.intersection(frame).is_empty())
    };
    let useful: Vec<&Slab> = slabs
        .iter()
        .filter(|slab| !(ram.is_empty() && slab.persistent))
        .filter(|slab| ram.is_empty() || (slab.start..slab.start + slab.frames).any(is_ram))
        .collect();
    let winner = |frame: u64| {
        let covers = |slab: &&&Slab| (slab.start..slab.start + slab.frames).contains(&frame);
        let candidates = useful.iter().filter(covers);
        // Precedence: present for certain, the later start, the shorter range, not hot-pluggable, not persistent, the lower
        // domain.
        let is_window = |slab: &Slab| slab.hot_pluggable || slab.persistent;
        candidates
            .min_by_key(|slab| {
                (
                    is_window(slab),
                    u64::MAX - slab.start,
                    slab.frames,
                    slab.hot_pluggable,
                    slab.persistent,
                    slab.domain,
                )
            })
            .filter(|slab| !is_window(slab) || ram.is_empty() || is_ram(frame))
            .map(|slab| slab.domain)
    };
    let mut owners: Vec<Option<u32>> = (0..count).map(winner).collect();
    let mut before = owners.iter().flatten().next().copied();
    for (frame, owner) in (0..).zip(&mut owners) {
        if owner.is_none() && is_ram(frame) {
            *owner = before;
        }
        before = owner.or(before);
    }
    owners
}
