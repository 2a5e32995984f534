//! Two threads of the host as CPUs, which exchange blocks of two nodes and two owners.
use super::{Cpu, Machine};
use node_heap::OwnerId;
use std::ptr::NonNull;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};

struct Block(NonNull<u8>, usize);
// SAFETY: a block belongs to the thread that holds this value.
unsafe impl Send for Block {}

impl Block {
    fn fill(&self) {
        let mark = self.0.addr().get() as u64;
        // SAFETY: the block has at least 8 bytes, at a multiple of 32, and is this value's.
        unsafe { self.0.cast::<u64>().write(mark) };
    }

    fn check(&self) {
        // SAFETY: as above; `fill` has written it.
        let mark = unsafe { self.0.cast::<u64>().read() };
        assert_eq!(mark, self.0.addr().get() as u64, "a block belongs to two threads");
        // SAFETY: as above.
        unsafe { self.0.cast::<u64>().write(0) };
    }

    fn free(self, cpu: &Cpu) {
        self.check();
        cpu.free(self.0, OwnerId::new(self.1).unwrap()).expect("a block in use is freed");
    }
}

/// Allocates and frees at random, so many times. Returns how many blocks were granted.
fn run(cpu: &Cpu, operations: u64, mut random: u64, to: &Sender<Block>, from: &Receiver<Block>) -> u64 {
    let mut blocks: Vec<Block> = Vec::new();
    let mut granted = 0;
    for _ in 0..operations {
        // xorshift64.
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let (node, owner) = ((random >> 8) as usize % 2, (random >> 16) as usize % 8 / 5);
        match random % 8 {
            0..4 => {
                let size = 8 + (random >> 32) as usize % if random & 256 == 0 { 100 } else { 4000 };
                if let Some(block) = cpu.allocate(node, OwnerId::new(owner).unwrap(), size, 8) {
                    let block = Block(block, owner);
                    block.fill();
                    blocks.push(block);
                    granted += 1;
                }
            }
            4 => {
                // The other thread may be done.
                if let Some(block) = blocks.pop()
                    && let Err(error) = to.send(block)
                {
                    blocks.push(error.0);
                }
            }
            5 => from.try_iter().take(3).for_each(|block| block.free(cpu)),
            _ if !blocks.is_empty() => {
                let index = (random >> 40) as usize % blocks.len();
                blocks.swap_remove(index).free(cpu);
            }
            _ => {}
        }
        if random.is_multiple_of(5003) {
            cpu.drain();
        }
    }
    blocks.into_iter().for_each(|block| block.free(cpu));
    cpu.drain();
    granted
}

type Ended = (Cpu, Receiver<Block>, u64);

fn start(
    cpu: Cpu,
    operations: u64,
    random: u64,
    to: Sender<Block>,
    from: Receiver<Block>,
) -> JoinHandle<Ended> {
    thread::spawn(move || {
        let granted = run(&cpu, operations, random, &to, &from);
        (cpu, from, granted)
    })
}

/// Has two threads do so many operations each, while this one returns frames. In the end no frame may be left. Returns how many
/// blocks were granted.
pub fn exchange(operations: u64) -> u64 {
    let machine = Machine::new(2, 1024, 300);
    let (to_other, from_one) = channel();
    let (to_one, from_other) = channel();
    let threads = [
        start(machine.cpu(0), operations, 0x1234_5678_9abc, to_other, from_other),
        start(machine.cpu(1), operations, 0xfeed_1234_5678, to_one, from_one),
    ];
    while threads.iter().any(|thread| !thread.is_finished()) {
        machine.trim();
        thread::sleep(std::time::Duration::from_millis(5));
    }
    let mut granted = 0;
    for (cpu, left, count) in threads.map(|thread| thread.join().expect("the thread's checks hold")) {
        left.iter().for_each(|block| block.free(&cpu));
        cpu.drain();
        granted += count;
    }
    machine.trim();
    assert_eq!([machine.host.mapped(0), machine.host.mapped(1)], [0, 0], "frames are missing");
    granted
}
