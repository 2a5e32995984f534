//! Files of drivers that were pushed to the running kernel. A file takes the place of an earlier one of its name, and of the ramdisk's.
//!
//! Whoever uses files holds a [`FilesInUse`], or has preemption or interrupts off: reports of faults. The memory of a file that was
//! replaced is freed when nobody does who may have seen it.
use super::handover;
use crate::cpu::{self, MayWait};
use crate::threads::{Mutex, scheduler};
use alloc::vec::Vec;
use arrayvec::{ArrayString, ArrayVec};
use core::ptr;
use core::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

/// The most names.
const MOST: usize = 64;
/// The most bytes of all files, with those that are not freed yet.
const MOST_BYTES: usize = 32 << 20;
/// The most files that wait to be freed.
const MOST_REPLACED: usize = 64;

/// A file. It does not change.
struct PushedFile {
    name: ArrayString<96>,
    bytes: Vec<u8>,
}

/// The files, in the order in which their names came first; null behind the last one.
static FILES: [AtomicPtr<PushedFile>; MOST] = [const { AtomicPtr::new(ptr::null_mut()) }; MOST];

/// How many users there are.
static USERS: AtomicUsize = AtomicUsize::new(0);

/// Files that were replaced.
struct Replaced(ArrayVec<*mut PushedFile, MOST_REPLACED>);

// SAFETY: the pointers are those of files, which any thread may free.
unsafe impl Send for Replaced {}

/// Held by whoever changes the files.
static CHANGES: Mutex<Replaced> = Mutex::new(Replaced(ArrayVec::new_const()));

/// Keeps all files in memory that its holder finds.
pub struct FilesInUse(());

impl FilesInUse {
    /// Begins to use files.
    pub fn begin() -> Self {
        USERS.fetch_add(1, Ordering::SeqCst);
        Self(())
    }
}

impl Drop for FilesInUse {
    fn drop(&mut self) {
        USERS.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Why a file is not kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum KeepError {
    /// There are too many names.
    TooManyNames,
    /// There is no room: files that were replaced are in use.
    NoRoom,
    /// There is no memory.
    NoMemory,
}

fn all() -> impl Iterator<Item = &'static PushedFile> {
    // SAFETY: a file in the list is in memory. One that is replaced afterwards stays while its user holds a `FilesInUse`, or has
    // preemption or interrupts off: `free_replaced` waits for both.
    FILES.iter().map_while(|file| unsafe { file.load(Ordering::SeqCst).as_ref() })
}

/// Returns the bytes of the file of this name. The caller holds a [`FilesInUse`], or has preemption or interrupts off.
pub fn find(name: &str) -> Option<&'static [u8]> {
    all().find(|file| file.name.as_str() == name).map(|file| &file.bytes[..])
}

/// Calls `work` with each name.
pub fn each_name(mut work: impl FnMut(&str)) {
    let _in_use = FilesInUse::begin();
    all().for_each(|file| work(&file.name));
}

/// Keeps a file, in place of the one of its name. No driver of that name is loaded, and the caller, who alone pushes, loads none meanwhile.
///
/// # Errors
/// [`KeepError`]; nothing has changed.
pub fn keep(name: ArrayString<96>, bytes: Vec<u8>) -> Result<(), KeepError> {
    let mut changes = CHANGES.lock();
    free_replaced(&mut changes.0);
    // SAFETY: files that were replaced are freed under `CHANGES` alone.
    let replaced = changes.0.iter().map(|file| unsafe { (**file).bytes.len() });
    let size = replaced.chain(all().map(|file| file.bytes.len())).sum::<usize>() + bytes.len();
    if size > MOST_BYTES || changes.0.is_full() {
        return Err(KeepError::NoRoom);
    }
    let is_its = |at: &&AtomicPtr<PushedFile>| {
        // SAFETY: files are replaced under `CHANGES` alone.
        unsafe { at.load(Ordering::SeqCst).as_ref() }.is_none_or(|file| file.name == name)
    };
    let place = FILES.iter().find(is_its).ok_or(KeepError::TooManyNames)?;
    let file = handover::hand_over(PushedFile { name, bytes }).ok_or(KeepError::NoMemory)?;
    let old = place.swap(file, Ordering::SeqCst);
    if !old.is_null() {
        changes.0.push(old);
    }
    free_replaced(&mut changes.0);
    Ok(())
}

/// Frees the files that were replaced, unless somebody uses files.
fn free_replaced(replaced: &mut ArrayVec<*mut PushedFile, MOST_REPLACED>) {
    let Some(may_wait) = MayWait::now().filter(|_| !replaced.is_empty()) else { return };
    // Whoever begins from here on does not find them.
    if USERS.load(Ordering::SeqCst) > 0 {
        return;
    }
    cpu::wait_for_grace_period(scheduler::yield_now, &may_wait);
    for file in replaced.drain(..) {
        // SAFETY: `keep` has got the pointer from `hand_over`. The file is in no list, and nobody uses it: users that could have found
        // it have ended, and code with preemption or interrupts off has passed.
        drop(unsafe { handover::take(file) });
    }
}
