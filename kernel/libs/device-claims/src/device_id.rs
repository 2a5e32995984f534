//! Ids of devices.

/// Bits of an id that hold the slot.
const SLOT_BITS: u32 = 13;

/// A device's id: a slot of the kernel's list and a generation, so that the id of a device that is gone finds nothing. It is above 0 and
/// below 2³¹, so that it fits the ABI's `int`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct DeviceId(i32);

impl DeviceId {
    /// The most slots.
    pub const SLOTS: usize = 1 << SLOT_BITS;
    /// The number of generations.
    pub const GENERATIONS: u32 = 1 << (31 - SLOT_BITS);

    /// Returns the id of a slot in a generation, or `None` if there is no such slot or generation. Generation 0 does not exist, so small
    /// numbers are no ids.
    #[must_use]
    pub const fn new(slot: usize, generation: u32) -> Option<Self> {
        if slot >= Self::SLOTS || generation == 0 || generation >= Self::GENERATIONS {
            return None;
        }
        Some(Self((generation << SLOT_BITS) as i32 | slot as i32))
    }

    /// Returns the id that a driver passed, or `None` if the number is no id of any device.
    #[must_use]
    pub const fn from_int(id: i32) -> Option<Self> {
        if id >= 1 << SLOT_BITS { Some(Self(id)) } else { None }
    }

    /// Returns the number that drivers know the device by.
    #[must_use]
    pub const fn to_int(self) -> i32 {
        self.0
    }

    /// Returns the slot.
    #[must_use]
    pub const fn slot(self) -> usize {
        self.0 as usize % Self::SLOTS
    }

    /// Returns the generation.
    #[must_use]
    pub const fn generation(self) -> u32 {
        self.0 as u32 >> SLOT_BITS
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn there_are_no_ids_beyond_the_slots_and_generations() {
        assert_eq!(DeviceId::new(DeviceId::SLOTS, 1), None);
        assert_eq!(DeviceId::new(0, 0), None);
        assert_eq!(DeviceId::new(0, DeviceId::GENERATIONS), None);
        let last = DeviceId::new(DeviceId::SLOTS - 1, DeviceId::GENERATIONS - 1);
        assert_eq!(last.map(DeviceId::to_int), Some(i32::MAX));
    }

    proptest! {
        #[test]
        fn an_id_gives_its_slot_and_generation_back(
            slot in 0..DeviceId::SLOTS,
            generation in 1..DeviceId::GENERATIONS,
        ) {
            let id = DeviceId::new(slot, generation).unwrap();
            prop_assert!(id.to_int() > 0);
            prop_assert_eq!((id.slot(), id.generation()), (slot, generation));
            prop_assert_eq!(DeviceId::from_int(id.to_int()), Some(id));
        }

        #[test]
        fn a_number_is_an_id_if_a_slot_and_a_generation_give_it(number: i32) {
            let id = DeviceId::from_int(number);
            prop_assert_eq!(id.is_some(), number > 0 && number as usize >= DeviceId::SLOTS);
            if let Some(id) = id {
                prop_assert_eq!(DeviceId::new(id.slot(), id.generation()), Some(id));
            }
        }
    }
}
