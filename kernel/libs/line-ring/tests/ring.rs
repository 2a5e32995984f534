//! The ring as one CPU sees it: which lines come out, and when there is no room.
#![cfg(not(loom))]
use line_ring::{Full, LineRing, Turn};
use std::cell::RefCell;

/// Sends everything, at most `most` bytes a turn.
fn send_all<const SLOTS: usize>(ring: &LineRing<SLOTS>, most: usize) -> Vec<u8> {
    let sent = RefCell::new(Vec::new());
    ring.drain(|| {
        ring.send_front(|bytes| {
            let taken = &bytes[..bytes.len().min(most)];
            sent.borrow_mut().extend_from_slice(taken);
            taken.len()
        });
        Turn::Again
    });
    sent.into_inner()
}

#[test]
fn lines_of_any_length_come_out_as_they_went_in_however_little_the_port_takes() {
    let ring = LineRing::<8>::new();
    for length in 0..=LineRing::<8>::LONGEST_LINE {
        let line: Vec<u8> = (0..length).map(|byte| byte as u8).collect();
        ring.append(&line).unwrap();
        assert_eq!(send_all(&ring, 1 + length % 17), line, "{length} bytes");
        assert!(!ring.has_lines());
    }
}

#[test]
fn a_line_without_room_leaves_the_ring_as_it_was() {
    let ring = LineRing::<4>::new();
    ring.append(&[b'a'; 240]).unwrap();
    assert_eq!(ring.append(&[b'b'; 241]), Err(Full));
    ring.append(&[b'c'; 240]).unwrap();
    assert_eq!(ring.append(b"d"), Err(Full));
    assert_eq!(send_all(&ring, 16), [[b'a'; 240], [b'c'; 240]].concat());
    assert_eq!(ring.append(&[0; LineRing::<4>::LONGEST_LINE + 1]), Err(Full));
}

#[test]
fn a_line_that_is_sent_in_part_gives_back_its_whole_slots_only() {
    let ring = LineRing::<2>::new();
    ring.append(&[b'a'; 121]).unwrap();
    // All but the line's last byte.
    let sent: usize = (0..8).filter_map(|_| ring.send_front(<[u8]>::len)).sum();
    assert_eq!(sent, 120);
    ring.append(b"b").unwrap();
    assert_eq!(ring.append(b"c"), Err(Full));
    assert_eq!(send_all(&ring, 16), b"ab");
}

#[test]
fn a_turn_that_leaves_ends_the_draining() {
    let ring = LineRing::<2>::new();
    ring.append(b"a").unwrap();
    let mut turns = 0;
    ring.drain(|| {
        turns += 1;
        Turn::Leave
    });
    assert_eq!(turns, 1);
    assert!(ring.has_lines());
}

#[test]
fn nothing_is_skipped_where_nothing_is_missing() {
    let ring = LineRing::<2>::new();
    assert!(!ring.skip_missing());
    ring.append(b"a").unwrap();
    assert!(!ring.skip_missing());
    assert_eq!(send_all(&ring, 16), b"a");
}

#[test]
fn threads_of_the_host_lose_no_line_and_mix_no_two() {
    const LINES: usize = 20_000;
    let ring = LineRing::<16>::new();
    let port = std::sync::Mutex::new(Vec::new());
    let drain = || {
        ring.drain(|| {
            let Ok(mut sent) = port.try_lock() else { return Turn::Leave };
            ring.send_front(|bytes| {
                sent.extend_from_slice(bytes);
                bytes.len()
            });
            Turn::Again
        });
    };
    std::thread::scope(|scope| {
        for writer in 0..3 {
            let (ring, drain) = (&ring, &drain);
            scope.spawn(move || {
                for number in 0..LINES {
                    let line = format!("{writer} {number} {}\n", "x".repeat(number % 300));
                    while ring.append(line.as_bytes()).is_err() {
                        drain();
                        std::thread::yield_now();
                    }
                    drain();
                }
            });
        }
    });
    assert!(!ring.has_lines());
    let sent = String::from_utf8(port.into_inner().unwrap()).unwrap();
    let mut next = [0; 3];
    for line in sent.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let writer: usize = words[0].parse().unwrap();
        let number: usize = words[1].parse().unwrap();
        assert_eq!(number, next[writer], "{line}");
        assert_eq!(words[2].len(), number % 300);
        next[writer] += 1;
    }
    assert_eq!(next, [LINES; 3]);
}
