//! What a job's output says: which tests failed and why, and what was skipped.

/// Lines of a failure's text that stand for it, at its beginning and at its end: there is the end of a machine's log.
const FIRST_LINES: usize = 3;
const LAST_LINES: usize = 8;

/// The output of a test program, in short.
#[derive(PartialEq, Eq, Debug, Default)]
pub struct Summary<'o> {
    /// How many tests passed.
    pub passed: usize,
    /// The tests that failed.
    pub failed: Vec<&'o str>,
    /// Where and why they panicked: the beginning and the end of each one's text.
    pub reasons: Vec<&'o str>,
    /// The lines that say that something could not be tested, and why.
    pub skipped: Vec<&'o str>,
}

impl<'o> Summary<'o> {
    /// Reads the output of a test program. Output of another kind has no tests.
    pub fn of(output: &'o str) -> Self {
        let mut summary = Self { reasons: reasons(output), ..Self::default() };
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

/// Returns the lines that say where and why tests panicked.
fn reasons(output: &str) -> Vec<&str> {
    let mut reasons = Vec::new();
    let mut lines = output.lines();
    while let Some(first) = lines.find(|line| line.starts_with("thread '") && line.contains(" panicked at "))
    {
        reasons.push(first);
        let is_text = |line: &&str| !line.starts_with("stack backtrace:") && !line.starts_with("note: ");
        let text: Vec<&str> = lines.by_ref().take_while(is_text).collect();
        let (begin, rest) = text.split_at(FIRST_LINES.min(text.len()));
        reasons.extend(begin);
        reasons.extend(&rest[rest.len().saturating_sub(LAST_LINES)..]);
    }
    reasons
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

    #[test]
    fn the_beginning_and_the_end_of_each_failures_text_are_its_reason() {
        let log: String = (0..20).map(|number| format!("line {number}\n")).collect();
        let output = format!(
            "---- one stdout ----\nthread 'one' (17) panicked at boot/tests/a.rs:3:5:\n{log}stack backtrace:\n   0: main\n\
             thread 'two' (18) panicked at boot/tests/b.rs:4:5:\nshort\nnote: Some details are omitted\n"
        );
        let reasons = Summary::of(&output).reasons;
        let places: Vec<_> = reasons.iter().filter(|line| line.contains("panicked at")).collect();
        assert_eq!(places.len(), 2);
        assert_eq!(reasons.len(), 2 + FIRST_LINES + LAST_LINES + 1);
        assert_eq!(
            (reasons[1], reasons[4], reasons[FIRST_LINES + LAST_LINES]),
            ("line 0", "line 12", "line 19")
        );
        assert_eq!(reasons.last(), Some(&"short"));
    }
}
