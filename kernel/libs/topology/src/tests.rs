//! Tests of the topology: a module a family of rules, and properties that hold for any machine and any bytes.
mod bits;
mod cpus;
mod distances;
mod fake;
mod hmat;
mod machine;
mod memory;
mod model;
mod nodes;
mod overlaps;
mod properties;
mod room;
mod uncovered;
