//! Boot's steps that need every layer below.

pub mod cpus;
