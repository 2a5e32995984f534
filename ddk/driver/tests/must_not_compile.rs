//! What a driver must not be able to do does not compile.
//!
//! After a change of a message of the compiler, `TRYBUILD=overwrite cargo test -p driver_kit --test must_not_compile` writes the expected
//! ones anew: look at what has changed.

#[test]
fn what_a_driver_must_not_do_does_not_compile() {
    trybuild::TestCases::new().compile_fail("tests/must_not_compile/*.rs");
}
