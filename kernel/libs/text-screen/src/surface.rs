//! The memory of a screen, which is only written.

/// A memory of pixels.
pub trait Surface {
    /// Writes these bytes at an offset. What lies outside of the memory is left out.
    fn write(&mut self, offset: usize, bytes: &[u8]);
}

impl Surface for [u8] {
    fn write(&mut self, offset: usize, bytes: &[u8]) {
        if let Some(part) = offset.checked_add(bytes.len()).and_then(|end| self.get_mut(offset..end)) {
            part.copy_from_slice(bytes);
        }
    }
}
