//! Taking back what belongs to a device: interrupts, mappings and DMA memory.
use crate::contexts::Owner;
use crate::finding::Kind;
use crate::model::Bus;
use crate::regions::Use;
use crate::schedule::{Pace, point};
use crate::world::{World, with};

/// Unmaps a mapping of registers.
pub fn unmap(world: &mut World, index: usize) {
    let registers = world.devices.registers.swap_remove(index);
    world.regions.free(registers.pages.0, Use::Registers);
}

/// Frees a piece of DMA memory, by its device address. Returns false if there is none in use.
pub fn free_dma(world: &mut World, address: u64) -> bool {
    let Some(window) = world.iommu.close(address, true) else { return false };
    let (node, pages) = window.taken;
    world.memory.give_back(node, pages);
    if world.regions.free(window.memory, Use::Dma) == Some(false) {
        world.found(Kind::Overrun, format!("bytes around the DMA memory at {address:#x} were overwritten"));
    }
    true
}

/// How many mappings, and pieces of memory, a device had.
#[derive(Clone, Copy, Default, Debug)]
pub struct Taken {
    /// Mappings of its registers.
    pub mappings: usize,
    /// DMA memory, and mappings of memory.
    pub dma: usize,
}

/// Takes the interrupts of a device back. On return no handler of them runs.
pub fn take_interrupts(index: usize) {
    with(|world| {
        for interrupt in &mut world.devices.all[index].interrupts {
            interrupt.handler = None;
        }
    });
    while with(|world| world.devices.all[index].interrupts.iter().any(|interrupt| interrupt.is_running)) {
        point(Pace::Yields);
    }
    with(|world| {
        let device = &mut world.devices.all[index];
        device.interrupts.clear();
        device.kind = 0;
    });
}

/// Takes a device from its owner: its bus mastering, interrupts, mappings and DMA memory.
pub fn release(index: usize) -> Taken {
    with(|world| world.devices.all[index].enabled &= !abi::DEVICE_BUS_MASTER);
    take_interrupts(index);
    with(|world| {
        let mut taken = Taken::default();
        while let Some(mapping) = world.devices.registers.iter().position(|mapping| mapping.device == index) {
            unmap(world, mapping);
            taken.mappings += 1;
        }
        let windows = world.iommu.open_windows().filter(|(_, window)| window.device == index);
        let windows: Vec<_> =
            windows.map(|(address, window)| (address, window.is_grant, window.is_tests)).collect();
        for (address, is_grant, is_tests) in windows {
            taken.dma += usize::from(!is_tests);
            if is_grant {
                free_dma(world, address);
            } else {
                world.iommu.close(address, false);
            }
        }
        world.devices.all[index].owner = None;
        taken
    })
}

/// Resets a device, if it can be.
pub fn reset(index: usize) -> bool {
    let model = with(|world| {
        let device = &mut world.devices.all[index];
        if !device.pci.has_reset || device.is_gone {
            return None;
        }
        device.enabled = 0;
        device.line = false;
        device.work_at = None;
        Some(device.model.clone())
    });
    let Some(model) = model else { return false };
    model.borrow_mut().reset(&Bus { device: index });
    true
}

/// Returns true if the driver owns a device.
pub fn is_drivers(world: &World, index: usize) -> bool {
    world.devices.all[index].owner == Some(Owner::Driver)
}
