//! Numbers of bytes as text.

/// Returns a number of bytes in the largest unit that loses nothing.
pub fn size(bytes: u64) -> String {
    let units = ["bytes", "KiB", "MiB", "GiB"];
    let unit = (bytes.trailing_zeros() / 10).min(units.len() as u32 - 1);
    format!("{} {}", bytes >> (10 * unit), units[unit as usize])
}
