//! Interfaces: tables that a driver publishes under a name for other drivers. While another driver uses one, its publisher stays.
use crate::memory::protection;
use crate::threads::Mutex;
use crate::threads::owner::Owner;
use abi::KERNEL_INTERFACE_NAME_SIZE;
use alloc::vec::Vec;
use arrayvec::ArrayString;

/// The name of an interface.
pub type InterfaceName = ArrayString<KERNEL_INTERFACE_NAME_SIZE>;

/// The address of a driver's table, which the kernel does not read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PublishedTable(pub u64);

struct Interface {
    publisher: &'static Owner,
    name: InterfaceName,
    version: u32,
    table: PublishedTable,
    size: usize,
    /// Each driver that uses it, as often as it does.
    users: Vec<&'static Owner>,
}

static INTERFACES: Mutex<Vec<Interface>> = Mutex::new(Vec::new());

/// The driver that uses an interface of another.
#[derive(Clone, Copy, Debug)]
pub struct InUse(pub &'static Owner);

fn is(one: &'static Owner, other: &'static Owner) -> bool {
    core::ptr::eq(one, other)
}

/// Publishes a driver's table of `size` bytes. Returns false, and changes nothing, if there is an interface of this name and version, or if
/// the driver is being stopped, or if there is no memory.
pub fn publish(
    publisher: &'static Owner,
    name: InterfaceName,
    version: u32,
    table: PublishedTable,
    size: usize,
) -> bool {
    let mut interfaces = INTERFACES.lock();
    let exists = interfaces.iter().any(|other| other.name == name && other.version == version);
    // Under the lock: whoever stops the driver withdraws its interfaces afterwards.
    if exists || publisher.is_stopping() || interfaces.try_reserve(1).is_err() {
        return false;
    }
    interfaces.push(Interface { publisher, name, version, table, size, users: Vec::new() });
    true
}

/// Returns the table of the interface of this name and version, of at least `size` bytes, which `user` uses from then on. Returns `None` if
/// there is none, if one of both drivers is being stopped, or if there is no memory.
pub fn begin_use(user: &'static Owner, name: &str, version: u32, size: usize) -> Option<PublishedTable> {
    let mut interfaces = INTERFACES.lock();
    let wanted = |other: &&mut Interface| {
        other.name.as_str() == name && other.version == version && other.size >= size
    };
    let interface = interfaces.iter_mut().find(wanted)?;
    if user.is_stopping() || interface.publisher.is_stopping() {
        return None;
    }
    interface.users.try_reserve(1).ok()?;
    interface.users.push(user);
    protection::note_user(interface.publisher.protection_key(), user.protection_key());
    Some(interface.table)
}

/// Ends one use of an interface by `user`. Returns false if it uses no interface with this table.
pub fn end_use(user: &'static Owner, table: PublishedTable) -> bool {
    let mut interfaces = INTERFACES.lock();
    for interface in interfaces.iter_mut().filter(|interface| interface.table == table) {
        if let Some(index) = interface.users.iter().position(|other| is(other, user)) {
            interface.users.swap_remove(index);
            return true;
        }
    }
    false
}

/// Begins the stop of a driver, as [`Owner::begin_stop`] does, unless another driver uses an interface of it. From then on none does.
///
/// # Errors
/// [`InUse`]; nothing is changed.
pub fn begin_stop(publisher: &'static Owner) -> Result<bool, InUse> {
    let interfaces = INTERFACES.lock();
    match other_user(&interfaces, publisher) {
        Some(user) => Err(user),
        None => Ok(publisher.begin_stop()),
    }
}

/// Withdraws all interfaces of a driver that is being stopped.
///
/// # Errors
/// [`InUse`]; nothing is changed: another driver uses one.
pub fn withdraw_all(publisher: &'static Owner) -> Result<(), InUse> {
    let mut interfaces = INTERFACES.lock();
    match other_user(&interfaces, publisher) {
        Some(user) => Err(user),
        None => {
            interfaces.retain(|interface| !is(interface.publisher, publisher));
            Ok(())
        }
    }
}

/// Returns another driver that uses an interface of this one.
fn other_user(interfaces: &[Interface], publisher: &'static Owner) -> Option<InUse> {
    let own = interfaces.iter().filter(|interface| is(interface.publisher, publisher));
    let mut users = own.flat_map(|interface| &interface.users);
    users.find(|user| !is(user, publisher)).map(|user| InUse(user))
}

/// Ends all uses of interfaces by a driver of which nothing runs any more.
pub fn end_all_uses(user: &'static Owner) {
    for interface in INTERFACES.lock().iter_mut() {
        interface.users.retain(|other| !is(other, user));
    }
}
