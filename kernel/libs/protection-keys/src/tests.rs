use crate::key_table::GivenBack;
use crate::{Key, KeyTable, Rights};

fn all() -> impl Iterator<Item = Key> {
    (0..16).map(Key::from_number)
}

#[test]
fn the_kernel_writes_all_keys() {
    assert!(all().all(|key| Rights::KERNEL.allow(key)));
    assert_eq!(Rights::of(Key::KERNEL), Rights::KERNEL);
}

#[test]
fn a_driver_writes_its_own_key_and_the_call_stacks_and_reads_everything() {
    for own in all().skip(1) {
        let rights = Rights::of(own);
        for key in all() {
            assert_eq!(rights.allow(key), key == own || key == Key::CALL_STACKS, "{own:?} {key:?}");
        }
        assert_eq!(rights.bits() & 0x5555_5555, 0, "no key forbids reading");
    }
}

#[test]
fn two_drivers_rights_together_allow_what_each_of_them_allows() {
    let (one, other) = (Rights::of(Key::from_number(3)), Rights::of(Key::from_number(9)));
    assert!(all().all(|key| one.and(other).allow(key) == (one.allow(key) || other.allow(key))));
}

#[test]
fn drivers_have_keys_of_their_own_as_long_as_there_are_some() {
    let mut table = KeyTable::new();
    let own: [Key; Key::OWN as usize] = core::array::from_fn(|_| table.take());
    for (index, key) in own.iter().enumerate() {
        assert!(!own[..index].contains(key), "{key:?} twice");
        assert!(![Key::KERNEL, Key::SHARED, Key::CALL_STACKS].contains(key));
    }
    assert_eq!([table.take(), table.take()], [Key::SHARED; 2]);
    assert_eq!(table.give_back(own[4]), GivenBack::Unused);
    assert_eq!(table.take(), own[4]);
    assert_eq!(table.give_back(Key::SHARED), GivenBack::Shared);
    assert_eq!(table.give_back(Key::SHARED), GivenBack::Unused);
}
