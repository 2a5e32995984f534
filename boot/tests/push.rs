//! Drivers that are pushed to the running kernel: loaded, replaced and refused, and transfers that are broken.
mod common;

use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use boot::push::push;
use boot::{Machine, Verdict, driver};
use common::terminal::{PROMPT, Terminal};
use driver_push::Header;
use tempfile::TempDir;

/// The driver's name, which is also that of a folder in `target/own-drivers`.
const NAME: &str = "pushed_by_test";

/// Builds a driver whose `Driver_Init` logs its version and returns this code. A thread of it writes to the log for some seconds.
fn build(folder: &TempDir, version: u32, code: i32) -> Vec<u8> {
    let sources = folder.path().join(NAME);
    fs::create_dir_all(&sources).unwrap();
    let source = format!(
        r#"#include <proxima.h>
static void say(const char *text) {{
    size_t length = 0;
    while (text[length])
        length++;
    Kernel_Log(3, text, length);
}}
static int speak(void *argument) {{
    (void)argument;
    for (int count = 0; count < 20 && !Kernel_IsStopping(); count++) {{
        say("still here");
        Kernel_SleepThread(300000000);
    }}
    return 0;
}}
int Driver_Init(void) {{
    say("this is version {version}");
    if ({code} == 0)
        Kernel_CreateThread("speaker", speak, NULL, -1);
    return {code};
}}
void Driver_Exit(void) {{
    say("version {version} leaves");
}}
"#
    );
    fs::write(sources.join(format!("{NAME}.c")), source).unwrap();
    let built = driver::build_own(&[sources]).unwrap();
    fs::read(&built[0]).unwrap()
}

/// Sends these bytes as they are. Returns what the kernel answers within some seconds.
fn send(socket: &Path, parts: &[&[u8]]) -> String {
    let mut stream = UnixStream::connect(socket).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    parts.iter().for_each(|part| stream.write_all(part).unwrap());
    let mut answer = Vec::new();
    let mut byte = [0];
    while matches!(stream.read(&mut byte), Ok(1)) && byte != *b"\n" {
        answer.push(byte[0]);
    }
    String::from_utf8(answer).unwrap()
}

/// Returns the free pages of all nodes.
fn free_pages(console: &mut Terminal) -> u64 {
    let free = console.json("free");
    free["memory"].as_array().unwrap().iter().map(|node| node["pages_free"].as_u64().unwrap()).sum()
}

/// Boots the two-node machine without disks, with a console and COM3, whose socket is in the folder. Returns the socket, too.
fn boot_to_push(folder: &TempDir) -> (PathBuf, Terminal) {
    let image = folder.path().join("disk.img");
    driver::build_test_image(&["hello"], &image).unwrap();
    let socket = folder.path().join("push.sock");
    let machine = Machine::two_nodes().disks([]).image(image).push_socket(&socket);
    let mut console = Terminal::boot(&machine.interactive("console=terminal"));
    console.wait_for("help lists the commands");
    console.wait_for(PROMPT);
    (socket, console)
}

#[test]
fn a_driver_is_pushed_and_replaced_and_a_wrong_one_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (socket, mut console) = boot_to_push(&folder);
    let [first, second, refusing] =
        [(1, 0), (2, 0), (3, -7)].map(|(version, code)| build(&folder, version, code));

    assert_eq!(push(&socket, NAME, &first).unwrap(), format!("{NAME} is loaded"));
    console.wait_for(&format!("{NAME}: this is version 1"));
    a_line_of_the_log_goes_above_the_line_being_typed(&mut console);

    let start = Instant::now();
    let answer = push(&socket, NAME, &second).unwrap();
    let elapsed = start.elapsed();
    assert_eq!(answer, format!("{NAME} is loaded, in place of the one before"));
    println!("{} bytes replaced in {:.2} s", second.len(), elapsed.as_secs_f64());
    console.wait_for("version 1 leaves");
    console.wait_for("this is version 2");

    // A file that cannot be loaded leaves the loaded driver alone.
    let why = push(&socket, NAME, b"no file of a driver").unwrap_err().to_string();
    assert!(why.starts_with("refused: "), "{why}");
    let why = push(&socket, "a/b", &first).unwrap_err().to_string();
    assert_eq!(why, "refused: it lies in a folder of its own, not among the drivers");
    // Damaged, broken off, and bytes that are no transfer.
    let header = Header::of(NAME, &first).unwrap().to_bytes();
    let mut damaged = first.clone();
    damaged[100] ^= 1;
    let answer = send(&socket, &[&header, NAME.as_bytes(), &damaged]);
    assert_eq!(answer, "refused it was damaged on its way: the checksum is another one");
    let answer = send(&socket, &[&header, NAME.as_bytes(), &first[..500]]);
    assert_eq!(answer, format!("refused it was broken off after {} bytes", NAME.len() + 500));
    let drivers = console.json("drivers");
    let is_running = |driver: &serde_json::Value| driver["driver"] == NAME && driver["state"] == "running";
    assert!(drivers["drivers"].as_array().unwrap().iter().any(is_running), "{drivers}");
    let answer = send(&socket, &[&[0xd7, 0, 0xff, 0x1b, b'P'].repeat(100), &header, NAME.as_bytes(), &first]);
    assert_eq!(answer, format!("ok {NAME} is loaded, in place of the one before"));

    // Whatever is pushed how often, memory comes back.
    let before = free_pages(&mut console);
    for _ in 0..8 {
        push(&socket, NAME, &second).unwrap();
    }
    let after = free_pages(&mut console);
    assert!(before.abs_diff(after) < 128, "{before} pages were free, and {after} are");

    let why = push(&socket, NAME, &refusing).unwrap_err().to_string();
    assert_eq!(why, "refused: it was refused: Driver_Init returned -7");
    assert_eq!(console.json(&format!("load {NAME}"))["ok"], false);
    push(&socket, NAME, &first).unwrap();
    assert_eq!(console.json(&format!("unload {NAME}"))["ok"], true);
    assert_eq!(console.json(&format!("load {NAME}"))["ok"], true);
    console.type_text("off\r");
    assert_eq!(console.end(), Verdict::Success, "{}", console.all());
}

/// Builds a driver of this name from one C file.
fn build_source(folder: &TempDir, name: &str, source: &str) -> Vec<u8> {
    let sources = folder.path().join(name);
    fs::create_dir_all(&sources).unwrap();
    fs::write(sources.join(format!("{name}.c")), source).unwrap();
    fs::read(&driver::build_own(&[sources]).unwrap()[0]).unwrap()
}

#[test]
fn a_driver_that_another_one_uses_is_not_replaced_until_that_has_gone() {
    let folder = tempfile::tempdir().unwrap();
    let (socket, mut console) = boot_to_push(&folder);
    let publisher = |number: u32| {
        let source = format!(
            "#include <proxima.h>\n\
             static const int table[4] = {{{number}}};\n\
             int Driver_Init(void) {{\n\
                 return Kernel_PublishInterface(\"pushed\", 1, table, sizeof table) ? 0 : -1;\n\
             }}\n"
        );
        build_source(&folder, "publisher", &source)
    };
    let user = "#include <proxima.h>\n\
         int Driver_Init(void) {\n\
             const int *table = Kernel_UseInterface(\"pushed\", 1, 16);\n\
             return table ? 0 : -2;\n\
         }\n";
    let user = build_source(&folder, "uses_pushed", user);
    assert_eq!(push(&socket, "publisher", &publisher(1)).unwrap(), "publisher is loaded");
    assert_eq!(push(&socket, "uses_pushed", &user).unwrap(), "uses_pushed is loaded");
    let of = |console: &mut Terminal| {
        let drivers = console.json("drivers")["drivers"].clone();
        let mine = drivers.as_array().unwrap().iter().find(|driver| driver["driver"] == "publisher").cloned();
        mine.unwrap_or_default()
    };
    let before = of(&mut console);
    let loads = |console: &mut Terminal| console.json("drivers publisher")["loads"].clone();
    let loads_before = loads(&mut console);
    for _ in 0..2 {
        let why = push(&socket, "publisher", &publisher(2)).unwrap_err().to_string();
        assert_eq!(why, "refused: the loaded one is not unloaded: uses_pushed uses an interface of it");
        // The loaded one goes on as it was, also for its user.
        assert_eq!(of(&mut console), before);
        assert_eq!(loads(&mut console), loads_before);
    }
    assert_eq!(console.json("unload publisher")["ok"], false);
    assert_eq!(console.json("unload uses_pushed")["ok"], true);
    let answer = push(&socket, "publisher", &publisher(2)).unwrap();
    assert_eq!(answer, "publisher is loaded, in place of the one before");
    console.type_text("off\r");
    assert_eq!(console.end(), Verdict::Success, "{}", console.all());
}

fn a_line_of_the_log_goes_above_the_line_being_typed(console: &mut Terminal) {
    console.wait_for(PROMPT);
    console.type_text("free no");
    console.wait_for(&format!("{PROMPT}free no"));
    for _ in 0..2 {
        let before = console.wait_for(&format!("INFO  {NAME}: still here\r\n"));
        assert!(before.ends_with("\r\x1b[K"), "the line is not erased: {before:?}");
        // What was typed stands below.
        assert_eq!(console.wait_for(&format!("{PROMPT}free no")), "\r");
    }
    console.type_text("\x03");
    console.wait_for("^C\r\n");
    console.wait_for(PROMPT);
}
