//! Tests of the topology: a module for each family of rules, and properties that hold for any machine and any bytes.
mod bits;
mod cpus;
mod distances;
mod fake;
mod hmat;
mod hmat_generated;
mod hmat_structures;
mod machine;
mod memory;
mod model;
mod msct;
mod nodes;
mod overlaps;
mod persistent;
mod properties;
mod room;
mod uncovered;
