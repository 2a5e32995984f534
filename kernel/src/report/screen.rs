//! The log on the screen: writers append lines to a text, and whoever has time draws what has changed.
//!
//! To draw a line costs many times what it costs to write it. So lines are drawn while the boot waits for hardware, by the screen's
//! thread, and by a writer only if nothing was drawn for a while. A machine that goes down draws each line at once.
use super::output;
use super::pixel_memory::PixelMemory;
use crate::arch;
use crate::sync::{Rank, SpinLock};
use core::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use spin::Once;
use text_screen::{
    BACKGROUND, Font, Mode, NextRow, Painter, PixelArea, RowToDraw, ScreenLine, TextBuffer, Tone,
};
use units::VirtAddr;

/// How often a CPU tries the text's lock before it leaves its line out of the screen. Others hold the lock for some thousand instructions.
const PATIENCE: u32 = 100_000;
/// The rows that a CPU looks at while it holds the text's lock.
const ROWS_AT_ONCE: usize = 8;
/// The ticks of the time stamp counter after which a writer draws, if nobody else has: some 10 ms.
const LONG_UNDRAWN: u64 = 1 << 25;

/// The size of the smallest screen that is used.
const FEWEST_COLUMNS: usize = 40;
const FEWEST_ROWS: usize = 10;

/// The form of the screen, once it is known.
static FORM: Once<Form> = Once::new();
/// The address of the memory, or 0 if there is none.
static START: AtomicU64 = AtomicU64::new(0);
static TEXT: SpinLock<TextBuffer> = SpinLock::new(Rank::Screen, TextBuffer::new());
/// The first row of the text that the next call of [`draw_a_row`] looks at.
static NEXT_ROW: AtomicUsize = AtomicUsize::new(0);
/// Set while a CPU draws, so that no other one draws the same.
static IS_DRAWING: AtomicBool = AtomicBool::new(false);
/// The time stamp counter when something was drawn.
static DRAWN_AT: AtomicU64 = AtomicU64::new(0);
/// Set when a thread draws regularly, so that no writer needs to.
static HAS_THREAD: AtomicBool = AtomicBool::new(false);
/// Set when the machine goes down. Lines are then drawn at once, even if the text's lock stays held.
static LAST_WORDS: AtomicBool = AtomicBool::new(false);
/// The lines above the text, which a picture takes.
static LINES_ABOVE: AtomicUsize = AtomicUsize::new(0);
/// The row for the next line that is drawn without the text.
static RAW_ROW: AtomicUsize = AtomicUsize::new(0);

/// What does not change of the screen.
struct Form {
    mode: Mode,
    font: Font,
    length: usize,
    columns: usize,
    rows: usize,
}

impl Form {
    /// Calls `paint` with a painter, unless the screen has no memory.
    fn paint(&self, paint: impl FnOnce(&mut Painter<'_>)) {
        let start = VirtAddr(START.load(Ordering::Relaxed));
        if start.0 != 0 {
            // SAFETY: `init` and `move_to` set the start only to that of a memory of this length which stays mapped until they change it;
            // they run before the other CPUs start, and `leave_boot_loader` after them.
            let mut memory = unsafe { PixelMemory::new(start, self.length) };
            paint(&mut Painter::new(&mut memory, self.mode));
        }
    }

    /// Draws a row of the text. What is below the last row is cleared with it.
    fn draw(&self, row: &RowToDraw) {
        let above = LINES_ABOVE.load(Ordering::Relaxed);
        let y = (above + row.row) * self.font.height();
        self.paint(|painter| {
            painter.row(self.font, (0, y), row.tone.colour(), row.text(), row.cleared);
            if row.cleared == usize::MAX && above + row.row + 1 == self.rows {
                let below = y + self.font.height();
                let area = PixelArea { x: 0, y: below, width: usize::MAX, height: usize::MAX };
                painter.fill(area, BACKGROUND);
            }
        });
    }
}

/// Begins to show the log, if there is a screen.
pub fn init(screen: Option<(PixelMemory, Mode)>) {
    let Some((memory, mode)) = screen else { return };
    let font = Font::for_mode(&mode);
    let (columns, rows) = (mode.width() / font.width(), mode.height() / font.height());
    // Without a video mode, the boot loader passes a small memory that nobody sees.
    if columns < FEWEST_COLUMNS || rows < FEWEST_ROWS {
        return;
    }
    let Some(mut text) = TEXT.try_lock() else { return };
    text.set_window(columns, rows);
    let rows = rows.min(text_screen::MOST_ROWS);
    FORM.call_once(|| Form { mode, font, length: memory.length(), columns, rows });
    START.store(memory.start().0, Ordering::Relaxed);
    DRAWN_AT.store(arch::ticks(), Ordering::Relaxed);
}

/// Moves the screen to the address where `map` maps its memory, before the boot loader's mapping goes. If it cannot be mapped, there
/// is no screen from here on.
pub fn move_to(map: impl FnOnce(VirtAddr, u64) -> Option<VirtAddr>) {
    let Some(form) = FORM.get() else { return };
    let start = map(VirtAddr(START.load(Ordering::Relaxed)), form.length as u64);
    START.store(start.map_or(0, |start| start.0), Ordering::Relaxed);
    if start.is_none() {
        log::warn!(target: "screen", "the screen's memory cannot be mapped; the log ends there");
    }
}

/// Returns true if there is a screen.
#[inline]
pub fn is_on() -> bool {
    START.load(Ordering::Relaxed) != 0
}

/// Returns the form of the screen's memory and its lines of text, if there is a screen.
pub fn form() -> Option<(Mode, usize)> {
    FORM.get().filter(|_| is_on()).map(|form| (form.mode, form.rows))
}

/// Returns the columns and rows of the text, if there is a screen.
pub fn text_size() -> Option<(usize, usize)> {
    let above = LINES_ABOVE.load(Ordering::Relaxed);
    FORM.get().filter(|_| is_on()).map(|form| (form.columns, form.rows.saturating_sub(above)))
}

/// Leaves the upper `lines` lines of the screen to the calling thread, which is the one that draws. The text moves below them.
pub fn leave_lines_above(lines: usize) {
    let (Some(form), Some(mut text)) = (FORM.get(), TEXT.lock_within(PATIENCE)) else { return };
    LINES_ABOVE.store(lines, Ordering::Relaxed);
    text.set_window(form.columns, form.rows.saturating_sub(lines));
}

/// Calls `paint` to paint in the upper lines, unless there is no screen or the machine goes down.
pub fn paint_above(paint: impl FnOnce(&mut Painter<'_>)) {
    if let Some(form) = FORM.get().filter(|_| !LAST_WORDS.load(Ordering::Relaxed)) {
        form.paint(paint);
    }
}

/// Says that a thread calls [`draw`] from here on.
pub fn leave_drawing_to_thread() {
    HAS_THREAD.store(true, Ordering::Relaxed);
}

/// Appends lines to the text. Any CPU may call this, in any context. A line is left out if the text's lock stays held, as by code that
/// this CPU has interrupted.
pub fn write(lines: &[u8], tone: Tone) {
    if !is_on() {
        return;
    }
    let columns = FORM.get().map_or(1, |form| form.columns);
    let mut is_written = true;
    // The lock is held for the copy of a line at a time, so that interrupts are not off for long.
    ScreenLine::each_of(lines, columns, tone, |line| match TEXT.lock_within(PATIENCE) {
        Some(mut text) => text.push(line),
        None => is_written = false,
    });
    if LAST_WORDS.load(Ordering::SeqCst) {
        if is_written {
            draw_all();
        } else {
            lines.split(|&letter| letter == b'\n').for_each(|line| draw_raw(&[line.trim_ascii_end()]));
        }
        return;
    }
    let undrawn = arch::ticks().wrapping_sub(DRAWN_AT.load(Ordering::Relaxed));
    if undrawn > LONG_UNDRAWN && !HAS_THREAD.load(Ordering::Relaxed) && output::may_wait() {
        draw();
    }
}

/// Draws what has changed, unless another CPU does. Returns true if something was drawn. Interrupts are on between two rows, if they
/// are on for the caller.
pub fn draw() -> bool {
    let mut is_drawn = false;
    while draw_a_row() {
        is_drawn = true;
    }
    is_drawn
}

/// Draws a row that has changed, unless another CPU draws. Returns false if there was none.
pub fn draw_a_row() -> bool {
    if !is_on() || IS_DRAWING.swap(true, Ordering::Acquire) {
        return false;
    }
    let row = next_row();
    if let (Some(row), Some(form)) = (&row, FORM.get()) {
        form.draw(row);
        DRAWN_AT.store(arch::ticks(), Ordering::Relaxed);
    }
    IS_DRAWING.store(false, Ordering::Release);
    row.is_some()
}

/// Returns the next row that has changed, from the one after the last on, and then from the first row on.
fn next_row() -> Option<RowToDraw> {
    let mut first = NEXT_ROW.load(Ordering::Relaxed);
    loop {
        // The lock is held for a few rows at a time, so that interrupts are not off for long.
        let mut text = TEXT.lock_within(PATIENCE)?;
        if first == 0 && !text.is_changed() {
            NEXT_ROW.store(0, Ordering::Relaxed);
            return None;
        }
        match text.next_among(first, ROWS_AT_ONCE) {
            NextRow::Draw(row) => {
                NEXT_ROW.store(row.row + 1, Ordering::Relaxed);
                return Some(row);
            }
            NextRow::GoOn(next) => first = next,
            NextRow::Nothing => first = 0,
        }
    }
}

/// Makes each later line appear at once. The other CPUs have been told to stop; one of them may have been drawing.
pub fn begin_last_words() {
    LAST_WORDS.store(true, Ordering::SeqCst);
}

/// Draws all rows that have changed. The other CPUs have stopped. One of them, or this one, may have been in the middle of a row.
pub fn draw_all() {
    let Some(form) = FORM.get() else { return };
    if IS_DRAWING.load(Ordering::Relaxed)
        && let Some(row) = NEXT_ROW.load(Ordering::Relaxed).checked_sub(1)
        && let Some(mut text) = TEXT.lock_within(PATIENCE)
    {
        text.forget(row);
    }
    let mut first = 0;
    while let Some(row) = TEXT.lock_within(PATIENCE).and_then(|mut text| text.next_to_draw(first)) {
        form.draw(&row);
        first = row.row + 1;
    }
}

/// Draws a line in the next row from the top, over the text: without a lock, and without the CPU's own data.
pub fn draw_raw(parts: &[&[u8]]) {
    let Some(form) = FORM.get().filter(|_| parts.iter().any(|part| !part.is_empty())) else { return };
    let y = RAW_ROW.fetch_add(1, Ordering::Relaxed) % form.rows.max(1) * form.font.height();
    form.paint(|painter| {
        let width = form.columns * form.font.width();
        painter.fill(PixelArea { x: 0, y, width, height: form.font.height() }, BACKGROUND);
        let mut x = 0;
        for part in parts {
            painter.text(form.font, (x, y), Tone::Error.colour(), part);
            x += part.len() * form.font.width();
        }
    });
}
