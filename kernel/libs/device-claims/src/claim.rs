//! The claim on a device: nobody's, one driver's, being released, or the kernel's.
use core::num::NonZeroU64;
use core::sync::atomic::{AtomicU64, Ordering};

/// A driver, as claims know it: an even number that is not 0 and that no two drivers share.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OwnerKey(NonZeroU64);

impl OwnerKey {
    /// Returns the key with this number, or `None` if the number is 0 or odd.
    #[must_use]
    pub const fn new(number: u64) -> Option<Self> {
        match NonZeroU64::new(number) {
            Some(key) if number.is_multiple_of(2) => Some(Self(key)),
            _ => None,
        }
    }

    /// Returns the number.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0.get()
    }
}

/// Why a device cannot be claimed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ClaimError {
    /// It belongs to the kernel.
    KernelOwned,
    /// It belongs to this driver, which may be another one or be giving it back.
    Owned(OwnerKey),
}

/// Nobody owns the device.
const FREE: u64 = 0;
/// The kernel owns the device for good. It is no driver's key with [`RELEASING`]: no key is 0.
const KERNEL: u64 = 1;
/// Added to the key of the owner while it gives the device back.
const RELEASING: u64 = 1;

/// Who owns a device. One word, so that any code can look at it without a lock.
#[derive(Debug)]
pub struct Claim(AtomicU64);

impl Claim {
    /// Returns the claim on a device that nobody owns.
    #[must_use]
    pub const fn free() -> Self {
        Self(AtomicU64::new(FREE))
    }

    /// Returns the claim on a device that the kernel owns for good.
    #[must_use]
    pub const fn kernel() -> Self {
        Self(AtomicU64::new(KERNEL))
    }

    /// Makes `owner` the owner of a device that nobody owns, or that it owns already. What the last owner's release did to the device is
    /// done before.
    ///
    /// # Errors
    /// [`ClaimError`]; nothing is changed.
    pub fn claim(&self, owner: OwnerKey) -> Result<(), ClaimError> {
        match self.0.compare_exchange(FREE, owner.get(), Ordering::Acquire, Ordering::Relaxed) {
            Ok(_) => Ok(()),
            Err(found) if found == owner.get() => Ok(()),
            Err(KERNEL) => Err(ClaimError::KernelOwned),
            Err(found) => {
                // The word is neither free nor the kernel's, so it contains a key.
                Err(OwnerKey::new(found & !RELEASING).map_or(ClaimError::KernelOwned, ClaimError::Owned))
            }
        }
    }

    /// Returns true if `owner` owns the device and is not giving it back.
    #[inline]
    #[must_use]
    pub fn is_of(&self, owner: OwnerKey) -> bool {
        self.0.load(Ordering::Acquire) == owner.get()
    }

    /// Returns the driver that owns the device, also while it gives the device back.
    #[must_use]
    pub fn owner(&self) -> Option<OwnerKey> {
        match self.0.load(Ordering::Acquire) {
            KERNEL => None,
            word => OwnerKey::new(word & !RELEASING),
        }
    }

    /// Returns true if nobody owns the device.
    #[must_use]
    pub fn is_free(&self) -> bool {
        self.0.load(Ordering::Acquire) == FREE
    }

    /// Returns true if the kernel owns the device.
    #[must_use]
    pub fn is_kernels(&self) -> bool {
        self.0.load(Ordering::Relaxed) == KERNEL
    }

    /// Begins to give the device back. From here on, `owner` may not use it, and nobody can claim it. Returns false, and changes nothing,
    /// if `owner` does not own it.
    #[must_use]
    pub fn begin_release(&self, owner: OwnerKey) -> bool {
        let (from, to) = (owner.get(), owner.get() | RELEASING);
        self.0.compare_exchange(from, to, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }

    /// Ends what [`Claim::begin_release`] began: anyone can claim the device.
    pub fn finish_release(&self) {
        self.0.store(FREE, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;

    fn key(number: u64) -> OwnerKey {
        OwnerKey::new(number).unwrap()
    }

    #[test]
    fn no_key_is_mistaken_for_a_state() {
        assert_eq!(OwnerKey::new(0), None);
        assert_eq!(OwnerKey::new(1), None);
        assert_eq!(OwnerKey::new(7), None);
        assert_eq!(OwnerKey::new(u64::MAX - 1).map(OwnerKey::get), Some(u64::MAX - 1));
    }

    #[test]
    fn a_device_has_one_owner_until_that_has_given_it_back() {
        let (one, other, claim) = (key(2), key(4), Claim::free());
        assert_eq!((claim.owner(), claim.is_of(one)), (None, false));
        assert_eq!(claim.claim(one), Ok(()));
        assert_eq!(claim.claim(one), Ok(()), "the owner may claim it again");
        assert_eq!(claim.claim(other), Err(ClaimError::Owned(one)));
        assert!(claim.is_of(one) && !claim.is_of(other));
        assert!(!claim.begin_release(other));
        assert!(claim.begin_release(one));
        assert!(!claim.begin_release(one), "a release begins once");
        assert!(!claim.is_of(one));
        assert!(!claim.is_free(), "the owner is still giving it back");
        assert_eq!(claim.owner(), Some(one));
        assert_eq!(claim.claim(one), Err(ClaimError::Owned(one)));
        assert_eq!(claim.claim(other), Err(ClaimError::Owned(one)));
        claim.finish_release();
        assert_eq!((claim.owner(), claim.is_free()), (None, true));
        assert_eq!(claim.claim(other), Ok(()));
        assert!(!claim.is_free());
    }

    #[test]
    fn the_kernels_device_is_nobody_elses() {
        let claim = Claim::kernel();
        assert_eq!(claim.claim(key(2)), Err(ClaimError::KernelOwned));
        assert!(!claim.begin_release(key(2)));
        assert_eq!(claim.owner(), None);
        assert!(claim.is_kernels() && !Claim::free().is_kernels());
        assert!(!claim.is_free());
    }

    #[test]
    fn of_threads_that_claim_at_once_one_succeeds_at_a_time() {
        let (claim, inside) = (Claim::free(), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for number in 1..=4 {
                let (claim, inside) = (&claim, &inside);
                scope.spawn(move || {
                    for _ in 0..2000 {
                        if claim.claim(key(2 * number)).is_ok() {
                            assert_eq!(inside.fetch_add(1, Ordering::Relaxed), 0);
                            inside.fetch_sub(1, Ordering::Relaxed);
                            assert!(claim.begin_release(key(2 * number)));
                            claim.finish_release();
                        }
                    }
                });
            }
        });
        assert_eq!(claim.owner(), None);
    }
}
