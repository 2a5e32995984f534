//! A slot of the ring: up to 120 bytes of a line, and the position that they belong to.
use crate::atomic::AtomicU64;
use core::sync::atomic::Ordering::{Acquire, Relaxed, Release};

const WORD: usize = size_of::<u64>();
/// Words of text in a slot. With its state, a slot fills two cache lines.
const WORDS: usize = 15;
/// Bytes of text in a slot.
pub const SLOT_TEXT: usize = WORDS * WORD;
/// More than the bytes of a slot's text: a position and a number of bytes fit in one word.
pub const SLOT_SIZE: u64 = 128;
/// Words of a piece.
const PIECE_WORDS: usize = 2;

/// Text at one position of the ring.
#[repr(align(128))]
pub struct Slot {
    /// The position whose text the slot holds, plus one, times [`SLOT_SIZE`], plus the bytes of text. 0 before the first.
    state: AtomicU64,
    /// The text. A writer stores it before `state`, and no one reads it before `state` says that it is there.
    words: [AtomicU64; WORDS],
}

impl Slot {
    #[cfg(not(loom))]
    pub const fn empty() -> Self {
        Self { state: AtomicU64::new(0), words: [const { AtomicU64::new(0) }; WORDS] }
    }

    #[cfg(loom)]
    pub fn empty() -> Self {
        Self { state: AtomicU64::new(0), words: core::array::from_fn(|_| AtomicU64::new(0)) }
    }

    /// Stores text of up to [`SLOT_TEXT`] bytes, and says that it is there.
    pub fn publish(&self, position: u64, text: &[u8]) {
        let (whole, rest) = text.as_chunks::<WORD>();
        for (word, bytes) in self.words.iter().zip(whole) {
            word.store(u64::from_le_bytes(*bytes), Relaxed);
        }
        if let Some(word) = self.words.get(whole.len()) {
            let bytes = rest.iter().rev().fold(0, |word, &byte| word << 8 | u64::from(byte));
            word.store(bytes, Relaxed);
        }
        // Release: whoever reads this state reads the text, too.
        self.state.store((position + 1) * SLOT_SIZE + text.len() as u64, Release);
    }

    /// Returns how many bytes of text `position` has here, or `None` if they are not there yet.
    pub fn length_at(&self, position: u64) -> Option<usize> {
        let length = self.state.load(Acquire).checked_sub((position + 1) * SLOT_SIZE)?;
        (length < SLOT_SIZE).then_some(length as usize)
    }

    /// Returns the text from byte `from` up to byte `length`, or the beginning of it.
    #[inline]
    pub fn piece(&self, from: usize, length: usize) -> Piece {
        let mut piece = Piece { bytes: [0; PIECE_WORDS * WORD], from: from % WORD, to: 0 };
        let words = self.words.iter().skip(from / WORD);
        for (bytes, word) in piece.bytes.as_chunks_mut::<WORD>().0.iter_mut().zip(words) {
            *bytes = word.load(Relaxed).to_le_bytes();
        }
        piece.to = (length - (from - piece.from)).min(piece.bytes.len());
        piece
    }
}

/// A few bytes of a line, as many as a UART's FIFO takes at once.
pub struct Piece {
    bytes: [u8; PIECE_WORDS * WORD],
    from: usize,
    to: usize,
}

impl Piece {
    /// The bytes: at least one, at most 16.
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[self.from..self.to]
    }
}
