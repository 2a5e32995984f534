//! The jobs of the verb `test`: a test program, the examples of the documentation, the loader's tests, or the sample of a soak.
use std::process::{self, Command};

use boot::process::attached;

use super::programs::Program;
use crate::build::loader_cargo;
use crate::command::cargo;
use crate::soak;

/// What a job runs.
enum Work {
    /// A test program, with its tests, or with those whose name contains a word.
    Program(Program),
    /// The examples in the documentation of the libraries.
    Examples,
    /// The tests of the package that builds images.
    Loader,
    /// The sample of a soak, by the soak's name.
    Sample(&'static str),
}

/// A part of the tests that runs as a process of its own.
pub struct Job {
    /// What it is called on the command line: `PACKAGE`, `PACKAGE:PROGRAM`, or `soak:NAME`.
    pub name: String,
    work: Work,
}

impl Job {
    /// Returns the job of a test program.
    pub fn program(program: Program) -> Self {
        Self { name: program.name(), work: Work::Program(program) }
    }

    /// Returns true if the word chooses the job: its name, or the part of it before or behind the colon.
    pub fn is_called(&self, word: &str) -> bool {
        self.name == word
            || self.name.split_once(':').is_some_and(|(first, rest)| word == first || word == rest)
    }

    /// Returns the command that runs the job, with so many of its tests at a time; all of them, or those whose name contains `filter`.
    pub fn command(&self, threads: usize, filter: Option<&str>) -> Command {
        let mut command = match &self.work {
            Work::Program(program) => program.command(filter),
            Work::Examples => cargo(&["test", "--quiet", "--doc"]),
            Work::Loader => loader_cargo(&["test"]),
            Work::Sample(name) => {
                let mut command = attached(own_path());
                // Other jobs have the other cores.
                command.args(["sample", name]).env("PROXIMA_MACHINES", "1");
                command
            }
        };
        command.env("RUST_TEST_THREADS", threads.to_string());
        command
    }

    /// Returns what a user types to run one test of the job again, or all of it.
    pub fn again(&self, test: Option<&str>) -> String {
        match (&self.work, test) {
            (Work::Sample(name), _) => soak::sample_command(name),
            (Work::Program(_), Some(test)) => format!("./run.sh test {} {test}", self.name),
            _ => format!("./run.sh test {}", self.name),
        }
    }
}

/// Returns the jobs that are not test programs.
pub fn others() -> Vec<Job> {
    let mut jobs = vec![
        Job { name: "examples".into(), work: Work::Examples },
        Job { name: "image".into(), work: Work::Loader },
    ];
    jobs.extend(soak::names().map(|name| Job { name: format!("soak:{name}"), work: Work::Sample(name) }));
    jobs
}

/// Returns a path of this program. Cargo replaces its file when it builds the tests.
fn own_path() -> String {
    format!("/proc/{}/exe", process::id())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn program(package: &str, target: &str, kind: &str) -> Job {
        Job::program(Program::new(package, target, kind, "/work/Cargo.toml", "/work/program"))
    }

    #[test]
    fn a_job_is_called_by_its_package_its_program_or_both() {
        let job = program("boot", "disks", "test");
        assert_eq!(job.name, "boot:disks");
        assert!(["boot", "disks", "boot:disks"].iter().all(|word| job.is_called(word)));
        assert!(!["boo", "disk", "boot:", ""].iter().any(|word| job.is_called(word)));
        let library = program("page-alloc", "page_alloc", "lib");
        assert!(library.is_called("page-alloc") && !library.is_called("page_alloc"));
    }

    #[test]
    fn the_command_that_runs_a_test_again_names_it() {
        let job = program("boot", "disks", "test");
        assert_eq!(job.again(Some("reads")), "./run.sh test boot:disks reads");
        assert_eq!(job.again(None), "./run.sh test boot:disks");
        let jobs = others();
        let loom = jobs.iter().find(|job| job.name == "soak:loom").unwrap();
        assert_eq!(loom.again(None), "./run.sh soak loom 1");
    }
}
