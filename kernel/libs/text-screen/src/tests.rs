//! Tests of the text on a screen: it is drawn in any pixel format, and read back.
use std::string::String;
use std::vec;
use std::vec::Vec;

use crate::reader::{Picture, letter};
use crate::{
    BACKGROUND, Font, MOST_ROWS, MachinePicture, Mode, NodeLook, Painter, PixelArea, PixelFormat, Surface,
    TextBuffer, Tone,
};

/// A screen in memory.
struct Screen {
    bytes: Vec<u8>,
    mode: Mode,
    stride: usize,
    size: usize,
    format: PixelFormat,
}

impl Screen {
    fn new((width, height): (usize, usize), stride: usize, size: usize, format: PixelFormat) -> Self {
        let length = height * stride * size;
        let mode = Mode::new((width, height), stride, size, format, length).expect("a mode");
        Self { bytes: vec![0xee; length], mode, stride, size, format }
    }

    /// Draws the rows of a text that differ. Returns how many there were.
    fn draw(&mut self, text: &mut TextBuffer) -> usize {
        let font = Font::for_mode(&self.mode);
        let (mut row, mut count) = (0, 0);
        while let Some(it) = text.next_to_draw(row) {
            let mut memory = Memory(&mut self.bytes);
            let mut painter = Painter::new(&mut memory, self.mode);
            painter.row(font, (0, it.row * font.height()), it.tone.colour(), it.text(), it.cleared);
            (row, count) = (it.row + 1, count + 1);
        }
        count
    }

    fn window(&self) -> (usize, usize) {
        let font = Font::for_mode(&self.mode);
        (self.mode.width() / font.width(), self.mode.height() / font.height())
    }

    fn row(&self, row: usize) -> String {
        let font = Font::for_mode(&self.mode);
        let pixels = self.pixels();
        let picture = Picture { width: self.mode.width(), pixels: &pixels };
        let letter = |column| letter(picture, font, (column * font.width(), row * font.height()));
        let text: String = (0..self.window().0).map(|it| letter(it).map_or('\u{fffd}', char::from)).collect();
        text.trim_end().into()
    }

    fn pixels(&self) -> Vec<[u8; 3]> {
        let (width, height) = (self.mode.width(), self.mode.height());
        (0..height).flat_map(|y| (0..width).map(move |x| self.pixel(x, y))).collect()
    }

    fn pixel(&self, x: usize, y: usize) -> [u8; 3] {
        let bytes = &self.bytes[(y * self.stride + x) * self.size..][..self.size];
        let number = bytes.iter().rev().fold(0_u32, |number, byte| number << 8 | u32::from(*byte));
        let part = |shift: u8, bits: u32| ((number >> shift & ((1 << bits) - 1)) << (8 - bits)) as u8;
        match self.format {
            PixelFormat::Rgb => [bytes[0], bytes[1], bytes[2]],
            PixelFormat::Bgr => [bytes[2], bytes[1], bytes[0]],
            PixelFormat::Gray => [bytes[0]; 3],
            PixelFormat::Channels { red: 11, green: 5, blue: 0 } => [part(11, 5), part(5, 6), part(0, 5)],
            PixelFormat::Channels { red, green, blue } => [red, green, blue].map(|shift| part(shift, 8)),
        }
    }
}

/// The memory of a screen as a trait object.
struct Memory<'m>(&'m mut [u8]);

impl Surface for Memory<'_> {
    fn write(&mut self, offset: usize, bytes: &[u8]) {
        self.0.write(offset, bytes);
    }
}

const ALL: &[u8] =
    b" !\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmnopqrstuvwxyz{|}~";

#[test]
fn every_letter_is_read_back_in_every_format_and_tone() {
    let formats = [
        (PixelFormat::Rgb, 3),
        (PixelFormat::Rgb, 4),
        (PixelFormat::Bgr, 3),
        (PixelFormat::Bgr, 4),
        (PixelFormat::Gray, 1),
        (PixelFormat::Channels { red: 11, green: 5, blue: 0 }, 2),
        (PixelFormat::Channels { red: 8, green: 24, blue: 16 }, 4),
    ];
    for (format, size) in formats {
        for (width, height, stride) in [(720, 100, 720), (1024, 125, 1111), (2560, 250, 2560)] {
            if width > 2000 && format != PixelFormat::Gray {
                continue;
            }
            let mut screen = Screen::new((width, height), stride, size, format);
            let mut text = TextBuffer::new();
            let (columns, rows) = screen.window();
            text.set_window(columns, rows);
            for (index, tone) in [Tone::Normal, Tone::Warning, Tone::Error].into_iter().enumerate() {
                for part in ALL.chunks(80) {
                    text.append(part, tone);
                    text.append(b"\r\n", tone);
                }
                assert!(screen.draw(&mut text) > 0);
                for (number, part) in ALL.chunks(80).enumerate() {
                    let shown = screen.row(2 * index + number);
                    assert_eq!(
                        shown.as_bytes(),
                        part.trim_ascii_end(),
                        "{format:?}, {size}, {width}, {tone:?}"
                    );
                }
            }
            let outside = (0..height).flat_map(|y| (width..stride).map(move |x| (y * stride + x) * size));
            assert!(
                outside.into_iter().all(|at| screen.bytes[at] == 0xee),
                "nothing is drawn right of the screen"
            );
        }
    }
}

#[test]
fn the_last_lines_are_shown_and_the_rest_of_a_row_is_cleared() {
    let mut screen = Screen::new((640, 100), 640, 4, PixelFormat::Bgr);
    let (columns, rows) = screen.window();
    let mut text = TextBuffer::new();
    text.set_window(columns, rows);
    for number in 0..1000 {
        text.append(
            std::format!("line {number}{}\r\n", "-".repeat(number * 7 % 60)).as_bytes(),
            Tone::Normal,
        );
        if number % 3 == 0 {
            screen.draw(&mut text);
        }
    }
    screen.draw(&mut text);
    for row in 0..rows {
        let number = 1000 - rows + row;
        assert_eq!(screen.row(row), std::format!("line {number}{}", "-".repeat(number * 7 % 60)));
    }
    assert!(!text.is_changed());
    assert_eq!(screen.draw(&mut text), 0, "nothing is drawn twice");
}

#[test]
fn a_long_line_goes_on_in_the_next_row() {
    let mut screen = Screen::new((640, 100), 640, 4, PixelFormat::Bgr);
    let (columns, rows) = screen.window();
    let mut text = TextBuffer::new();
    text.set_window(columns, rows);
    let line: Vec<u8> = (0..columns * 2 + 5).map(|index| b'a' + (index % 26) as u8).collect();
    text.append(&line, Tone::Normal);
    text.append("\na\tb\x1b[1mü\n".as_bytes(), Tone::Error);
    screen.draw(&mut text);
    let parts: Vec<&[u8]> = line.chunks(columns).collect();
    assert_eq!([0, 1, 2].map(|row| screen.row(row).into_bytes()).to_vec(), parts);
    assert_eq!(screen.row(3), "a       b?[1m?");
}

#[test]
fn a_changed_window_is_drawn_as_a_whole() {
    let mut screen = Screen::new((640, 400), 640, 4, PixelFormat::Bgr);
    let (columns, rows) = screen.window();
    let mut text = TextBuffer::new();
    text.set_window(columns, rows);
    (0..100).for_each(|number| text.append(std::format!("{number}\n").as_bytes(), Tone::Normal));
    assert_eq!(screen.draw(&mut text), rows);
    text.set_window(columns, 3);
    assert_eq!(screen.draw(&mut text), 3);
    assert_eq!([0, 1, 2].map(|row| screen.row(row)), ["97", "98", "99"]);
    text.set_window(columns, MOST_ROWS + 1);
    assert_eq!(screen.draw(&mut text), MOST_ROWS, "more rows than lines are stored");
}

#[test]
fn a_row_that_was_drawn_in_part_is_drawn_anew() {
    let mut screen = Screen::new((640, 400), 640, 4, PixelFormat::Bgr);
    let (columns, rows) = screen.window();
    let mut text = TextBuffer::new();
    text.set_window(columns, rows);
    (0..rows).for_each(|number| text.append(std::format!("line {number}\n").as_bytes(), Tone::Normal));
    screen.draw(&mut text);
    // As another CPU leaves a row that has stopped in the middle of it.
    let length = screen.bytes.len();
    screen.bytes[..length / rows].fill(0x55);
    assert_eq!(screen.draw(&mut text), 0);
    text.forget(0);
    assert_eq!((screen.draw(&mut text), screen.row(0).as_str()), (1, "line 0"));
    text.forget(MOST_ROWS);
    assert_eq!(screen.draw(&mut text), 0, "there is no such row");
}

#[test]
fn a_memory_without_room_for_the_pixels_is_refused() {
    let mode = |size, stride, bytes, format, length| Mode::new(size, stride, bytes, format, length);
    let bgr = PixelFormat::Bgr;
    assert!(mode((640, 480), 640, 4, bgr, 640 * 480 * 4).is_some());
    assert!(mode((640, 480), 800, 4, bgr, (479 * 800 + 640) * 4).is_some(), "the last line may be shorter");
    for refused in [
        mode((640, 480), 640, 4, bgr, 640 * 480 * 4 - 1),
        mode((640, 480), 639, 4, bgr, usize::MAX),
        mode((0, 480), 640, 4, bgr, usize::MAX),
        mode((640, 0), 640, 4, bgr, usize::MAX),
        mode((640, 480), usize::MAX, 4, bgr, usize::MAX),
        mode((usize::MAX, 480), usize::MAX, 4, bgr, usize::MAX),
        mode((640, 480), 640, 0, bgr, usize::MAX),
        mode((640, 480), 640, 5, bgr, usize::MAX),
        mode((640, 480), 640, 2, bgr, usize::MAX),
        mode((640, 480), 640, 4, PixelFormat::Channels { red: 8, green: 8, blue: 0 }, usize::MAX),
        mode((640, 480), 640, 2, PixelFormat::Channels { red: 16, green: 8, blue: 0 }, usize::MAX),
    ] {
        assert_eq!(refused, None);
    }
}

#[test]
fn what_is_outside_of_the_screen_is_left_out() {
    let mut screen = Screen::new((100, 50), 120, 4, PixelFormat::Rgb);
    let before = screen.bytes.clone();
    let font = Font::for_mode(&screen.mode);
    let mut memory = Memory(&mut screen.bytes);
    let mut painter = Painter::new(&mut memory, screen.mode);
    painter.fill(PixelArea { x: 100, y: 0, width: 9, height: 9 }, BACKGROUND);
    painter.fill(PixelArea { x: 0, y: 50, width: usize::MAX, height: usize::MAX }, BACKGROUND);
    painter.text(font, (98, 0), Tone::Normal.colour(), b"x");
    painter.text(font, (0, 49), Tone::Normal.colour(), b"x");
    painter.line((100, 0), (100, 49), 3, BACKGROUND);
    assert!(screen.bytes == before);
    let mut memory = Memory(&mut screen.bytes);
    let mut painter = Painter::new(&mut memory, screen.mode);
    painter.fill(PixelArea { x: 99, y: 49, width: usize::MAX, height: usize::MAX }, BACKGROUND);
    let changed = screen.bytes.iter().zip(&before).filter(|(now, before)| now != before).count();
    assert_eq!(changed, 4, "one pixel");
}

#[test]
fn a_machines_boxes_do_not_overlap_and_show_their_numbers() {
    for (width, height, nodes) in
        [(1280, 720, 1), (1280, 720, 2), (1280, 720, 8), (1280, 800, 12), (2560, 1440, 3), (640, 480, 2)]
    {
        let mut screen = Screen::new((width, height), width, 4, PixelFormat::Bgr);
        let font = Font::for_mode(&screen.mode);
        let lines = height / font.height() * 2 / 3;
        let picture = MachinePicture::new(&screen.mode, nodes, lines).expect("room");
        let loads = [0, 1, 2, 3, 4, 4];
        let look = |node: usize| NodeLook {
            used_mib: node as u64 * 10,
            total_mib: 256,
            loads: &loads,
            devices: node,
        };
        let mut memory = Memory(&mut screen.bytes);
        let mut painter = Painter::new(&mut memory, screen.mode);
        picture.draw_still(&mut painter, b"the machine", |_, _| 20);
        (0..nodes).for_each(|node| picture.draw_node(&mut painter, node, &look(node)));
        let pixels = screen.pixels();
        let shown = Picture { width, pixels: &pixels };
        let read = |(x, y): (usize, usize), count: usize| -> String {
            let letter =
                |index| letter(shown, font, (x + index * font.width(), y)).map_or('\u{fffd}', char::from);
            (0..count).map(letter).collect()
        };
        assert_eq!(read((font.width(), 0), 11), "the machine");
        for node in 0..nodes {
            let area = picture.node_box(node);
            assert!(area.x + area.width <= width && area.y + area.height <= picture.lines() * font.height());
            for other in 0..node {
                let other = picture.node_box(other);
                let apart = other.x + other.width < area.x || area.x + area.width < other.x;
                assert!(apart || other.y + other.height < area.y, "{nodes} nodes: {other:?}, {area:?}");
            }
            assert_eq!(read(picture.line_in_box(node, 0), 7).trim_end(), std::format!("node {node}"));
            let memory = std::format!("{} of 256 MiB", node * 10);
            assert_eq!(read(picture.line_in_box(node, 2), 14).trim_end(), memory);
            let (bar, used) = picture.bar(node, &look(node));
            let at = |x: usize| pixels[(bar.y + 1) * width + x];
            let green = (bar.x..bar.x + bar.width).filter(|x| at(*x) == at(bar.x) && used > 0).count();
            assert_eq!(green, used, "{nodes} nodes: the bar of node {node}");
        }
    }
}

#[test]
fn a_machine_that_has_no_room_has_no_picture() {
    let mode = |width, height| Screen::new((width, height), width, 4, PixelFormat::Bgr).mode;
    assert!(MachinePicture::new(&mode(1280, 720), 128, 30).is_none());
    assert!(MachinePicture::new(&mode(100, 720), 1, 30).is_none());
    assert!(MachinePicture::new(&mode(1280, 720), 0, 30).is_none());
    assert!(MachinePicture::new(&mode(1280, 720), 2, 6).is_none());
}
