//! What is written, as text and as JSON.
use crate::{COLUMNS, Cell, Column, Format, Listing, Matrix, Output};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::string::{String, ToString};
use std::vec::Vec;

#[derive(Default)]
struct Written(String);

impl Output for Written {
    fn put(&mut self, text: &str) {
        self.0.push_str(text);
    }

    fn end_line(&mut self) {
        self.0.push('\n');
    }
}

fn written(format: Format, write: impl Fn(&mut Listing<'_>)) -> String {
    let mut out = Written::default();
    let mut listing = Listing::new(&mut out, format, "test");
    write(&mut listing);
    listing.end(None);
    out.0
}

fn json(write: impl Fn(&mut Listing<'_>)) -> Value {
    let text = written(Format::Json, write);
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

const COLUMNS_OF_TABLE: [Column; 3] =
    [Column::text("name"), Column::number("free_mib"), Column::text("what")];

fn table(listing: &mut Listing<'_>) {
    listing.table("rows", &COLUMNS_OF_TABLE, &|next| {
        next(&[Cell::Text("one"), Cell::Number(7), Cell::Flag(true)]);
        next(&[Cell::Text("a longer one"), Cell::Number(1234), Cell::Missing]);
    });
}

#[test]
fn a_table_has_its_columns_in_line() {
    let expected = "name          free mib  what\none                  7  yes\na longer one      1234  -\n";
    assert_eq!(written(Format::Text, table), expected);
    let rows = json!([{"name": "one", "free_mib": 7, "what": true}, {"name": "a longer one", "free_mib": 1234, "what": null}]);
    assert_eq!(json(table), json!({"command": "test", "rows": rows, "ok": true}));
}

#[test]
fn an_empty_table_is_its_titles_or_an_empty_array() {
    let empty = |listing: &mut Listing<'_>| listing.table("rows", &COLUMNS_OF_TABLE, &|_| {});
    assert_eq!(written(Format::Text, empty), "name  free mib  what\n");
    assert_eq!(json(empty)["rows"], json!([]));
}

#[test]
fn a_tree_is_indented() {
    let tree = |listing: &mut Listing<'_>| {
        listing.tree("tree", &[Column::text("name"), Column::number("size")], &|next| {
            next(0, &[Cell::Text("machine"), Cell::Missing]);
            next(1, &[Cell::Text("node 0"), Cell::Number(3)]);
        });
    };
    assert_eq!(written(Format::Text, tree), "machine\n  node 0  3\n");
    let rows =
        json!([{"depth": 0, "name": "machine", "size": null}, {"depth": 1, "name": "node 0", "size": 3}]);
    assert_eq!(json(tree)["tree"], rows);
}

fn matrix(rows: usize, columns: usize) -> impl Fn(&mut Listing<'_>) {
    move |listing| {
        let name = |index: usize, next: &mut dyn FnMut(Cell<'_>)| next(Cell::Number(index as u64));
        let value = |row, column| Cell::Number((row * columns + column) as u64);
        let matrix = Matrix { rows, columns, row_name: &name, column_name: &name, value: &value };
        listing.matrix("distances", ("from", "to"), &matrix);
    }
}

#[test]
fn a_matrix_has_a_row_a_line() {
    assert_eq!(written(Format::Text, matrix(2, 2)), "from  0  1  to\n0     0  1\n1     2  3\n");
    let rows = json!([{"from": 0, "to": [0, 1]}, {"from": 1, "to": [2, 3]}]);
    assert_eq!(json(matrix(2, 2))["distances"], rows);
}

#[test]
fn a_wide_matrix_is_written_in_blocks() {
    let text = written(Format::Text, matrix(3, 128));
    assert!(text.lines().all(|line| line.len() <= COLUMNS), "{text}");
    let values: Vec<&str> = text
        .lines()
        .filter(|line| line.starts_with('2'))
        .flat_map(|line| line.split_whitespace().skip(1))
        .collect();
    let expected: Vec<String> = (256..384).map(|value: i32| value.to_string()).collect();
    assert_eq!(values, expected);
    assert_eq!(json(matrix(3, 128))["distances"][2]["to"].as_array().unwrap().len(), 128);
}

#[test]
fn fields_and_parts_follow_each_other() {
    let all = |listing: &mut Listing<'_>| {
        listing.field("page_size", Cell::Number(4096));
        listing.field("version", Cell::Text("0.1"));
        table(listing);
        listing.field("load", Cell::Tenths(125));
        listing.remark(format_args!("only text"));
    };
    let text = written(Format::Text, all);
    assert!(text.starts_with("page size: 4096\nversion: 0.1\n\nname  "), "{text}");
    assert!(text.ends_with("load: 12.5\nonly text\n"), "{text}");
    assert_eq!((&json(all)["page_size"], &json(all)["load"]), (&json!(4096), &json!(12.5)));
}

#[test]
fn an_error_ends_a_listing() {
    let mut out = Written::default();
    Listing::new(&mut out, Format::Json, "load").end(Some(&"no \"such\"\n driver"));
    let value: Value = serde_json::from_str(&out.0).unwrap();
    assert_eq!(value, json!({"command": "load", "ok": false, "error": "no \"such\"\n driver"}));
    let mut out = Written::default();
    Listing::new(&mut out, Format::Text, "load").end(Some(&"no such driver"));
    assert_eq!(out.0, "no such driver\n");
}

proptest! {
    #[test]
    fn any_text_is_json_and_no_line_is_too_long(texts in prop::collection::vec(any::<String>(), 0..6), number in any::<u64>()) {
        let all = |listing: &mut Listing<'_>| {
            listing.field("first", Cell::Text(texts.first().map_or("", |text| text)));
            listing.table("rows", &COLUMNS_OF_TABLE, &|next| {
                texts.iter().for_each(|text| next(&[Cell::Text(text), Cell::Number(number), Cell::Shown(text)]));
            });
        };
        let value = json(all);
        for (row, text) in value["rows"].as_array().unwrap().iter().zip(&texts) {
            prop_assert_eq!(row["what"].as_str(), Some(text.as_str()));
            prop_assert_eq!(row["free_mib"].as_u64(), Some(number));
        }
        let text = written(Format::Text, all);
        prop_assert!(text.split('\n').all(|line| line.chars().count() <= COLUMNS), "{}", text);
        prop_assert_eq!(text.split('\n').count(), 3 + 1 + texts.len());
    }
}
