//! The console on COM1: a line editor and commands, for a person or a program at the serial port.
//!
//! A thread of the kernel reads what is typed and runs the commands, one a file. The log goes on above the line being typed.

mod boot_cpu;
mod bug_report;
mod command;
mod command_list;
mod command_output;
mod cpus;
mod devices;
mod disks;
mod drivers;
mod examine;
mod findings;
mod free;
mod help;
mod interrupts;
mod latency;
mod load;
mod log_level;
mod measure;
mod nodes;
mod off;
mod push_port;
mod reboot;
mod screen_pages;
mod session;
mod stat;
mod terminal_input;
mod threads;
mod tree;
mod unload;

pub use bug_report::report;
pub use session::start;
