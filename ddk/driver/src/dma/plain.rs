//! Types that a device may fill with any bytes.

/// Types of which any bytes are a value: integers, arrays of them, and structures of [`crate::plain_struct!`]. So a device that writes wrong
/// bytes cannot make an invalid value.
///
/// # Safety
/// Any bytes are a valid value, and the type has no destructor, no pointer and no cell.
pub unsafe trait Plain: Copy + Send + Sync + 'static {}

macro_rules! integers {
    ($($integer:ty)+) => {
        $(
            // SAFETY: any bytes are an integer.
            unsafe impl Plain for $integer {}
        )+
    };
}
integers! { u8 u16 u32 u64 u128 usize i8 i16 i32 i64 i128 isize }

// SAFETY: the elements are plain.
unsafe impl<T: Plain, const N: usize> Plain for [T; N] {}

/// Defines a structure that a device may fill with any bytes, for [`crate::dma::Dma`]. Its fields have the layout of C.
///
/// ```
/// driver_kit::plain_struct! {
///     /// A line of the device's table.
///     pub struct Line { pub key: u32, pub values: [u16; 2] }
/// }
/// let line = Line { key: 1, values: [2, 3] };
/// assert_eq!(size_of_val(&line), 8);
/// ```
#[macro_export]
macro_rules! plain_struct {
    ($(#[$attribute:meta])* $visibility:vis struct $name:ident {
        $($(#[$field_attribute:meta])* $field_visibility:vis $field:ident: $type:ty),+ $(,)?
    }) => {
        $(#[$attribute])*
        #[repr(C)]
        #[derive(Clone, Copy)]
        $visibility struct $name {
            $($(#[$field_attribute])* $field_visibility $field: $type),+
        }

        const _: () = {
            const fn is_plain<T: $crate::dma::Plain>() {}
            $(is_plain::<$type>();)+
        };

        // SAFETY: all fields are plain, as is checked above.
        unsafe impl $crate::dma::Plain for $name {}
    };
}
