//! How much memory a heap needs for what is in use: during churn, and when only a few blocks are left.
use std::collections::HashSet;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::workloads::{allocate, free, layout};
use crate::{Heap, Peer};

/// The option for the run in a process of its own: a heap.
pub const OPTION: &str = "fragmentation";

/// Blocks in use during the churn.
const BLOCKS: usize = 20_000;
/// Each round frees a tenth of the blocks at random, and allocates as many of other sizes.
const ROUNDS: usize = 50;
/// Bytes of a page.
const PAGE: usize = 4096;

/// Pages relative to the bytes in use. 1 means that each byte of each page is in use.
#[derive(Clone, Copy, Debug)]
pub struct Ratios {
    /// Pages that any block ever lay in, after the churn.
    pub touched: f64,
    /// Pages that blocks still lie in, after all of them but a random tenth were freed.
    pub pinned: f64,
}

/// Numbers that look random and are the same in each run (xorshift64).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        ((self.0 >> 8) % sides as u64) as usize
    }

    /// Returns a size from 16 to 4095 bytes. Each doubling has as many blocks.
    fn size(&mut self) -> usize {
        let power = 16 << self.roll(8);
        power + self.roll(power)
    }
}

type Block = (*mut u8, usize);

fn pages((block, size): Block) -> std::ops::RangeInclusive<usize> {
    block.addr() / PAGE..=(block.addr() + size - 1) / PAGE
}

fn in_use(blocks: &[Block]) -> f64 {
    blocks.iter().map(|(_, size)| size).sum::<usize>() as f64
}

/// Measures a heap.
pub fn measure(heap: &impl Heap) -> Ratios {
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    let mut touched = HashSet::new();
    let mut blocks: Vec<Block> = Vec::with_capacity(BLOCKS);
    let mut fill = |blocks: &mut Vec<Block>, dice: &mut Dice| {
        while blocks.len() < BLOCKS {
            let size = dice.size();
            let block = (allocate(heap, layout(size)), size);
            touched.extend(pages(block));
            blocks.push(block);
        }
    };
    let free_some = |blocks: &mut Vec<Block>, dice: &mut Dice, count: usize| {
        for _ in 0..count {
            let (block, size) = blocks.swap_remove(dice.roll(blocks.len()));
            free(heap, block, layout(size));
        }
    };
    fill(&mut blocks, &mut dice);
    for _ in 0..ROUNDS {
        free_some(&mut blocks, &mut dice, BLOCKS / 10);
        fill(&mut blocks, &mut dice);
    }
    let touched = (touched.len() * PAGE) as f64 / in_use(&blocks);
    free_some(&mut blocks, &mut dice, BLOCKS - BLOCKS / 10);
    let held: HashSet<usize> = blocks.iter().flat_map(|block| pages(*block)).collect();
    Ratios { touched, pinned: (held.len() * PAGE) as f64 / in_use(&blocks) }
}

/// Prints a heap's ratios, for the process that has started this one.
pub fn print(peer: &Peer) -> Result<()> {
    let Ratios { touched, pinned } = (peer.fragmentation)();
    println!("{touched} {pinned}");
    Ok(())
}

/// Measures a heap in a process of its own.
pub fn measure_apart(peer: &Peer) -> Result<Ratios> {
    let program = std::env::current_exe()?;
    let output = Command::new(program).args([&format!("--{OPTION}"), peer.name]).output()?;
    ensure!(output.status.success(), "{}: {}", peer.name, String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout)?;
    let (touched, pinned) = text.trim().split_once(' ').context("two numbers")?;
    Ok(Ratios { touched: touched.parse()?, pinned: pinned.parse()? })
}
