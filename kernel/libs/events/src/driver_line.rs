//! The event of a driver as a line. It is the line that [`write_line`](crate::write_line) writes, which takes ten times as many
//! instructions: loading and unloading a driver is to be cheap.
use core::fmt::Write;

use arrayvec::ArrayString;

use crate::{DriverStatus, Left};

/// The most bytes of a name. A longer one is cut.
pub const NAME: usize = 96;
/// The most bytes of a reason: enough for the longest name of a symbol. A longer reason is cut.
pub const REASON: usize = 320;
/// The most bytes of a line: of a name and a reason all of whose letters are escaped, and of everything else.
const LINE: usize = 2 * (NAME + REASON) + FIXED;
/// More bytes than the line has beside the two texts.
const FIXED: usize = 256;

/// A line with the event of a driver.
pub type DriverLine = ArrayString<LINE>;

/// Writes the line, with its newline. The texts have no control characters.
pub fn write(line: &mut DriverLine, name: &str, status: DriverStatus, reason: &str, left: &Left) {
    line.push_str(r#"{"event":"driver","name":"#);
    push_text(line, name);
    line.push_str(r#","status":""#);
    line.push_str(word(status));
    line.push_str(r#"","reason":"#);
    push_text(line, reason);
    let kinds = [
        (r#","left":{"pages":"#, left.pages),
        (r#","heap":"#, left.heap),
        (r#","dma":"#, left.dma),
        (r#","threads":"#, left.threads),
        (r#","interrupts":"#, left.interrupts),
        (r#","timers":"#, left.timers),
        (r#","mappings":"#, left.mappings),
    ];
    for (kind, count) in kinds {
        line.push_str(kind);
        push_number(line, count);
    }
    line.push_str("}}\n");
}

const fn word(status: DriverStatus) -> &'static str {
    match status {
        DriverStatus::Loaded => "loaded",
        DriverStatus::Refused => "refused",
        DriverStatus::Starting => "starting",
        DriverStatus::Unloaded => "unloaded",
        DriverStatus::Failed => "failed",
    }
}

/// Appends a text in quotes. Of the characters that it may have, JSON escapes two.
fn push_text(line: &mut DriverLine, text: &str) {
    line.push('"');
    if text.bytes().any(|byte| matches!(byte, b'"' | b'\\')) {
        for letter in text.chars() {
            if matches!(letter, '"' | '\\') {
                line.push('\\');
            }
            line.push(letter);
        }
    } else {
        line.push_str(text);
    }
    line.push('"');
}

fn push_number(line: &mut DriverLine, number: u32) {
    if number == 0 {
        line.push('0');
    } else {
        write!(line, "{number}").expect("the line has room for all numbers");
    }
}

#[cfg(test)]
mod tests {
    use crate::{DriverText, Left, write_line};

    #[test]
    fn the_line_is_the_one_that_is_written_for_every_event() {
        let most =
            Left { pages: u32::MAX, heap: u32::MAX, dma: u32::MAX, threads: u32::MAX, ..Left::default() };
        let most = Left { interrupts: u32::MAX, timers: u32::MAX, mappings: u32::MAX, ..most };
        let some = Left { pages: 2, heap: 10, timers: 987, ..Left::default() };
        for letter in
            ["", "a", "\"", "\\", "\n", "\t", "\u{1}", "\u{7f}", "\u{9f}", "ö", "🦀", "/", "a\"b\\c\n"]
        {
            for times in [1, 3, 5000] {
                let text = letter.repeat(times);
                for left in [Left::default(), some, most] {
                    for driver in [
                        DriverText::loaded(&text),
                        DriverText::starting("disk", &text),
                        DriverText::refused(&text, &text, left),
                        DriverText::failed(&text, &"", left),
                        DriverText::unloaded(&text, left),
                    ] {
                        let mut buffer = [0; 2048];
                        let expected =
                            write_line(&driver.event(), &mut buffer).expect("2 KiB is room enough");
                        assert_eq!(driver.line().as_bytes(), expected);
                    }
                }
            }
        }
    }
}
