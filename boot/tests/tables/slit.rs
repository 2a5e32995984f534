//! SLITs beside a sound SRAT of two nodes: a faulty distance is replaced, and the others are used.
use acpi_tables::builder::TableBuilder;

use crate::injected::{Reported, TWO_NODES, assert_one_node, assert_understood, two_nodes};

const SIZE_MENDED: Reported<'_> = ("slit.size", "mended");

/// Asserts that the two nodes have these distances, from the first to the second and back, and that exactly these findings
/// are reported.
#[track_caller]
fn assert_distances(slit: TableBuilder, reported: &[Reported<'_>], there: u8, back: u8) {
    assert_understood(&[two_nodes(), slit], reported, TWO_NODES, &[&[10, there], &[back, 10]]);
}

#[test]
fn a_sound_table_is_kept_as_it_is() {
    assert_distances(TableBuilder::slit(2, &[10, 255, 33, 10]), &[], 255, 33);
}

#[test]
fn ten_between_two_nodes_is_kept() {
    assert_distances(TableBuilder::slit(2, &[10, 10, 10, 10]), &[], 10, 10);
}

#[test]
fn rows_for_domains_that_there_are_not_are_not_looked_at() {
    assert_distances(TableBuilder::slit(3, &[10, 21, 0, 22, 10, 0, 0, 0, 0]), &[], 21, 22);
}

#[test]
fn a_domain_without_a_row_is_at_the_usual_distance() {
    assert_distances(TableBuilder::slit(1, &[10]), &[("slit.domain", "mended")], 20, 20);
}

#[test]
fn no_localities_are_no_distances() {
    assert_distances(TableBuilder::slit(0, &[]), &[("slit.size", "refused")], 20, 20);
}

#[test]
fn what_is_there_of_a_matrix_that_is_too_short_is_used() {
    assert_distances(TableBuilder::slit(2, &[10, 21]), &[SIZE_MENDED], 21, 20);
}

#[test]
fn what_follows_the_matrix_is_ignored() {
    let slit = TableBuilder::slit(2, &[10, 21, 22, 10, 99, 99, 99, 99]);
    assert_distances(slit, &[SIZE_MENDED], 21, 22);
}

#[test]
fn a_square_of_more_than_64_bits_is_not_believed() {
    // Linux 6.1 does not boot with these tables.
    assert_distances(TableBuilder::slit(1 << 32, &[10, 21, 22, 10]), &[SIZE_MENDED], 21, 20);
}

#[test]
fn neither_is_the_largest_count_there_is() {
    assert_distances(TableBuilder::slit(u64::MAX, &[10, 21, 22, 10]), &[SIZE_MENDED], 21, 20);
}

#[test]
fn a_node_is_10_from_itself_whatever_is_said() {
    let reported = [("slit.diagonal", "mended"), ("slit.diagonal", "mended")];
    assert_distances(TableBuilder::slit(2, &[11, 21, 22, 0]), &reported, 21, 22);
}

#[test]
fn a_distance_that_is_reserved_is_the_usual_one() {
    assert_distances(TableBuilder::slit(2, &[10, 9, 22, 10]), &[("slit.distance", "mended")], 20, 22);
}

#[test]
fn a_table_shorter_than_its_fixed_part_is_refused() {
    let short = TableBuilder::slit(2, &[]);
    let short = short.build()[..40].to_vec();
    let run = crate::injected::boot_with(&[two_nodes().build(), short]);
    let rules: Vec<_> = run.findings().into_iter().map(|finding| (finding.rule, finding.action)).collect();
    assert_eq!(rules, [("table.length".into(), "refused".into())]);
    assert_eq!(run.topology().distances, [[10, 20], [20, 10]]);
}

#[test]
fn without_an_srat_it_is_reported_and_not_used() {
    assert_one_node(&[TableBuilder::slit(2, &[10, 99, 99, 10]).build()], &[("slit.srat", "refused")]);
}
