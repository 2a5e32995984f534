//! Memory and registers for the crate, through the kernel.
use core::ffi::c_int;
use core::ptr::{NonNull, null, null_mut};
use core::sync::atomic::{AtomicI32, AtomicPtr, AtomicU64, Ordering::Relaxed};
use driver_kit::abi::{
    DEVICE_BAR_IO, DEVICE_BAR_PRESENT, DEVICE_UNCACHED, DMA_FROM_DEVICE, DMA_TO_DEVICE, DeviceInfo, DmaGrant,
    DmaRequest, DmaSegment, Kernel_AllocateDma, Kernel_FreeDma, Kernel_MapDeviceMemory, Kernel_MapDma,
    Kernel_UnmapDma,
};
use virtio_drivers::{BufferDirection, Hal, PAGE_SIZE, PhysAddr};

/// A BAR of the device: where it lies, and where it is mapped.
struct Bar {
    address: AtomicU64,
    size: AtomicU64,
    memory: AtomicPtr<u8>,
}

/// The device that is served.
static DEVICE: AtomicI32 = AtomicI32::new(0);
static BARS: [Bar; 6] = [const {
    Bar { address: AtomicU64::new(0), size: AtomicU64::new(0), memory: AtomicPtr::new(null_mut()) }
}; 6];

/// Makes this the device that the crate's calls are about, and maps its registers.
pub fn serve(device: c_int, info: &DeviceInfo) {
    DEVICE.store(device, Relaxed);
    for (number, (bar, to)) in info.Bars.iter().zip(&BARS).enumerate() {
        let is_memory = bar.Flags & (DEVICE_BAR_PRESENT | DEVICE_BAR_IO) == DEVICE_BAR_PRESENT;
        let mut memory = null_mut();
        if is_memory {
            // SAFETY: the kernel checks all arguments, and returns null if it refuses.
            memory = unsafe { Kernel_MapDeviceMemory(device, number as c_int, 0, bar.Size, DEVICE_UNCACHED) };
        }
        to.address.store(bar.Address, Relaxed);
        to.size.store(if memory.is_null() { 0 } else { bar.Size }, Relaxed);
        to.memory.store(memory.cast(), Relaxed);
    }
}

/// The kernel, as the crate sees it.
pub struct KernelHal;

fn direction_bits(direction: BufferDirection) -> u32 {
    match direction {
        BufferDirection::DriverToDevice => DMA_TO_DEVICE,
        BufferDirection::DeviceToDriver => DMA_FROM_DEVICE,
        BufferDirection::Both => DMA_TO_DEVICE | DMA_FROM_DEVICE,
    }
}

// SAFETY: `dma_alloc` returns memory that the kernel has granted to this driver alone, zeroed and aligned to a page, and
// `mmio_phys_to_virt` an address in a mapping of the device's registers, which stays until the device is given back.
unsafe impl Hal for KernelHal {
    fn dma_alloc(pages: usize, _: BufferDirection) -> (PhysAddr, NonNull<u8>) {
        let request = DmaRequest {
            Size: size_of::<DmaRequest>() as u32,
            Flags: 0,
            Device: DEVICE.load(Relaxed),
            Reserved: 0,
            Bytes: (pages * PAGE_SIZE) as u64,
            Alignment: PAGE_SIZE as u64,
            Boundary: 0,
            HighestAddress: 0,
            Policy: null(),
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
        // SAFETY: both structures are as the kernel wants them; it reads one and writes the other.
        let is_granted = unsafe { Kernel_AllocateDma(&raw const request, &raw mut grant) };
        match NonNull::new(grant.Memory.cast()).filter(|_| is_granted) {
            Some(memory) => (grant.DeviceAddress, memory),
            // The crate takes address 0 for a failure.
            None => (0, NonNull::dangling()),
        }
    }

    unsafe fn dma_dealloc(address: PhysAddr, _: NonNull<u8>, _: usize) -> i32 {
        // SAFETY: by this function's condition the memory is of `dma_alloc`, and nothing uses it any more.
        let is_freed = unsafe { Kernel_FreeDma(address) };
        if is_freed { 0 } else { -1 }
    }

    unsafe fn mmio_phys_to_virt(address: PhysAddr, size: usize) -> NonNull<u8> {
        for bar in &BARS {
            let offset = address.wrapping_sub(bar.address.load(Relaxed));
            let room = bar.size.load(Relaxed);
            if offset < room && size as u64 <= room - offset {
                let memory = bar.memory.load(Relaxed).wrapping_add(offset as usize);
                return NonNull::new(memory).expect("a mapping is not at address 0");
            }
        }
        // The crate has checked that a BAR has these bytes. It has no way to hear that they are not mapped.
        panic!("the kernel does not map the registers at {address:#x}");
    }

    unsafe fn share(buffer: NonNull<[u8]>, direction: BufferDirection) -> PhysAddr {
        let mut segment = DmaSegment::default();
        let (device, bits) = (DEVICE.load(Relaxed), direction_bits(direction));
        // SAFETY: the kernel checks that the memory is the driver's, and writes at most one segment.
        let count =
            unsafe { Kernel_MapDma(device, buffer.as_ptr().cast(), buffer.len(), bits, &raw mut segment, 1) };
        // This driver's buffer lies in one page. The crate has no way to hear of a refusal.
        assert!(count == 1, "the kernel does not map the buffer at {buffer:?}");
        segment.Address
    }

    unsafe fn unshare(address: PhysAddr, buffer: NonNull<[u8]>, _: BufferDirection) {
        let segment = DmaSegment { Address: address, Bytes: buffer.len() as u64 };
        // SAFETY: the kernel reads one segment.
        unsafe { Kernel_UnmapDma(DEVICE.load(Relaxed), &raw const segment, 1) };
    }
}
