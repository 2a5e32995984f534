//! Memory for DMA of the worker's device, and mappings of other memory for it.
use crate::addresses::{unmapped, unwritable};
use crate::worker::{Worker, check};
use driver_kit::abi::{self, DMA_NOT_ZEROED, DmaGrant, DmaRequest, DmaSegment};

const LARGEST: u64 = 1 << 18;

pub fn step(worker: &mut Worker) {
    match worker.random.below(4) {
        0 | 1 if worker.devices.id != 0 => allocate(worker),
        2 if worker.devices.id != 0 => map(worker),
        _ => refused(worker),
    }
}

fn empty_grant() -> DmaGrant {
    DmaGrant {
        Size: size_of::<DmaGrant>() as u32,
        Node: 7,
        Memory: core::ptr::null_mut(),
        DeviceAddress: 7,
        Bytes: 7,
        Distance: 7,
        FellBack: 7,
    }
}

fn request(device: i32, bytes: u64) -> DmaRequest {
    DmaRequest {
        Size: size_of::<DmaRequest>() as u32,
        Flags: 0,
        Device: device,
        Reserved: 0,
        Bytes: bytes,
        Alignment: 0,
        Boundary: 0,
        HighestAddress: 0,
        Policy: core::ptr::null(),
    }
}

/// Allocates memory and frees it at once, or leaves it to the release of the device.
fn allocate(worker: &mut Worker) {
    let bytes = worker.random.sized(LARGEST);
    let alignment = worker.random.pick(&[0, 64, 4096, 1 << 16]);
    let boundary = worker.random.pick(&[0, LARGEST, 1 << 20]);
    let highest = worker.random.pick(&[0, u64::from(u32::MAX), (1 << 28) - 1]);
    let flags = worker.random.pick(&[0, DMA_NOT_ZEROED]);
    let request = DmaRequest {
        Flags: flags,
        Alignment: alignment,
        Boundary: boundary,
        HighestAddress: highest,
        ..request(worker.devices.id, bytes)
    };
    let mut grant = empty_grant();
    worker.count(1);
    // SAFETY: both are local variables.
    if !unsafe { abi::Kernel_AllocateDma(&request, &mut grant) } {
        check!(worker, grant == empty_grant());
        return;
    }
    let (address, memory) = (grant.DeviceAddress, grant.Memory.cast::<u8>());
    check!(worker, grant.Bytes >= bytes && address.is_multiple_of(alignment.max(1)));
    check!(worker, boundary == 0 || address / boundary == (address + bytes - 1) / boundary);
    check!(worker, highest == 0 || address + bytes - 1 <= highest);
    let last = bytes as usize - 1;
    // SAFETY: the kernel has granted these bytes.
    unsafe {
        check!(worker, flags == DMA_NOT_ZEROED || memory.read() | memory.add(last).read() == 0);
        memory.write(1);
        memory.add(last).write(2);
    }
    // The hostages' memory is never granted again.
    check!(worker, address != worker.hostages.dma());
    worker.count(4);
    // SAFETY: the functions take any numbers. The device does not access the memory.
    unsafe {
        check!(worker, !abi::Kernel_FreePages(address, grant.Bytes.div_ceil(4096)));
        check!(worker, !abi::Kernel_FreeDma(address + 8));
        if !worker.random.once_in(30) {
            check!(worker, abi::Kernel_FreeDma(address));
            check!(worker, !abi::Kernel_FreeDma(address));
        } else {
            worker.devices.dma_bytes += bytes.next_multiple_of(4096);
        }
    }
}

fn map(worker: &mut Worker) {
    let mut buffer = [0u8; 6000];
    let id = worker.devices.id;
    let size = worker.random.sized(buffer.len() as u64) as usize;
    let mut segments = [DmaSegment { Address: 0, Bytes: 0 }; 4];
    worker.count(6);
    // SAFETY: these are local variables, and the functions follow no pointer that they refuse.
    unsafe {
        let memory = buffer.as_mut_ptr().cast();
        let count = abi::Kernel_MapDma(id, memory, size, abi::DMA_FROM_DEVICE, segments.as_mut_ptr(), 4);
        check!(worker, (1..=4).contains(&count));
        let used = &segments[..count.clamp(0, 4) as usize];
        check!(worker, used.iter().map(|segment| segment.Bytes).sum::<u64>() == size as u64);
        check!(worker, used.first().is_some_and(|first| first.Address == abi::Kernel_VirtToPhys(memory)));
        check!(worker, abi::Kernel_UnmapDma(id, segments.as_ptr(), count));
        check!(worker, abi::Kernel_MapDma(id, memory, 0, 1, segments.as_mut_ptr(), 4) == -1);
        check!(
            worker,
            abi::Kernel_MapDma(id, memory, size, worker.random.pick(&[0, 4]), segments.as_mut_ptr(), 4) == -1
        );
        check!(
            worker,
            abi::Kernel_MapDma(id, unmapped(&mut worker.random), 8, 1, segments.as_mut_ptr(), 4) == -1
        );
        check!(worker, abi::Kernel_MapDma(id, memory, size, 1, segments.as_mut_ptr(), 0) == -1);
    }
}

fn refused(worker: &mut Worker) {
    let own = worker.devices.id;
    let foreign = worker.random.pick(&[0, -1, worker.hostages.device()]);
    let mut grant = empty_grant();
    let bad_requests = [
        DmaRequest { Flags: 2, ..request(own, 1) },
        DmaRequest { Reserved: 1, ..request(own, 1) },
        request(own, 0),
        request(own, u64::MAX),
        DmaRequest { Alignment: 3, ..request(own, 1) },
        DmaRequest { Boundary: 4096, ..request(own, 4097) },
        DmaRequest { HighestAddress: 1, ..request(own, 4096) },
        request(foreign, 4096),
    ];
    let bad = worker.random.pick(&bad_requests);
    let nowhere = worker.random.pick(&[0, 1, u64::MAX, worker.hostages.dma()]);
    let mut segment = DmaSegment { Address: 0, Bytes: 0 };
    let memory = (&raw mut segment).cast();
    worker.count(7);
    // SAFETY: these are local variables, and the functions follow no pointer that they refuse.
    unsafe {
        check!(worker, !abi::Kernel_AllocateDma(&bad, &mut grant));
        check!(worker, !abi::Kernel_AllocateDma(unmapped(&mut worker.random), &mut grant));
        let bad_grant = unwritable(&mut worker.random, &mut grant);
        check!(worker, !abi::Kernel_AllocateDma(&request(own, 4096), bad_grant));
        check!(worker, grant == empty_grant());
        check!(worker, !abi::Kernel_FreeDma(nowhere));
        check!(worker, abi::Kernel_MapDma(foreign, memory, 8, 1, &mut segment, 1) == -1);
        check!(worker, !abi::Kernel_UnmapDma(foreign, &segment, 1));
        check!(worker, !abi::Kernel_UnmapDma(own, &segment, -1));
    }
}
