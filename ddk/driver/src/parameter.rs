//! The driver's parameters: words of the form `driver.NAME.KEY=VALUE` of the kernel's command line, where NAME is the driver's name.
//!
//! A value that is not of the type that is asked for is named in a warning, and counts as not given.
use core::ffi::{CStr, c_char};
use core::ops::RangeInclusive;

/// The most bytes of a value that is a number or a switch.
const LONGEST: usize = 64;

/// Returns the value of a parameter as text, in the buffer. Returns `None` if the parameter is not given, if its value is longer than the buffer
/// less 1, with a warning, and in a handler.
pub fn text<'b>(key: &CStr, buffer: &'b mut [u8]) -> Option<&'b str> {
    let size = buffer.len();
    // SAFETY: the key ends with a zero, and the buffer has room for `size` bytes. Nothing else uses either during the call.
    let length =
        unsafe { abi::Kernel_GetParameter(key.as_ptr(), buffer.as_mut_ptr().cast::<c_char>(), size) };
    let length = usize::try_from(length).ok()?;
    if length >= size {
        crate::warn!(
            "the parameter {} is ignored: its value has {length} bytes",
            key.to_str().unwrap_or("?")
        );
        return None;
    }
    core::str::from_utf8(&buffer[..length]).ok()
}

/// Returns the value of a parameter that is a whole number, in decimal, or in hexadecimal digits behind `0x`. Returns `None` if the parameter is
/// not given, if its value is no number in `range`, with a warning, and in a handler.
#[must_use]
pub fn number(key: &CStr, range: RangeInclusive<u64>) -> Option<u64> {
    let mut buffer = [0; LONGEST];
    let value = text(key, &mut buffer)?;
    let (digits, base) = value.strip_prefix("0x").map_or((value, 10), |digits| (digits, 16));
    let is_digits = digits.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let number = u64::from_str_radix(digits, base).ok().filter(|number| is_digits && range.contains(number));
    if number.is_none() {
        let (first, last) = range.into_inner();
        ignore(key, value, format_args!("a number from {first} to {last}"));
    }
    number
}

/// Returns the value of a parameter that is a switch: true for `on`, `yes`, `true`, `1` and no value, false for `off`, `no`, `false` and `0`.
/// Returns `None` if the parameter is not given, if its value is another one, with a warning, and in a handler.
#[must_use]
pub fn switch(key: &CStr) -> Option<bool> {
    let mut buffer = [0; LONGEST];
    match text(key, &mut buffer)? {
        "" | "on" | "yes" | "true" | "1" => Some(true),
        "off" | "no" | "false" | "0" => Some(false),
        other => {
            ignore(key, other, format_args!("on or off"));
            None
        }
    }
}

fn ignore(key: &CStr, value: &str, wanted: core::fmt::Arguments<'_>) {
    let key = key.to_str().unwrap_or("?");
    crate::warn!("the parameter {key}={value} is ignored: its value must be {wanted}");
}
