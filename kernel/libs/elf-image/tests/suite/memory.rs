//! An image in memory, put there as the kernel's loader does it, with every promise of `Image` checked on the way.
use elf_image::{Image, ImageError, MAX_IMAGE_BYTES, PAGE_SIZE, Permissions};

/// Where images are loaded to.
pub const BASE: u64 = 0xffff_9000_0000_0000;

/// The address of every function of the kernel: a number that its name gives.
pub fn kernel_address(name: &str) -> u64 {
    name.bytes().fold(0xffff_ffff_8000_0000, |sum, byte| sum.rotate_left(5) ^ u64::from(byte))
}

/// A loaded image.
pub struct Memory {
    pub bytes: Vec<u8>,
    /// Where relocations were written.
    pub written: Vec<u64>,
}

impl Memory {
    pub fn word(&self, address: u64) -> u64 {
        let at = address as usize;
        u64::from_le_bytes(self.bytes[at..at + 8].try_into().expect("eight bytes"))
    }
}

/// Loads an image; only the names for which `known` holds are exported.
pub fn load<'a>(image: &Image<'a>, known: impl Fn(&str) -> bool) -> Result<Memory, ImageError<'a>> {
    let mut bytes = Vec::new();
    assert!(image.page_count() as u64 * PAGE_SIZE as u64 <= MAX_IMAGE_BYTES);
    for index in 0..image.page_count() {
        let mut page = [0xee; PAGE_SIZE];
        image.fill_page(index, &mut page);
        assert!(image.page(index).is_some() || page == [0; PAGE_SIZE], "a gap holds nothing");
        bytes.extend(page);
    }
    assert!(image.page(image.page_count()).is_none(), "nothing lies behind the end");
    let mut memory = Memory { bytes, written: Vec::new() };
    image.relocate(BASE, &mut |name| known(name).then(|| kernel_address(name)), &mut |address, value| {
        let at = usize::try_from(address).expect("within the image");
        assert_eq!(at / PAGE_SIZE, (at + 7) / PAGE_SIZE, "eight bytes in one page");
        let permissions = image.page(at / PAGE_SIZE).expect("a mapped page").permissions;
        assert_ne!(permissions, Permissions::ReadExecute, "code is not written to");
        memory.bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
        memory.written.push(address);
    })?;
    Ok(memory)
}
