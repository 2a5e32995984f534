//! Requests, as far as the submissions of driver_kit use them.
#![allow(non_snake_case)]
use core::marker::PhantomData;
use core::ptr::NonNull;
use loom::cell::UnsafeCell;

/// A request of a model. It lives for good.
pub struct BlockRequest {
    pub ForDriver: [u64; 4],
    /// What its submitter has written.
    number: UnsafeCell<usize>,
}

/// A request that the driver has accepted.
pub struct Request<'r> {
    request: NonNull<BlockRequest>,
    life: PhantomData<&'r BlockRequest>,
}

impl Request<'static> {
    /// Writes a request.
    pub fn new(number: usize) -> Self {
        let request = Box::leak(Box::new(BlockRequest { ForDriver: [0; 4], number: UnsafeCell::new(0) }));
        // SAFETY: nobody else has the request.
        request.number.with_mut(|written| unsafe { *written = number });
        Self { request: NonNull::from(request), life: PhantomData }
    }
}

impl Request<'_> {
    /// Returns what the submitter has written.
    pub fn number(&self) -> usize {
        // SAFETY: the request lives for good, and its submitter writes it no more, which the model checks.
        unsafe { self.request.as_ref() }.number.with(|number| unsafe { *number })
    }

    pub(super) fn into_pointer(self) -> NonNull<BlockRequest> {
        self.request
    }

    /// # Safety
    /// The pointer is that of [`Request::into_pointer`].
    pub(super) const unsafe fn from_pointer(request: NonNull<BlockRequest>) -> Self {
        Self { request, life: PhantomData }
    }
}
