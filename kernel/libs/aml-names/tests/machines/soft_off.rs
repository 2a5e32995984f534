//! The object `\_S5` of whole machines, compared with what a search for its bytes finds.
use aml_names::read_soft_off;

use crate::{qemu, sources};

/// Searches a block for the object's name in front of a package, and reads two small integers from it.
fn search(block: &[u8]) -> Option<(u8, u8)> {
    let start = block.windows(5).position(|bytes| bytes == b"_S5_\x12")? + 5;
    // The length has as many further bytes as its two highest bits say. The number of elements follows.
    let mut rest = block.get(start + usize::from(block[start] >> 6) + 2..)?.iter();
    let mut integer = || match rest.next()? {
        0 => Some(0),
        1 => Some(1),
        0x0a => rest.next().copied(),
        _ => None,
    };
    Some((integer()?, integer()?))
}

#[test]
fn the_sleep_types_of_each_machine_are_those_that_its_bytes_have() {
    let real = sources::real();
    let (mut with, mut without) = (0, Vec::new());
    for machine in real.iter().chain(qemu::machines()) {
        let found = read_soft_off(machine.blocks.iter().map(Vec::as_slice));
        let expected = machine.blocks.iter().find_map(|block| search(block));
        assert_eq!(found.map(|found| (found.type_a, found.type_b)), expected, "{}", machine.name);
        match found {
            Some(_) => with += 1,
            None => without.push(&machine.name),
        }
    }
    println!("soft off: {with} machines; none in the tables of {without:?}");
}
