//! The NVMe driver against a controller that a program plays.
mod controller;
mod endless;
mod lies;

use controller::{BLOCK, BLOCKS, Completion, Controller};
use driver_mock::abi::{BLOCK_ERROR, BLOCK_GONE, BLOCK_OK};
use driver_mock::{Buffer, Disk, Driver, Kernel, Left, Machine, Plugged, Random, Request};
use nvme as _;

const SECOND: u64 = 1_000_000_000;
const PAGE: usize = 4096;

fn driver() -> Driver {
    driver_mock::driver!("nvme", Driver_Devices, Driver_RemoveDevice)
}

fn machine() -> Machine {
    Machine::new().allow_left(Left::WITH_THE_DEVICE)
}

fn start(kernel: &Kernel) -> (Plugged<Controller>, Disk) {
    let controller = kernel.plug(Controller::pci(), Controller::new());
    assert_eq!(kernel.load(), 0);
    (controller, kernel.disk("nvme0").expect("the driver has registered its disk"))
}

fn pattern(seed: u64) -> impl Fn(usize) -> u8 {
    move |index| (seed.wrapping_mul(31) as usize + index * 7 + index / 251) as u8
}

fn blocks_of(controller: &Plugged<Controller>, first: u64, count: usize) -> Vec<u8> {
    controller.with(|model, _| (0..count as u64).flat_map(|block| model.block(first + block)).collect())
}

#[test]
fn the_disk_is_what_the_controller_says() {
    machine().run(driver(), |kernel| {
        let (controller, disk) = start(kernel);
        let info = disk.info().unwrap();
        assert_eq!(controller.added(), Some(0));
        assert_eq!((info.BlockSize as usize, info.Blocks, info.Depth), (BLOCK, BLOCKS, 63));
        assert_eq!((info.Queues, info.MaxBytes), (2, 32 * 4096));
    });
}

#[test]
fn what_was_written_is_read_by_interrupt_and_by_poll() {
    machine().run(driver(), |kernel| {
        let (controller, disk) = start(kernel);
        let (from, to) = (disk.buffer(8 * BLOCK), disk.buffer(8 * BLOCK));
        from.fill(pattern(1));
        assert_eq!(disk.run(Request::write(100, 8, &[from.whole()])), Some(BLOCK_OK));
        assert_eq!(blocks_of(&controller, 100, 8), from.bytes());
        assert_eq!(disk.run(Request::read(100, 8, &[to.whole()])), Some(BLOCK_OK));
        assert_eq!(to.bytes(), from.bytes());
        from.fill(pattern(2));
        assert_eq!(disk.run(Request::write(100, 8, &[from.whole()]).polled()), Some(BLOCK_OK));
        assert_eq!(disk.run(Request::read(100, 8, &[to.whole()]).polled()), Some(BLOCK_OK));
        assert_eq!(to.bytes(), from.bytes());
        assert_eq!(disk.run(Request::flush()), Some(BLOCK_OK));
    });
}

#[test]
fn queues_go_round_with_several_completions_at_once() {
    machine().run(driver(), |kernel| {
        let (controller, disk) = start(kernel);
        let buffer = disk.buffer(BLOCK);
        let read = |is_polled: bool| {
            let request = Request::read(1, 1, &[buffer.whole()]);
            if is_polled { request.polled() } else { request }
        };
        let batches = [true, false].map(|is_polled| (0..7).map(|_| read(is_polled)).collect::<Vec<_>>());
        for batch in batches.iter().cycle().take(60) {
            batch.iter().for_each(Request::again);
            assert_eq!(disk.submit(batch), batch.len());
            for request in batch {
                assert_eq!(disk.wait(*request), BLOCK_OK);
            }
        }
        // Each queue has 64 entries.
        assert_eq!(controller.with(|model, _| model.commands.len()), 420);
        let are_seen = controller.with(|model, _| model.completions.values().all(Completion::is_seen));
        assert!(are_seen, "the driver has not said that it has seen all completions");
    });
}

#[test]
fn a_controller_without_interrupts_is_polled() {
    machine().run(driver(), |kernel| {
        let pci = driver_mock::Pci::new(1, 2).class(0x01_0802).memory_bar(0, 0x4000);
        kernel.plug(pci, Controller::new());
        assert_eq!(kernel.load(), 0);
        let disk = kernel.disk("nvme0").unwrap();
        let buffer = disk.buffer(BLOCK);
        assert_eq!(disk.run(Request::write(0, 1, &[buffer.whole()])), Some(BLOCK_OK));
    });
}

#[test]
fn segments_that_no_command_can_address_are_split() {
    machine().run(driver(), |kernel| {
        let (controller, disk) = start(kernel);
        let (from, to) = (disk.buffer(4 * PAGE), disk.buffer(4 * PAGE));
        from.fill(pattern(3));
        // The third part ends and the fourth begins within a page.
        let cut = |buffer: &Buffer| {
            [buffer.part(0, PAGE), buffer.part(PAGE, 2 * BLOCK), buffer.part(2 * PAGE + BLOCK, 5 * BLOCK)]
        };
        assert_eq!(disk.run(Request::write(7, 15, &cut(&from))), Some(BLOCK_OK));
        assert_eq!(controller.with(|model, _| model.commands.len()), 2, "one request is two commands");
        assert_eq!(disk.run(Request::read(7, 15, &cut(&to)).polled()), Some(BLOCK_OK));
        let written: Vec<u8> = cut(&from)
            .iter()
            .flat_map(|part| {
                let first = (part.Address - from.whole().Address) as usize;
                from.bytes()[first..first + part.Bytes as usize].to_vec()
            })
            .collect();
        assert_eq!(blocks_of(&controller, 7, 15), written);
        let parts = |buffer: &Buffer| buffer.bytes()[..PAGE + 2 * BLOCK].to_vec();
        assert_eq!(parts(&to), parts(&from));
        // A list of pages: 24 KiB that begin within a page.
        let (from, to) = (disk.buffer(8 * PAGE), disk.buffer(8 * PAGE));
        from.fill(pattern(4));
        let part = |buffer: &Buffer| [buffer.part(2 * BLOCK, 48 * BLOCK)];
        assert_eq!(disk.run(Request::write(500, 48, &part(&from))), Some(BLOCK_OK));
        assert_eq!(disk.run(Request::read(500, 48, &part(&to))), Some(BLOCK_OK));
        let middle = 2 * BLOCK..50 * BLOCK;
        assert_eq!(to.bytes()[middle.clone()], from.bytes()[middle]);
        assert!(to.bytes()[50 * BLOCK..].iter().all(|byte| *byte == 0));
    });
}

#[test]
fn a_status_of_the_controller_ends_the_request_with_an_error() {
    machine().run(driver(), |kernel| {
        let (controller, disk) = start(kernel);
        let buffer = disk.buffer(BLOCK);
        controller.with(|model, _| model.statuses = vec![0x281, 0, 0x80]);
        let read = || Request::read(3, 1, &[buffer.whole()]);
        assert_eq!(disk.run(read()), Some(BLOCK_ERROR));
        assert_eq!(disk.run(read()), Some(BLOCK_OK));
        assert_eq!(disk.run(read().polled()), Some(BLOCK_ERROR));
        assert_eq!(disk.run(read()), Some(BLOCK_OK));
    });
}

#[test]
fn a_parameter_limits_the_queues() {
    for (value, queues) in
        [("1", 1), ("2", 2), ("0x1", 1), ("64", 4), ("0", 4), ("65", 4), ("-1", 4), ("+1", 4), ("", 4)]
    {
        machine().cpus(4).run(driver(), |kernel| {
            kernel.set_parameter("queues", value);
            let (_, disk) = start(kernel);
            assert_eq!(disk.info().unwrap().Queues, queues, "{value}");
            let is_ignored = kernel.log().iter().any(|line| line.contains("must be a number from 1 to 64"));
            assert_eq!(is_ignored, matches!(value, "0" | "65" | "-1" | "+1" | ""), "{value}");
            let buffer = disk.buffer(BLOCK);
            assert_eq!(disk.run(Request::read(3, 1, &[buffer.whole()])), Some(BLOCK_OK));
        });
    }
}

#[test]
fn counters_say_what_the_disk_has_done() {
    machine().run(driver(), |kernel| {
        let (controller, disk) = start(kernel);
        let buffer = disk.buffer(BLOCK);
        let read = || Request::read(3, 1, &[buffer.whole()]);
        controller.with(|model, _| model.statuses = vec![0x281]);
        assert_eq!(disk.run(read()), Some(BLOCK_ERROR));
        // More than two rounds of a queue.
        for number in 1..150 {
            assert_eq!(disk.run(if number < 140 { read().polled() } else { read() }), Some(BLOCK_OK));
        }
        kernel.advance(2 * SECOND);
        let counter = |name| kernel.counter(&format!("nvme0.{name}")).expect("the counter is published");
        assert_eq!((counter("completed"), counter("failed"), counter("stray")), (150, 1, 0));
        controller.with(|model, _| model.is_silent = true);
        assert_eq!(disk.run(read()), Some(BLOCK_ERROR));
        controller.with(|model, _| model.is_silent = false);
        assert!(kernel.wait_until(2 * SECOND, || counter("restarts") == 1));
        assert_eq!(disk.run(read()), Some(BLOCK_OK));
        kernel.advance(2 * SECOND);
        assert_eq!((counter("completed"), counter("failed")), (151, 1));
        assert_eq!(kernel.counter("nvme1.failed"), None);
    });
}

#[test]
fn a_silent_controller_is_restarted_and_its_requests_end() {
    machine().run(driver(), |kernel| {
        let (controller, disk) = start(kernel);
        let buffer = disk.buffer(BLOCK);
        controller.with(|model, _| model.is_silent = true);
        let (request, begin) = (Request::read(3, 1, &[buffer.whole()]), kernel.now());
        assert_eq!(disk.run(request), Some(BLOCK_ERROR));
        let time = kernel.now() - begin;
        assert!((10 * SECOND..13 * SECOND).contains(&time), "after {time} ns");
        controller.with(|model, _| model.is_silent = false);
        assert!(kernel.wait_until(SECOND, || controller.with(|model, _| model.starts == 2)));
        kernel.advance(SECOND / 10);
        assert_eq!(disk.run(Request::read(3, 1, &[buffer.whole()])), Some(BLOCK_OK));
    });
}

#[test]
fn a_controller_that_does_not_restart_is_given_up() {
    machine().run(driver(), |kernel| {
        let (controller, disk) = start(kernel);
        let buffer = disk.buffer(BLOCK);
        controller.with(|model, _| (model.is_silent, model.is_broken) = (true, true));
        assert_eq!(disk.run(Request::read(3, 1, &[buffer.whole()])), Some(BLOCK_ERROR));
        assert!(kernel.wait_until(10 * SECOND, || disk.info().is_none()));
    });
}

#[test]
fn a_controller_that_never_starts_is_no_disk() {
    machine().run(driver(), |kernel| {
        let mut broken = Controller::new();
        broken.is_broken = true;
        kernel.plug(Controller::pci(), broken);
        assert_eq!(kernel.load(), 0);
        assert!(kernel.disk("nvme0").is_none());
        assert!(kernel.log().iter().any(|line| line.contains("is not ready after 1000 ms")));
    });
}

#[test]
fn a_controller_that_is_pulled_out_takes_its_requests_along() {
    machine().run(driver(), |kernel| {
        let (controller, disk) = start(kernel);
        let buffer = disk.buffer(BLOCK);
        controller.with(|model, _| model.is_silent = true);
        let request = Request::read(3, 1, &[buffer.whole()]);
        assert_eq!(disk.submit(&[request]), 1);
        kernel.pull_out(&controller);
        assert_eq!(request.status(), Some(BLOCK_GONE));
        assert!(disk.info().is_none());
    });
}

#[test]
fn without_memory_there_is_no_disk_and_no_crash() {
    machine().run_with_each_allocation_failing(driver(), |kernel, number| {
        kernel.plug(Controller::pci(), Controller::new());
        kernel.load();
        let Some(disk) = kernel.disk("nvme0") else {
            assert!(number > 0, "nothing has failed");
            return;
        };
        // What is not essential may be missing: then it works without.
        let buffer = disk.buffer(BLOCK);
        assert_eq!(disk.run(Request::write(5, 1, &[buffer.whole()])), Some(BLOCK_OK));
    });
}

/// Writes and reads blocks of its own, several at once.
fn use_disk(kernel: Kernel, disk: Disk, (from, to): (Buffer, Buffer), first: u64, seed: u64) {
    let mut random = Random::new(seed);
    let data: Vec<u8> = (0..from.bytes().len() / 8).flat_map(|_| random.any().to_le_bytes()).collect();
    from.write(&data);
    let requests: Vec<_> = (0..3)
        .map(|index| {
            let count = 2 + random.below(5) as usize;
            let offset = index * PAGE + random.below(6) as usize * BLOCK;
            // Some requests are split: their first part ends within a page.
            let cut = if random.one_in(3) { BLOCK } else { 0 };
            let parts = |buffer: &Buffer| {
                let parts = [(offset, cut), (offset + cut, count * BLOCK - cut)];
                let parts = parts.into_iter().filter(|(_, bytes)| *bytes > 0);
                parts.map(|(offset, bytes)| buffer.part(offset, bytes)).collect::<Vec<_>>()
            };
            let block = first + index as u64 * 16;
            let write = Request::write(block, count as u32, &parts(&from));
            let read = Request::read(block, count as u32, &parts(&to));
            let polled = |request: Request| if index % 2 == 0 { request.polled() } else { request };
            (polled(write), polled(read), offset..offset + count * BLOCK)
        })
        .collect();
    let writes: Vec<_> = requests.iter().map(|parts| parts.0).collect();
    let begin = kernel.now();
    assert_eq!(disk.submit(&writes), writes.len());
    for (write, read, part) in requests {
        assert_eq!(disk.wait(write), BLOCK_OK);
        assert_eq!(disk.run(read), Some(BLOCK_OK));
        assert!(to.bytes()[part.clone()] == data[part], "other data was read than written");
    }
    // None has waited for the driver's look, which finds what an interrupt was lost for.
    assert!(kernel.now() - begin < SECOND / 10);
}

/// Two CPUs use a disk with so many pairs of queues.
fn use_in_any_order(pairs: u32) {
    machine().run(driver(), |kernel| {
        let mut model = Controller::new();
        model.pairs = pairs;
        let controller = kernel.plug(Controller::pci(), model);
        assert_eq!(kernel.load(), 0);
        let disk = kernel.disk("nvme0").unwrap();
        let buffers = [0, 1].map(|_| (disk.buffer(4 * PAGE), disk.buffer(4 * PAGE)));
        kernel.each_seed(0..200, |kernel, seed| {
            controller.with(|model, _| model.order = Some(Random::new(seed)));
            let threads = [0, 1].map(|cpu| {
                let (first, seed) = (1000 * cpu as u64, seed * 2 + cpu as u64);
                let kernel = *kernel;
                kernel.spawn(cpu, move || use_disk(kernel, disk, buffers[cpu], first, seed))
            });
            threads.into_iter().for_each(driver_mock::Spawned::join);
        });
    });
}

#[test]
fn in_whatever_order_handlers_and_threads_run_the_data_is_right() {
    use_in_any_order(8);
}

#[test]
fn in_whatever_order_they_run_one_pair_of_queues_is_enough() {
    use_in_any_order(1);
}
