//! The session: a thread that reads what is typed, shows it, and runs the commands.
use super::command::Command;
use super::command_list::{self, COMMANDS};
use super::command_output::CommandOutput;
use super::push_port;
use super::terminal_input::TerminalInput;
use crate::report::console;
use crate::threads::lifecycle;
use crate::threads::thread::Start;
use core::ffi::c_void;
use line_editor::{Action, Editor, Key, Keys, Picture, picture};
use listing::Output;
use parameters::Console;
use spin::Once;

/// What stands before the line being typed.
const PROMPT: &str = "proxima> ";

/// How the console speaks.
static MODE: Once<Console> = Once::new();

/// Starts the console, unless the parameters turn it off or the machine has no COM1.
pub fn start(mode: Console) {
    if mode == Console::Off {
        return;
    }
    if !console::OUTPUT.is_open() {
        log::info!(target: "console", "there is none, as the machine has no COM1; the parameter report shows the machine");
        return;
    }
    MODE.call_once(|| mode);
    push_port::start();
    // SAFETY: `run` ignores its argument.
    let start = unsafe { Start::new(run, core::ptr::null_mut()) };
    if lifecycle::create("console", start, None).is_err() {
        log::warn!(target: "console", "there is no memory for its thread");
    }
}

unsafe extern "C" fn run(_: *mut c_void) -> i32 {
    let Some(input) = TerminalInput::open() else { return 0 };
    let how = if input.has_interrupt() {
        "press Enter for a prompt"
    } else {
        "no interrupt of COM1, so it is polled"
    };
    log::info!(target: "console", "ready on COM1: {how}; help lists the commands");
    let mode = MODE.get().copied().unwrap_or_default();
    let mut session = Session::new(mode);
    session.draw();
    loop {
        input.read(|byte| session.read(byte));
        session.draw();
    }
}

/// What is typed, and what is shown of it.
struct Session {
    keys: Keys,
    editor: Editor,
    output: CommandOutput,
    mode: Console,
    /// The prompt is shown.
    is_awake: bool,
    /// The line has changed since it was shown.
    is_changed: bool,
}

impl Session {
    fn new(mode: Console) -> Self {
        let is_awake = mode == Console::Terminal;
        Self {
            keys: Keys::new(),
            editor: Editor::new(),
            output: CommandOutput::new(),
            mode,
            is_awake,
            is_changed: true,
        }
    }

    /// Returns true if the other side is a program, to which nothing is shown but what commands write.
    fn is_plain(&self) -> bool {
        self.mode == Console::Plain
    }

    /// Shows the line, if it has changed.
    fn draw(&mut self) {
        if self.is_awake && self.is_changed && !self.is_plain() {
            console::OUTPUT.show_typed(picture(PROMPT, self.editor.line(), self.editor.cursor()));
        }
        self.is_changed = false;
    }

    /// Takes a byte. If it completes a line, runs the command.
    fn read(&mut self, byte: u8) {
        let Some(key) = self.keys.read(byte) else { return };
        self.is_changed = true;
        if !core::mem::replace(&mut self.is_awake, true) && key == Key::Enter {
            return;
        }
        match self.editor.press(key, command_list::complete) {
            Action::None | Action::Draw => {}
            Action::Enter(line) => {
                self.leave_line(&line, "");
                command_list::run(&line, &mut self.output);
            }
            Action::Cancel(line) => self.leave_line(&line, "^C"),
            Action::ShowCandidates => self.show_candidates(),
        }
    }

    /// Makes the line a part of what was written.
    fn leave_line(&mut self, line: &str, end: &str) {
        if self.is_plain() {
            return;
        }
        console::OUTPUT.show_typed(Picture::new());
        [PROMPT, line, end].into_iter().for_each(|part| self.output.put(part));
        self.output.end_line();
    }

    fn show_candidates(&mut self) {
        let typed = self.editor.before_cursor();
        let word = typed.rsplit(' ').next().unwrap_or_default();
        // Only names of commands share a beginning with others often enough to be listed.
        let mut column = 0;
        for Command { name, .. } in COMMANDS.iter().filter(|command| command.name.starts_with(word)) {
            self.output.put(name);
            self.output.put("  ");
            column += name.len() + 2;
            if column > 80 {
                self.output.end_line();
                column = 0;
            }
        }
        self.output.end_line();
    }
}
