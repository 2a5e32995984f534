//! Tests of PCI routing tables.
use alloc::string::ToString;
use alloc::vec::Vec;

use super::{at, dsdt, with_devices};
use crate::builder::{device, integer, name, package, path, string};
use crate::{Answer, RouteSource, Routes};

fn entry(address: u64, pin: u64, source: Vec<u8>, index: u64) -> Vec<u8> {
    package(&[integer(address), integer(pin), source, integer(index)])
}

#[test]
fn a_pin_leads_to_an_interrupt_or_to_a_link() {
    let entries = [entry(0x2_ffff, 1, integer(0), 17), entry(0x1f_ffff, 3, path("^LNKA"), 0)];
    with_devices(&[dsdt(&[device("PC00", &[name("_PRT", &package(&entries))])])], |devices, _| {
        let Answer::Constant(table) = at(devices, "\\PC00").routing() else { panic!("it is a constant") };
        let routes: Vec<_> = Routes::new(&table).flatten().collect();
        let [first, second] = routes[..] else { panic!("{routes:?}") };
        assert_eq!((first.device, first.pin, first.source), (2, 1, RouteSource::GlobalInterrupt(17)));
        let RouteSource::Link { device, index: 0 } = second.source else { panic!("{second:?}") };
        assert_eq!((second.device, second.pin, device.to_string()), (31, 3, "^LNKA".to_string()));
    });
}

#[test]
fn an_entry_that_cannot_be_read_does_not_hide_the_others() {
    let wrong = [
        entry(0x2_0000, 0, integer(0), 16),
        entry(0x20_ffff, 0, integer(0), 16),
        entry(0x2_ffff, 4, integer(0), 16),
        entry(0x2_ffff, 0, string("LNKA"), 16),
        entry(0x2_ffff, 0, integer(1), 16),
        entry(0x2_ffff, 0, integer(0), 1 << 32),
        package(&[integer(0x2_ffff), integer(0)]),
        integer(1),
        path("LNKA"),
    ];
    let good = entry(0xffff, 0, integer(0), 16);
    let count = wrong.len();
    let entries: Vec<_> = wrong.into_iter().chain([good]).collect();
    with_devices(&[dsdt(&[device("PC00", &[name("_PRT", &package(&entries))])])], |devices, _| {
        let Answer::Constant(table) = at(devices, "\\PC00").routing() else { panic!("it is a constant") };
        let routes: Vec<_> = Routes::new(&table).collect();
        assert_eq!(routes.len(), count + 1);
        assert!(routes[..count].iter().all(Option::is_none), "{routes:?}");
        assert_eq!(routes[count].map(|route| (route.device, route.pin)), Some((0, 0)));
    });
}
