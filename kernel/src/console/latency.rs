//! The command `latency`: the distances of the SLIT, and latency and bandwidth of the HMAT.
use super::command::Command;
use super::nodes;
use crate::platform::numa_topology;
use listing::{Cell, Listing, Matrix};
use topology::{Figure, Measure};

/// The command.
pub static COMMAND: Command =
    Command::list("latency", "distances between nodes (SLIT), latency and bandwidth (HMAT)", write);

/// The name of a measure's matrix, with the unit of its values.
const fn name(measure: Measure) -> &'static str {
    match measure {
        Measure::ReadLatency => "read_latency_ps",
        Measure::WriteLatency => "write_latency_ps",
        Measure::ReadBandwidth => "read_bandwidth_mbps",
        Measure::WriteBandwidth => "write_bandwidth_mbps",
    }
}

fn write(listing: &mut Listing<'_>) {
    nodes::write_distances(listing);
    let topology = numa_topology::get();
    let Some(performance) = topology.performance() else {
        listing.remark(format_args!("the machine has no HMAT"));
        return;
    };
    let initiators = performance.initiators();
    for measure in Measure::ALL {
        if !(0..initiators.len()).any(|index| performance.knows(index, measure)) {
            continue;
        }
        let value = |row: usize, column: usize| match performance.figures(row, measure).nth(column) {
            Some(Figure::Known(figure)) => Cell::Number(figure.into()),
            _ => Cell::Missing,
        };
        let matrix = Matrix {
            rows: initiators.len(),
            columns: topology.node_count(),
            row_name: &|row, next| next(Cell::Number(initiators[row].domain.0.into())),
            column_name: &nodes::name_node,
            value: &value,
        };
        listing.remark(format_args!(""));
        listing.remark(format_args!("{}", name(measure)));
        listing.matrix(name(measure), ("from_domain", "to_node"), &matrix);
    }
}
