//! What a job's output says: which tests failed, and what was skipped.

/// The output of a test program, in short.
#[derive(PartialEq, Eq, Debug, Default)]
pub struct Summary<'o> {
    /// How many tests passed.
    pub passed: usize,
    /// The tests that failed.
    pub failed: Vec<&'o str>,
    /// The lines that say that something could not be tested, and why.
    pub skipped: Vec<&'o str>,
}

impl<'o> Summary<'o> {
    /// Reads the output of a test program. Output of another kind has no tests.
    pub fn of(output: &'o str) -> Self {
        let mut summary = Self::default();
        for line in output.lines() {
            if let Some(result) = line.strip_prefix("test result: ") {
                let mut words = result.split_once(". ").map_or("", |(_, counts)| counts).split(' ');
                summary.passed += words.next().and_then(|count| count.parse::<usize>().ok()).unwrap_or(0);
            } else if let Some(test) = failed_test(line) {
                summary.failed.push(test);
            } else if !line.starts_with("test ") && !line.starts_with(' ') && line.contains("skipped") {
                summary.skipped.push(line);
            }
        }
        summary
    }
}

/// Returns the test that a line says has failed.
fn failed_test(line: &str) -> Option<&str> {
    line.strip_prefix("test ")?
        .strip_suffix(" ... FAILED")
        .map(|name| name.trim_end_matches(" - should panic"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_output_of_a_program_names_what_failed_and_what_was_skipped() {
        let output = "running 3 tests\ntest a::one ... ok\ntest two ... FAILED\ntest three - should panic ... FAILED\n\
            \nsuccesses:\n    what_is_skipped\n---- two stdout ----\niasl: skipped, as there is none\n\
            test result: FAILED. 1 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s\n";
        let summary = Summary::of(output);
        assert_eq!((summary.passed, summary.failed), (1, vec!["two", "three"]));
        assert_eq!(summary.skipped, ["iasl: skipped, as there is none"]);
        assert_eq!(Summary::of("soak loom: up to 1 preemptions\n"), Summary::default());
    }
}
