//! The parameter `driver.NAME.restart=N`: how often the kernel loads a driver again that has failed.

/// The key of the parameter.
pub const RESTART: &str = "restart";

/// Returns how often a driver is to be loaded again, or `None` if the value is no number.
#[must_use]
pub fn restarts(value: &str) -> Option<u32> {
    // A number may not have a sign.
    value.bytes().all(|byte| byte.is_ascii_digit()).then(|| value.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_a_number() {
        assert_eq!(restarts("3"), Some(3));
        assert_eq!(restarts("0"), Some(0));
        for value in ["", "-1", "+1", "x", "3x", "4294967296"] {
            assert_eq!(restarts(value), None, "{value}");
        }
    }
}
