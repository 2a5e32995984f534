//! Writes tables as firmware would, right or wrong, for tests and fuzzers.
