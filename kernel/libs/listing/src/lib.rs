//! Listings: tables, matrices, trees and fields. The caller describes each once, and it is written as text of at most [`COLUMNS`]
//! columns or as one JSON object.
//!
//! Nothing is stored: the caller produces the rows anew for each pass. So a listing of any length takes no memory. If the values change
//! between the pass that measures and the pass that writes, a column is out of line, and nothing else.
#![no_std]
#![forbid(unsafe_code)]

#[cfg(test)]
extern crate std;

mod cell;
mod count;
mod json;
mod output;
mod text;
mod writer;

#[cfg(test)]
mod tests;

pub use cell::{Cell, Column};
pub use output::{COLUMNS, Output};
pub use writer::{Format, Listing, Matrix, NameOf, Rows, TreeRow, TreeRows};
