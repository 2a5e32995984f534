//! virtio_rng: runs the unmodified crate `virtio-drivers` on this kernel. It reads random bytes from each virtio-rng device and logs how
//! many came.
//!
//! The crate asks for two things, and each has a file here: `hal` gives it memory and registers, `config` configuration space.
#![no_std]

mod config;
mod hal;

use config::DeviceConfig;
use driver_kit::device::{Device, DeviceMatch, enable};
use driver_kit::driver::{DeviceDriver, Refusal};
use driver_kit::{info, sync::Mutex, warn};
use hal::KernelHal;
use virtio_drivers::device::rng::VirtIORng;
use virtio_drivers::transport::pci::PciTransport;
use virtio_drivers::transport::pci::bus::{DeviceFunction, PciRoot};

driver_kit::driver! { devices = Driver }

/// The vendor of virtio devices.
const VIRTIO: u16 = 0x1af4;

/// The bytes to read. The buffer is aligned to its size, so it does not cross a page.
#[repr(align(256))]
struct Buffer([u8; 256]);

/// The crate's memory functions have no argument for the device, so one device is served at a time.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

struct Driver;

impl DeviceDriver for Driver {
    /// A virtio-rng, and one that has the old interface, too.
    const DEVICES: &'static [DeviceMatch] =
        &[DeviceMatch::ids(VIRTIO, 0x1044), DeviceMatch::ids(VIRTIO, 0x1005)];
    type State<'d> = ();

    fn add(device: Device<'_>) -> Result<(), Refusal> {
        let _one = ONE_AT_A_TIME.lock();
        match read_random(device) {
            Ok(count) => {
                info!("{count} random bytes");
                Ok(())
            }
            Err(reason) => {
                warn!("device {:#x}: {reason}", device.id());
                Err(Refusal(-1))
            }
        }
    }
}

fn read_random(device: Device<'_>) -> Result<usize, &'static str> {
    if !device.enable(enable::MEMORY | enable::BUS_MASTER) {
        return Err("it cannot be enabled");
    }
    let about = device.info();
    hal::serve(device.id(), &about);
    // The crate names a device by its address on the bus.
    let function = DeviceFunction { bus: about.Bus, device: about.Slot, function: about.Function };
    let mut root = PciRoot::new(DeviceConfig::new(device.id(), about));
    let transport = PciTransport::new::<KernelHal, _>(&mut root, function);
    let transport = transport.map_err(|_| "it has no registers of virtio 1.0")?;
    let mut random = VirtIORng::<KernelHal, _>::new(transport).map_err(|_| "it does not start")?;
    let mut buffer = Buffer([0; 256]);
    let count = random.request_entropy(&mut buffer.0).map_err(|_| "it gives no bytes")?;
    // The device counts them, and is not trusted.
    if count > buffer.0.len() || buffer.0[..count].iter().all(|&byte| byte == 0) {
        return Err("its bytes are not random");
    }
    Ok(count)
}
