//! The parameters of drivers: words of the form `driver.NAME.KEY=VALUE` or `driver.NAME.KEY`, which the drivers themselves read.

/// The beginning of each such word.
const PREFIX: &str = "driver.";

/// Returns the value that the line gives the parameter `key` of the driver `driver`: what is behind `=`, or no text if the word has no `=`.
/// Returns `None` if no word names the parameter. Of two words, the later one applies.
#[must_use]
pub fn of_driver<'l>(line: &'l str, driver: &str, key: &str) -> Option<&'l str> {
    line.split_ascii_whitespace().rev().find_map(|word| {
        let behind_name = word.strip_prefix(PREFIX)?.strip_prefix(driver)?.strip_prefix('.')?;
        let (found, value) = behind_name.split_once('=').unwrap_or((behind_name, ""));
        (found == key).then_some(value)
    })
}

/// Iterates over the words that are parameters of no driver for which `is_driver` returns true: the name of the driver is wrong, or the
/// driver is missing.
pub fn of_no_driver(line: &str, is_driver: impl Fn(&str) -> bool) -> impl Iterator<Item = &str> {
    line.split_ascii_whitespace().filter(move |word| is_of_driver(word) && !names(word).any(&is_driver))
}

/// Returns true if the word is a parameter of some driver: it has a name and a key, and neither is empty.
pub(crate) fn is_of_driver(word: &str) -> bool {
    names(word).next().is_some()
}

/// Iterates over the names that a word may mean. A name may contain dots, and so may a key.
fn names(word: &str) -> impl Iterator<Item = &str> {
    let behind = word.strip_prefix(PREFIX).unwrap_or_default();
    let name_and_key = behind.split_once('=').map_or(behind, |(before, _)| before);
    let ends = name_and_key.match_indices('.').map(|(end, _)| end);
    ends.filter(move |end| *end > 0 && end + 1 < name_and_key.len()).map(move |end| &name_and_key[..end])
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::vec::Vec;

    const LINE: &str = "exit driver.nvme.queues=2 driver.nvme.polled driver.nvme.queues=4 driver.my.disk.name=a=b driver.nvme2.queues=9";

    #[test]
    fn a_driver_reads_its_own_parameters() {
        for (driver, key, value) in [
            ("nvme", "queues", Some("4")),
            ("nvme", "polled", Some("")),
            ("nvme", "queue", None),
            ("nvme", "", None),
            ("nvme2", "queues", Some("9")),
            ("my.disk", "name", Some("a=b")),
            ("my", "disk.name", Some("a=b")),
            ("", "nvme", None),
            ("exit", "", None),
        ] {
            assert_eq!(of_driver(LINE, driver, key), value, "{driver} {key}");
        }
    }

    #[test]
    fn a_word_with_a_name_and_a_key_is_a_parameter_of_a_driver() {
        for word in ["driver.a.b", "driver.a.b=", "driver.a.b.c=d", "driver.a.b==", "driver.a..b"] {
            assert!(is_of_driver(word), "{word}");
        }
        for word in
            ["driver.a", "driver.a.", "driver..b", "driver.a=b.c", "driver.", "driver", "drivers.a.b", ""]
        {
            assert!(!is_of_driver(word), "{word}");
        }
    }

    #[test]
    fn parameters_of_drivers_that_are_missing_are_found() {
        let is_driver = |name: &str| matches!(name, "nvme" | "my.disk");
        let found: Vec<_> = of_no_driver(LINE, is_driver).collect();
        assert_eq!(found, ["driver.nvme2.queues=9"]);
    }
}
