//! Each kind of mistake is found: small drivers make one each.
use driver_kit::{drivers, parameter};
use driver_mock::abi::{
    self, BlockDriver, BlockRequest, DMA_FROM_DEVICE, DMA_TO_DEVICE, DmaGrant, DmaRequest, DmaSegment,
    InterruptSetup,
};
use driver_mock::{Bus, DeviceModel, Driver, Kernel, Kind, Left, Machine, Pci, Plugged, Request};
use std::ffi::{c_int, c_void};
use std::ptr::null_mut;

/// A device with four registers of 32 bits, of which the last one raises an interrupt.
#[derive(Default)]
struct Echo {
    registers: [u64; 4],
}

impl DeviceModel for Echo {
    fn read(&mut self, _: &Bus, _: u32, offset: u64, width: u32) -> u64 {
        let register = self.registers[(offset / 8 % 4) as usize] >> (offset % 8 * 8);
        if width == 8 { register } else { register & ((1 << (8 * width)) - 1) }
    }

    fn write(&mut self, bus: &Bus, _: u32, offset: u64, width: u32, value: u64) {
        let (shift, mask) = (offset % 8 * 8, if width == 8 { u64::MAX } else { (1 << (8 * width)) - 1 });
        let register = &mut self.registers[(offset / 8 % 4) as usize];
        *register = *register & !(mask << shift) | value << shift;
        if offset == 24 {
            bus.raise(0);
        }
    }
}

unsafe extern "C" fn init() -> c_int {
    0
}

const NOTHING: Driver =
    Driver { name: "none", init, exit: None, devices: None, add_device: None, remove_device: None };

fn pci() -> Pci {
    Pci::new(1, 2).memory_bar(0, 0x2000).msix(2)
}

/// Runs a piece of a driver that owns a device whose memory and bus mastering are on.
fn run(piece: impl Fn(&Kernel, &Plugged<Echo>, c_int) + 'static) -> Result<(), String> {
    attempt(&Machine::new(), piece)
}

fn attempt(
    machine: &Machine,
    piece: impl Fn(&Kernel, &Plugged<Echo>, c_int) + 'static,
) -> Result<(), String> {
    machine.attempt(NOTHING, |kernel| {
        assert_eq!(kernel.load(), 0);
        let device = kernel.plug(pci(), Echo::default());
        let id = kernel.give(&device);
        let (kernel, copy) = (*kernel, device.clone());
        kernel.as_driver(move || {
            // SAFETY: the function takes any numbers.
            assert!(unsafe { abi::Kernel_EnableDevice(id, abi::DEVICE_MEMORY | abi::DEVICE_BUS_MASTER) });
            piece(&kernel, &copy, id);
        });
    })
}

/// A run that has failed for a reason with these words.
fn fails_with(outcome: Result<(), String>, words: &[&str]) {
    let report = outcome.expect_err("the mistake was not found");
    for word in words {
        assert!(report.contains(word), "{word:?} is not in the report:\n{report}");
    }
}

fn dma(device: c_int, bytes: u64) -> DmaGrant {
    let request = DmaRequest {
        Size: size_of::<DmaRequest>() as u32,
        Flags: abi::DMA_NOT_ZEROED,
        Device: device,
        Reserved: 0,
        Bytes: bytes,
        Alignment: 0,
        Boundary: 0,
        HighestAddress: 0,
        Policy: std::ptr::null(),
    };
    let mut grant = DmaGrant {
        Size: size_of::<DmaGrant>() as u32,
        Node: 0,
        Memory: null_mut(),
        DeviceAddress: 0,
        Bytes: 0,
        Distance: 0,
        FellBack: 0,
    };
    // SAFETY: both are local variables.
    assert!(unsafe { abi::Kernel_AllocateDma(&request, &mut grant) });
    grant
}

fn registers(device: c_int) -> *mut u64 {
    // SAFETY: the function takes any numbers.
    unsafe { abi::Kernel_MapDeviceMemory(device, 0, 0, 64, abi::DEVICE_UNCACHED).cast() }
}

#[test]
fn a_sound_driver_has_no_findings() {
    run(|_, device, id| {
        let registers = registers(id);
        // SAFETY: so many registers are mapped, and the block and the memory are the driver's.
        unsafe {
            registers.write_volatile(0x1122_3344_5566_7788);
            assert_eq!(registers.read_volatile(), 0x1122_3344_5566_7788);
            assert_eq!(registers.cast::<u8>().add(1).read_volatile(), 0x77);
            assert_eq!(registers.cast::<u16>().add(1).read_volatile(), 0x5566);
            registers.cast::<u32>().add(1).write_volatile(7);
            assert_eq!(device.with(|model, _| model.registers[0]), 0x7_5566_7788);
            let block = abi::Kernel_AllocateMemory(100, 0);
            block.cast::<u8>().write_bytes(1, 100);
            abi::Kernel_FreeMemory(block);
            let memory = dma(id, 100);
            assert_eq!(memory.Memory.cast::<u8>().read(), 0xd5, "memory that is not zeroed is poisoned");
            device.with(|_, bus| assert!(bus.write(memory.DeviceAddress, &[9; 100])));
            assert_eq!(memory.Memory.cast::<u8>().add(99).read(), 9);
            assert!(abi::Kernel_FreeDma(memory.DeviceAddress));
            assert!(abi::Kernel_UnmapDeviceMemory(registers.cast()));
        }
    })
    .unwrap();
}

#[test]
fn a_counter_whose_memory_is_freed_is_found() {
    let publish = |is_withdrawn: bool| {
        run(move |kernel, _, _| {
            // SAFETY: the block has room for the number, and the names end with zeros.
            unsafe {
                let block = abi::Kernel_AllocateMemory(8, 8).cast::<u64>();
                block.write(5);
                assert!(abi::Kernel_PublishCounter(c"five".as_ptr(), block));
                assert!(!abi::Kernel_PublishCounter(c"five".as_ptr(), block));
                assert_eq!((kernel.counter("five"), kernel.counter("six")), (Some(5), None));
                assert!(!is_withdrawn || abi::Kernel_PublishCounter(c"five".as_ptr(), std::ptr::null()));
                abi::Kernel_FreeMemory(block.cast());
            }
        })
    };
    publish(true).unwrap();
    fails_with(publish(false), &["BadFree", "the counter five is published, and its memory was freed"]);
}

#[test]
fn a_driver_learns_its_parameters_and_what_it_has() {
    run(|kernel, _, id| {
        kernel.set_parameter("text", "long");
        kernel.set_parameter("switch", "off");
        let (mut short, mut long) = ([0; 4], [0; 5]);
        assert_eq!(parameter::text(c"text", &mut short), None, "there is no room for the zero");
        assert_eq!(parameter::text(c"text", &mut long), Some("long"));
        assert_eq!((parameter::switch(c"switch"), parameter::switch(c"text")), (Some(false), None));
        assert_eq!(kernel.log().iter().filter(|line| line.contains("is ignored: its value")).count(), 2);
        let before = drivers::statistics(None).unwrap();
        let memory = dma(id, 5000);
        let after = drivers::statistics(Some(c"none")).unwrap();
        assert_eq!((after.DmaBytes - before.DmaBytes, after.HeapBytes, after.Threads), (8192, 0, 1));
        assert_eq!(drivers::statistics(Some(c"another")), None);
        // SAFETY: the function takes any number.
        assert!(unsafe { abi::Kernel_FreeDma(memory.DeviceAddress) });
    })
    .unwrap();
}

#[test]
fn the_processor_computes_with_registers() {
    run(|_, device, id| {
        let registers = registers(id).cast::<u32>();
        device.with(|model, _| model.registers[0] = 0xf0);
        // SAFETY: the register is mapped. The instructions change it and a register of the processor.
        unsafe {
            let is_set: u8;
            std::arch::asm!(
                "or dword ptr [{0}], 0x0f",
                "add dword ptr [{0}], 1",
                "test byte ptr [{0} + 1], 1",
                "setnz {1}",
                in(reg) registers, out(reg_byte) is_set,
            );
            assert_eq!(is_set, 1);
            assert!(abi::Kernel_UnmapDeviceMemory(registers.cast()));
        }
        assert_eq!(device.with(|model, _| model.registers[0]), 0x100);
    })
    .unwrap();
}

#[test]
fn an_access_behind_dma_memory_is_found() {
    let outcome = run(|_, _, id| {
        let memory = dma(id, 4096).Memory.cast::<u8>();
        // SAFETY: there is none: the page behind has no rights, so the process ends.
        unsafe { memory.add(4096).write_volatile(1) };
    });
    fails_with(outcome, &["writes", "0 bytes behind DMA memory of 4096 bytes"]);
}

#[test]
fn bytes_behind_short_dma_memory_are_found_when_it_is_freed() {
    let outcome = run(|kernel, _, id| {
        let memory = dma(id, 100);
        // SAFETY: the byte lies in the memory's page. It is not the driver's.
        unsafe {
            memory.Memory.cast::<u8>().add(100).write_volatile(1);
            abi::Kernel_FreeDma(memory.DeviceAddress);
        }
        kernel.expect(Kind::Overrun);
    });
    outcome.unwrap();
}

#[test]
fn an_access_behind_a_heap_block_is_found() {
    let outcome = run(|_, _, _| {
        // SAFETY: there is none: the byte behind lies on a page without rights, so the process ends.
        unsafe { abi::Kernel_AllocateMemory(96, 0).cast::<u8>().add(96).read_volatile() };
    });
    fails_with(outcome, &["reads", "0 bytes behind a heap block of 96 bytes"]);
}

#[test]
fn a_use_of_freed_memory_is_found() {
    let outcome = run(|_, _, _| {
        // SAFETY: there is none: the page has no rights any more, so the process ends.
        unsafe {
            let block = abi::Kernel_AllocateMemory(64, 0);
            abi::Kernel_FreeMemory(block);
            block.cast::<u8>().add(3).write_volatile(1);
        }
    });
    fails_with(outcome, &["writes", "byte 3 of a heap block of 64 bytes, which was freed"]);
    let outcome = run(|_, _, id| {
        let memory = dma(id, 4096);
        // SAFETY: there is none: the page has no rights any more, so the process ends.
        unsafe {
            abi::Kernel_FreeDma(memory.DeviceAddress);
            memory.Memory.cast::<u8>().read_volatile();
        }
    });
    fails_with(outcome, &["reads", "byte 0 of DMA memory of 4096 bytes, which was freed"]);
}

#[test]
fn a_second_free_is_found() {
    let outcome = run(|kernel, _, id| {
        // SAFETY: the functions take any address.
        unsafe {
            let block = abi::Kernel_AllocateMemory(64, 0);
            abi::Kernel_FreeMemory(block);
            abi::Kernel_FreeMemory(block);
            kernel.expect(Kind::BadFree);
            let memory = dma(id, 64);
            assert!(abi::Kernel_FreeDma(memory.DeviceAddress));
            assert!(!abi::Kernel_FreeDma(memory.DeviceAddress));
            kernel.expect(Kind::BadFree);
        }
    });
    outcome.unwrap();
}

#[test]
fn a_device_reaches_only_what_it_was_given() {
    let outcome = run(|kernel, device, id| {
        let memory = dma(id, 64);
        let at = memory.DeviceAddress;
        device.with(|_, bus| assert!(!bus.write(at + 60, &[0; 8])));
        kernel.expect(Kind::ForeignDma);
        device.with(|_, bus| assert!(!bus.write(memory.Memory.addr() as u64, &[0; 8])));
        kernel.expect(Kind::ForeignDma);
        let mut segment = DmaSegment::default();
        let mut word = 0_u64;
        let to: *mut c_void = (&raw mut word).cast();
        // SAFETY: the word is a local variable, which the device may only read.
        unsafe { assert_eq!(abi::Kernel_MapDma(id, to, 8, DMA_TO_DEVICE, &mut segment, 1), 1) };
        device.with(|_, bus| assert!(bus.read(segment.Address, &mut [0; 8])));
        device.with(|_, bus| assert!(!bus.write(segment.Address, &[0; 8])));
        kernel.expect(Kind::ForeignDma);
        // SAFETY: the functions take any addresses.
        unsafe {
            assert!(abi::Kernel_UnmapDma(id, &segment, 1));
            assert!(abi::Kernel_FreeDma(at));
        }
        device.with(|_, bus| assert!(!bus.read(segment.Address, &mut [0; 8])));
        device.with(|_, bus| assert!(!bus.read(at, &mut [0; 8])));
        kernel.expect(Kind::ForeignDma);
        assert_eq!(DMA_FROM_DEVICE, 2);
    });
    outcome.unwrap();
}

#[test]
fn a_device_without_bus_mastering_reaches_nothing() {
    let outcome = run(|kernel, device, id| {
        let memory = dma(id, 64);
        // SAFETY: the function takes any numbers.
        assert!(unsafe { abi::Kernel_EnableDevice(id, abi::DEVICE_MEMORY) });
        device.with(|_, bus| assert!(!bus.write(memory.DeviceAddress, &[0; 8])));
        kernel.expect(Kind::NoBusMaster);
        // SAFETY: the function takes any address.
        assert!(unsafe { abi::Kernel_FreeDma(memory.DeviceAddress) });
    });
    outcome.unwrap();
}

#[test]
fn what_is_left_at_the_end_is_found() {
    let leak = |_: &Kernel, _: &Plugged<Echo>, id: c_int| {
        // SAFETY: the functions take any numbers.
        unsafe { abi::Kernel_AllocateMemory(64, 0) };
        dma(id, 64);
        registers(id);
    };
    fails_with(run(leak), &["a leak", "1 heap blocks, 1 pieces of DMA memory, 1 mappings"]);
    attempt(&Machine::new().allow_left(Left { heap: 1, ..Left::WITH_THE_DEVICE }), leak).unwrap();
    let outcome = run(|_, _, _| {
        unsafe extern "C" fn sleep(_: *mut c_void) -> c_int {
            // SAFETY: the function takes any number.
            unsafe { abi::Kernel_SleepThread(u64::MAX) };
            0
        }
        // SAFETY: the function takes no argument.
        assert!(unsafe { abi::Kernel_CreateThread(c"sleeper".as_ptr(), Some(sleep), null_mut(), -1) } > 0);
    });
    fails_with(outcome, &["a leak", "1 threads"]);
}

fn attach(device: c_int, handler: unsafe extern "C" fn(*mut c_void) -> u32) {
    let setup = InterruptSetup {
        Size: size_of::<InterruptSetup>() as u32,
        Flags: 0,
        Handler: Some(handler),
        Context: null_mut(),
        Cpu: -1,
        Reserved: 0,
    };
    // SAFETY: the setup is a local variable, and the handler takes any argument.
    unsafe {
        assert_eq!(abi::Kernel_AllocateInterrupts(device, 1, 1, abi::INTERRUPT_MSIX), 1);
        assert!(abi::Kernel_AttachInterrupt(device, 0, &setup));
    }
}

#[test]
fn sleeping_in_a_handler_is_found() {
    unsafe extern "C" fn handler(_: *mut c_void) -> u32 {
        static WORD: u32 = 0;
        // SAFETY: the functions take any numbers, and the word is there.
        unsafe {
            assert_eq!(abi::Kernel_WaitAddress(&WORD, 0, u64::MAX), -1);
            assert!(abi::Kernel_AllocateMemory(8, 0).is_null());
            abi::Kernel_SleepThread(1000);
            abi::Kernel_Delay(1_000_000);
        }
        abi::INTERRUPT_HANDLED
    }
    let outcome = run(|kernel, device, id| {
        attach(id, handler);
        device.with(|_, bus| bus.raise(0));
        kernel.advance(1000);
        let kinds: Vec<_> = kernel.take_findings().into_iter().map(|finding| finding.kind).collect();
        let call = Kind::CallInHandler;
        assert_eq!(kinds, [call, call, call, Kind::LongDelay]);
    });
    outcome.unwrap();
}

#[test]
fn ids_of_nothing_and_of_others_are_found() {
    let outcome = run(|kernel, _, id| {
        let other = kernel.plug(pci(), Echo::default());
        // SAFETY: the functions take any numbers.
        unsafe {
            assert!(!abi::Kernel_EnableDevice(other.id(), abi::DEVICE_MEMORY));
            kernel.expect(Kind::ForeignId);
            assert!(!abi::Kernel_EnableDevice(7, abi::DEVICE_MEMORY));
            kernel.expect(Kind::StaleId);
            assert!(!abi::Kernel_SetTimer(id, 1, 0), "the id of a device is none of a timer");
            kernel.expect(Kind::StaleId);
            assert_eq!(abi::Kernel_JoinThread(99, null_mut()), -1);
            kernel.expect(Kind::StaleId);
        }
    });
    outcome.unwrap();
}

#[test]
fn accesses_of_registers_that_are_not_there_are_found() {
    let outcome = run(|kernel, _, id| {
        let registers = registers(id);
        // SAFETY: the pages of the mapping trap, so an access changes nothing of the process.
        unsafe {
            assert_eq!(registers.add(8).read_volatile(), u64::MAX);
            kernel.expect(Kind::WildRegister);
            assert!(abi::Kernel_EnableDevice(id, 0));
            assert_eq!(registers.cast::<u32>().read_volatile(), u32::MAX);
            kernel.expect(Kind::WildRegister);
            assert!(abi::Kernel_UnmapDeviceMemory(registers.cast()));
        }
    });
    outcome.unwrap();
    let outcome = run(|_, _, id| {
        let registers = registers(id);
        // SAFETY: there is none: the mapping is gone, so the process ends.
        unsafe {
            abi::Kernel_UnmapDeviceMemory(registers.cast());
            registers.read_volatile();
        }
    });
    fails_with(outcome, &["of device memory of 64 bytes, which was freed"]);
}

/// A disk in memory that makes mistakes: a request's first block says which.
mod bad_disk {
    use super::{BlockRequest, abi, c_int, c_void};

    pub const TWICE: u64 = 1;
    pub const CHANGES: u64 = 2;
    pub const NOT_ACCEPTED: u64 = 3;
    pub const TOO_MANY: u64 = 4;

    pub unsafe extern "C" fn submit(
        _: *mut c_void,
        _: c_int,
        requests: *const *mut BlockRequest,
        count: c_int,
    ) -> c_int {
        // SAFETY: the kernel passes so many requests.
        unsafe {
            let request = requests.read();
            let block = (*request).Block;
            if block == CHANGES {
                (*request).Count += 1;
            }
            abi::Kernel_CompleteBlock(request, abi::BLOCK_OK);
            if block == TWICE {
                abi::Kernel_CompleteBlock(request, abi::BLOCK_OK);
            }
            match block {
                NOT_ACCEPTED => 0,
                TOO_MANY => count + 1,
                _ => count,
            }
        }
    }

    pub unsafe extern "C" fn poll(_: *mut c_void, _: c_int) -> c_int {
        0
    }
}

#[test]
fn mistakes_with_requests_are_found() {
    let outcome = Machine::new().attempt(NOTHING, |kernel| {
        let device = kernel.plug(pci(), Echo::default());
        let id = kernel.give(&device);
        kernel.as_driver(move || {
            let mut name = [0; 32];
            name[0] = b'd' as i8;
            let driver = BlockDriver {
                Size: size_of::<BlockDriver>() as u32,
                Flags: 0,
                Device: id,
                BlockSize: 512,
                Blocks: 16,
                MaxBytes: 4096,
                MaxSegments: 4,
                Queues: 1,
                Depth: 4,
                Reserved: 0,
                Name: name,
                Context: null_mut(),
                Submit: Some(bad_disk::submit),
                Poll: Some(bad_disk::poll),
            };
            // SAFETY: the structure is a local variable, and its functions take any argument.
            assert!(unsafe { abi::Kernel_RegisterBlock(&driver) } > 0);
        });
        let disk = kernel.disk("d").unwrap();
        let buffer = disk.buffer(512);
        let run = |block| disk.submit(&[Request::read(block, 1, &[buffer.whole()])]);
        assert_eq!(run(0), 1);
        assert!(kernel.take_findings().is_empty());
        for (block, kind) in [
            (bad_disk::TWICE, Kind::BadCompletion),
            (bad_disk::CHANGES, Kind::ChangedRequest),
            (bad_disk::NOT_ACCEPTED, Kind::BadReturn),
            (bad_disk::TOO_MANY, Kind::BadReturn),
        ] {
            run(block);
            kernel.expect(kind);
        }
        assert_eq!(run(16), 0, "there is no such block");
        assert!(kernel.take_findings().is_empty());
    });
    outcome.unwrap();
}

#[test]
fn a_finding_that_the_test_does_not_take_fails_it() {
    let outcome = run(|_, _, _| {
        // SAFETY: the function takes any address.
        unsafe { abi::Kernel_FreeMemory(std::ptr::without_provenance_mut(64)) };
    });
    fails_with(outcome, &["findings are left", "BadFree"]);
}

#[test]
fn threads_that_wait_for_each_other_are_found() {
    let outcome = run(|_, _, _| {
        static WORD: u32 = 0;
        // SAFETY: the word is there.
        unsafe { abi::Kernel_WaitAddress(&WORD, 0, abi::KERNEL_WAIT_FOREVER) };
    });
    fails_with(outcome, &["all threads wait for ever", "waits at"]);
}

#[test]
fn every_second_allocation_fails() {
    let outcome = run(|kernel, _, _| {
        kernel.fail_every(2);
        // SAFETY: the functions take any numbers, and the blocks are not used.
        unsafe {
            let blocks = [0; 6].map(|_| abi::Kernel_AllocateMemory(8, 0));
            assert_eq!(blocks.iter().filter(|block| block.is_null()).count(), 3);
            blocks.into_iter().for_each(|block| abi::Kernel_FreeMemory(block));
        }
        assert_eq!(kernel.allocations().1, 3);
    });
    outcome.unwrap();
}

#[test]
fn a_seed_gives_the_same_order_again() {
    let order = |seed: u64| {
        let mut log = Vec::new();
        let report = Machine::new().cpus(4).seed(seed).attempt(NOTHING, |kernel| {
            for cpu in 0..4 {
                let line = format!("{cpu}");
                kernel.spawn(cpu, move || {
                    for _ in 0..8 {
                        // SAFETY: the text is there.
                        unsafe { abi::Kernel_Log(3, line.as_ptr().cast(), 1) };
                    }
                });
            }
            kernel.advance(1_000_000);
            panic!("{}", kernel.log().concat());
        });
        log.push(report.unwrap_err());
        log
    };
    assert_eq!(order(1), order(1));
    assert_ne!(order(1), order(2));
}
