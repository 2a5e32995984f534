//! Answers a kernel's questions about host bridges: where they are, and which proximity domain a device has.
use units::ProximityDomain;

use crate::device::{Device, PciAddress};
use crate::devices::Devices;
use crate::object::Answer;

impl<'s, 'a> Devices<'s, 'a> {
    /// Returns the PCI and PCI Express host bridges.
    pub fn host_bridges(&self) -> impl Iterator<Item = &'s Device<'a>> + use<'s, 'a> {
        self.iter().filter(|device| device.is_host_bridge())
    }

    /// Returns the devices below a host bridge that have a `_PXM` of their own.
    pub fn devices_with_domain(&self, bridge: &Device<'a>) -> impl Iterator<Item = &'s Device<'a>> {
        let path = bridge.path;
        self.iter().filter(move |device| device.path.is_below(&path) && device.domain() != Answer::Absent)
    }

    /// Returns the devices below a host bridge that have a routing table of their own: bridges, for the bus behind them.
    pub fn devices_with_routing(&self, bridge: &Device<'a>) -> impl Iterator<Item = &'s Device<'a>> {
        let path = bridge.path;
        self.iter().filter(move |device| device.path.is_below(&path) && device.routing() != Answer::Absent)
    }

    /// Returns the proximity domain from the device's `_PXM`, or else from that of the nearest device above it that has one
    /// (ACPI 6.5 §6.2.14).
    #[must_use]
    pub fn domain(&self, device: &Device<'a>) -> Answer<ProximityDomain> {
        let mut path = Some(device.path);
        while let Some(here) = path {
            match self.find(&here).map_or(Answer::Absent, Device::domain) {
                Answer::Absent => path = here.parent(),
                answer => return answer,
            }
        }
        Answer::Absent
    }

    /// Returns the addresses on the way from the host bridge to a device below it, that of the device last. An address is `None`
    /// if it is not certain.
    pub fn route(
        &self,
        bridge: &Device<'a>,
        device: &Device<'a>,
    ) -> impl Iterator<Item = Option<PciAddress>> {
        let (device, top) = (device.path, bridge.path.segments().len());
        (top..device.segments().len()).map(move |depth| {
            let mut path = device;
            while path.segments().len() > depth + 1 {
                path = path.parent()?;
            }
            self.find(&path)?.pci_address().constant()
        })
    }

    /// Returns the proximity domain of a function of PCI.
    ///
    /// `route` are the device and function numbers from the host bridge's bus on: those of the bridges on the way, then that of
    /// the function itself. The answer comes from the nearest device on that way with a `_PXM`, or else from the host bridge.
    #[must_use]
    pub fn domain_of(&self, bridge: &Device<'a>, route: &[(u8, u8)]) -> Answer<ProximityDomain> {
        let on_the_way = self.devices_with_domain(bridge).filter(|device| self.is_on(bridge, device, route));
        let nearest = on_the_way.max_by_key(|device| device.path.segments().len());
        self.domain(nearest.unwrap_or(bridge))
    }

    /// Returns true if a device below the bridge lies on this route.
    fn is_on(&self, bridge: &Device<'a>, device: &Device<'a>, route: &[(u8, u8)]) -> bool {
        let mut rest = route.iter();
        self.route(bridge, device).all(|address| match (address, rest.next()) {
            (Some(address), Some(&(device, function))) => address.includes(device, function),
            _ => false,
        })
    }
}
