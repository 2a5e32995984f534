//! A controller that lies: it completes commands that are not outstanding, twice, or out of range, and overwrites all memory that it
//! reaches. A request ends at most once, and only if it is outstanding; and no index leaves its array, which would panic.
use crate::controller::{BLOCK, BLOCKS, Controller};
use crate::{SECOND, driver, machine, start};
use driver_mock::abi::{BLOCK_ERROR, BLOCK_OK, DmaSegment};
use driver_mock::{Buffer, Bus, Disk, Random, Request};

const STEPS: u32 = 4_000;
/// Requests of the test, which are at most as many as the queue has tags.
const REQUESTS: usize = 24;

fn overwrite_all(bus: &Bus, random: &mut Random) {
    for (address, bytes) in bus.writable() {
        for word in 0..bytes / 8 {
            bus.write(address + word * 8, &random.any().to_le_bytes());
        }
    }
}

fn act(model: &mut Controller, bus: &Bus, random: &mut Random) {
    let queues: Vec<u16> = model.completions.keys().copied().filter(|queue| *queue != 0).collect();
    let Some(queue) = queues.get(random.below(queues.len() as u64) as usize).copied() else { return };
    let tag = random.below(63) as u16;
    let split = 256 + random.below(10) as u16;
    let any = random.any();
    match random.below(64) {
        0..24 => model.complete(bus, queue, tag, 0, 0),
        24..40 => model.complete(bus, queue, split, 0, 0),
        40..44 => [tag, tag].into_iter().for_each(|id| model.complete(bus, queue, id, 0, 0)),
        44..48 => model.complete(bus, queue, if any & 1 == 0 { tag } else { split }, any as u16 >> 1, 0),
        48..56 => model.complete(bus, queue, any as u16, (any >> 16 & 1) as u16, 0),
        56..62 => model.complete(bus, queue, 63 + (any & 1) as u16, 0, 0),
        62 => model.misplace(queue, any as u32 & 0xff, any >> 32 & 1 == 0),
        // Rarely: it is a lot.
        _ if any & 3 == 0 => overwrite_all(bus, random),
        _ => {}
    }
}

/// Up to 64 segments, some of them within pages.
fn segments(buffer: &Buffer, random: &mut Random) -> Vec<DmaSegment> {
    let count = [1, 1, 2, 5, 64][random.below(5) as usize];
    let place = |random: &mut Random| match random.below(3) {
        0 => 4096 * random.below(8),
        1 => 512 * random.below(60),
        _ => 4 * random.below(7000),
    };
    (0..count).map(|_| buffer.part(place(random) as usize, BLOCK * (1 + random.below(4) as usize))).collect()
}

fn request(buffer: &Buffer, random: &mut Random) -> Request {
    let segments = segments(buffer, random);
    let blocks = segments.iter().map(|segment| segment.Bytes).sum::<u64>() / BLOCK as u64;
    let first = random.below(BLOCKS - blocks);
    let request = match random.below(3) {
        0 => Request::read(first, blocks as u32, &segments),
        1 => Request::write(first, blocks as u32, &segments),
        _ => Request::flush(),
    };
    if random.one_in(2) { request.polled() } else { request }
}

fn submit(disk: &Disk, buffer: &Buffer, requests: &mut Vec<Request>, random: &mut Random) {
    let batch: Vec<_> = (requests.len()..REQUESTS)
        .filter_map(|_| if random.one_in(3) { Some(request(buffer, random)) } else { None })
        .collect();
    let accepted = if batch.is_empty() { 0 } else { disk.submit(&batch) };
    requests.extend_from_slice(&batch[..accepted]);
}

/// Takes the requests that have ended. Returns how many there are, and how many of them have failed.
fn take_ended(requests: &mut Vec<Request>) -> (u32, u32) {
    let (mut ended, mut failed) = (0, 0);
    requests.retain(|request| {
        let Some(status) = request.status() else { return true };
        assert!(status == BLOCK_OK || status == BLOCK_ERROR);
        ended += 1;
        failed += u32::from(status == BLOCK_ERROR);
        false
    });
    (ended, failed)
}

#[test]
fn whatever_the_controller_completes_a_request_ends_at_most_once() {
    machine().run(driver(), |kernel| {
        let (controller, disk) = start(kernel);
        controller.with(|model, _| model.is_silent = true);
        let buffer = disk.buffer(8 * 4096);
        let mut random = Random::new(1);
        let (mut requests, mut ended, mut failed) = (Vec::new(), 0, 0);
        for step in 0..STEPS {
            submit(&disk, &buffer, &mut requests, &mut random);
            controller.with(|model, bus| act(model, bus, &mut random));
            disk.poll();
            let taken = take_ended(&mut requests);
            (ended, failed) = (ended + taken.0, failed + taken.1);
            if step % 100 != 99 {
                continue;
            }
            // Those that are left are too old then: the driver restarts the controller.
            let starts = controller.with(|model, _| model.starts);
            if !requests.is_empty() {
                kernel.advance(14 * SECOND);
                assert_eq!(controller.with(|model, _| model.starts), starts + 1);
            }
            let taken = take_ended(&mut requests);
            (ended, failed) = (ended + taken.0, failed + taken.1);
            assert!(requests.is_empty(), "a request is left");
            let outstanding = Request::read(0, 1, &[buffer.part(0, BLOCK)]);
            assert_eq!(disk.submit(&[outstanding]), 1);
            // The lower byte is that of a tag.
            let id = (2 + random.below(254)) << 8 | u64::from(outstanding.tag());
            let queues = controller.with(|model, _| model.completions.len() as u16);
            for queue in 1..queues {
                controller.with(|model, bus| model.complete(bus, queue, id as u16, 0, 0));
            }
            disk.poll();
            kernel.advance(1000);
            assert_eq!(outstanding.status(), None, "the completion of no command has ended a request");
            requests.push(outstanding);
        }
        assert!(
            ended > STEPS / 4 && failed > ended / 20 && failed < ended,
            "{ended} ended, {failed} with an error"
        );
    });
}
