//! Loads an image into memory as the kernel's loader does, and checks every promise of `Image`.
use std::collections::BTreeMap;

use elf_image::{Image, ImageError, MAX_IMAGE_BYTES, PAGE_SIZE, Permissions};

/// The base address of every image.
pub const BASE: u64 = 0xffff_9000_0000_0000;

/// Returns the address of a kernel function: a number computed from its name.
pub fn kernel_address(name: &str) -> u64 {
    name.bytes().fold(0xffff_ffff_8000_0000, |sum, byte| sum.rotate_left(5) ^ u64::from(byte))
}

/// A loaded image: its first pages, and the pages that a relocation changes.
pub struct Memory {
    pages: BTreeMap<usize, [u8; PAGE_SIZE]>,
    /// The addresses that relocations have changed.
    pub written: Vec<u64>,
}

/// How many pages are always filled. An image of zeros may have thousands.
const FIRST_PAGES: usize = 32;

impl Memory {
    pub fn word(&self, address: u64) -> u64 {
        let (page, at) = split(address);
        u64::from_le_bytes(self.pages[&page][at..at + 8].try_into().expect("eight bytes"))
    }

    fn write(&mut self, image: &Image<'_>, address: u64, value: u64) {
        let (index, at) = split(address);
        let permissions = image.page(index).expect("a mapped page").permissions;
        assert_ne!(permissions, Permissions::ReadExecute, "code is not written to");
        let page = self.pages.entry(index).or_insert_with(|| filled(image, index));
        let bytes = page.get_mut(at..at + 8).expect("eight bytes in one page");
        bytes.copy_from_slice(&value.to_le_bytes());
        self.written.push(address);
    }
}

/// Loads an image. The kernel exports exactly the names for which `known` returns true.
pub fn load<'a>(image: &Image<'a>, known: impl Fn(&str) -> bool) -> Result<Memory, ImageError<'a>> {
    let count = image.page_count();
    assert!(count as u64 * PAGE_SIZE as u64 <= MAX_IMAGE_BYTES);
    assert!(image.page(count).is_none(), "no page lies past the end");
    let pages = (0..count.min(FIRST_PAGES)).map(|index| (index, filled(image, index))).collect();
    let mut memory = Memory { pages, written: Vec::new() };
    image.relocate(BASE, &mut |name| known(name).then(|| kernel_address(name)), &mut |address, value| {
        memory.write(image, address, value);
    })?;
    Ok(memory)
}

fn filled(image: &Image<'_>, index: usize) -> [u8; PAGE_SIZE] {
    let mut page = [0xee; PAGE_SIZE];
    image.fill_page(index, &mut page);
    assert!(image.page(index).is_some() || page == [0; PAGE_SIZE], "a gap holds nothing");
    page
}

fn split(address: u64) -> (usize, usize) {
    let address = usize::try_from(address).expect("within the image");
    (address / PAGE_SIZE, address % PAGE_SIZE)
}
