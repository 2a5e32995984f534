//! The writer of a listing.
use crate::cell::{Cell, Column};
use crate::json;
use crate::output::{COLUMNS, Output};
use crate::text::Line;
use arrayvec::ArrayVec;
use core::fmt::{self, Display};

/// The most columns of a table.
const MOST_COLUMNS: usize = 16;
/// Spaces between two columns.
const GAP: usize = 2;

/// How a listing is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    /// Text in columns, for people.
    Text,
    /// One JSON object, for programs. Each row of a table has a line of its own.
    Json,
}

/// Produces the rows of a table: calls the function that it is given with the cells of each.
pub type Rows<'r> = &'r dyn Fn(&mut dyn FnMut(&[Cell<'_>]));

/// Takes a row of a tree: its depth and its cells.
pub type TreeRow<'r, 'f> = &'r mut (dyn FnMut(usize, &[Cell<'_>]) + 'f);

/// Produces the rows of a tree: calls the function that it is given with each row.
pub type TreeRows<'r> = &'r dyn Fn(&mut dyn FnMut(usize, &[Cell<'_>]));

/// Passes the name of a row or of a column on.
pub type NameOf<'m> = &'m dyn Fn(usize, &mut dyn FnMut(Cell<'_>));

/// Takes a row in JSON: its depth, if it is one of a tree, its columns and its cells.
type JsonRow<'f> = dyn FnMut(Option<usize>, &[Column], &[Cell<'_>]) + 'f;

/// A listing that is being written.
pub struct Listing<'o> {
    out: &'o mut dyn Output,
    format: Format,
    /// Nothing was written yet.
    is_empty: bool,
}

impl<'o> Listing<'o> {
    /// Begins a listing of this name.
    pub fn new(out: &'o mut dyn Output, format: Format, name: &str) -> Self {
        let mut listing = Self { out, format, is_empty: true };
        if format == Format::Json {
            listing.out.put("{");
            listing.field_in_json("command", &Cell::Text(name));
        }
        listing
    }

    /// Returns the format.
    #[must_use]
    pub fn format(&self) -> Format {
        self.format
    }

    /// Ends the listing. In JSON, says whether all went well, or what went wrong; in text, says what went wrong.
    pub fn end(mut self, error: Option<&dyn Display>) {
        match (self.format, error) {
            (Format::Text, None) => {}
            (Format::Text, Some(error)) => {
                let mut line = Line::new(self.out);
                line.show(error);
                line.end();
            }
            (Format::Json, _) => {
                self.field_in_json("ok", &Cell::Flag(error.is_none()));
                if let Some(error) = error {
                    self.field_in_json("error", &Cell::Shown(error));
                }
                self.out.put("}");
                self.out.end_line();
            }
        }
    }

    /// Writes one value with its name. In text, underscores of the name are spaces.
    pub fn field(&mut self, name: &'static str, value: Cell<'_>) {
        match self.format {
            Format::Text => {
                self.is_empty = false;
                let mut line = Line::new(self.out);
                line.show(&Title(name));
                line.show(&": ");
                line.show(&value);
                line.end();
            }
            Format::Json => self.field_in_json(name, &value),
        }
    }

    /// Writes a line that only text has.
    pub fn remark(&mut self, text: fmt::Arguments<'_>) {
        if self.format == Format::Text {
            self.is_empty = false;
            let mut line = Line::new(self.out);
            line.show(&text);
            line.end();
        }
    }

    /// Writes a table. Each row has a cell for each of the columns, at most 16.
    pub fn table(&mut self, name: &'static str, columns: &[Column], rows: Rows<'_>) {
        match self.format {
            Format::Text => self.table_in_text(columns, rows),
            Format::Json => self.rows_in_json(name, &mut |next| {
                rows(&mut |cells| next(None, columns, cells));
            }),
        }
    }

    fn table_in_text(&mut self, columns: &[Column], rows: Rows<'_>) {
        self.separate();
        let mut widths: ArrayVec<usize, MOST_COLUMNS> =
            columns.iter().take(MOST_COLUMNS).map(|column| column.key.len()).collect();
        rows(&mut |cells| {
            for (width, cell) in widths.iter_mut().zip(cells) {
                *width = (*width).max(cell.width());
            }
        });
        let out = &mut *self.out;
        let mut line = Line::new(out);
        for (column, width) in columns.iter().zip(&widths) {
            line.cell(&Cell::Shown(&Title(column.key)), *width, column.is_right);
            line.gap(GAP);
        }
        line.end();
        rows(&mut |cells| {
            let mut line = Line::new(out);
            for ((cell, column), width) in cells.iter().zip(columns).zip(&widths) {
                line.cell(cell, *width, column.is_right);
                line.gap(GAP);
            }
            line.end();
        });
    }

    /// Writes a tree: each row is as deep as the caller says, and has a cell for each column.
    ///
    /// In text, a row is its cells in a line, without titles, and those without a value are left out.
    pub fn tree(&mut self, name: &'static str, columns: &[Column], rows: TreeRows<'_>) {
        match self.format {
            Format::Text => {
                self.separate();
                let out = &mut *self.out;
                rows(&mut |depth, cells| {
                    let mut line = Line::new(out);
                    line.gap(depth * 2);
                    for cell in cells.iter().filter(|cell| !matches!(cell, Cell::Missing)) {
                        line.show(cell);
                        line.gap(GAP);
                    }
                    line.end();
                });
            }
            Format::Json => self.rows_in_json(name, &mut |next| {
                rows(&mut |depth, cells| next(Some(depth), columns, cells));
            }),
        }
    }

    /// Writes a matrix: a line for each row, named by `row_name`, and a value for each of the columns, named by `column_name`.
    ///
    /// In text, columns that do not fit beside each other follow in further blocks. In JSON, each row has its name as the field `row`, and
    /// its values as the field `column`, an array.
    pub fn matrix(
        &mut self,
        name: &'static str,
        (row, column): (&'static str, &'static str),
        matrix: &Matrix<'_>,
    ) {
        match self.format {
            Format::Text => self.matrix_in_text(row, column, matrix),
            Format::Json => {
                self.begin_rows(name);
                for at in 0..matrix.rows {
                    self.out.put(if at == 0 { "{" } else { ",{" });
                    json::name(self.out, row);
                    (matrix.row_name)(at, &mut |cell| json::value(self.out, &cell));
                    self.out.put(",");
                    json::name(self.out, column);
                    self.out.put("[");
                    for value in 0..matrix.columns {
                        self.out.put(if value == 0 { "" } else { "," });
                        json::value(self.out, &(matrix.value)(at, value));
                    }
                    self.out.put("]}");
                    self.out.end_line();
                }
                self.out.put("]");
            }
        }
    }

    fn matrix_in_text(&mut self, row: &'static str, column: &'static str, matrix: &Matrix<'_>) {
        let mut first_width = row.len();
        for at in 0..matrix.rows {
            (matrix.row_name)(at, &mut |cell| first_width = first_width.max(cell.width()));
        }
        let mut width = 0;
        for value in 0..matrix.columns {
            (matrix.column_name)(value, &mut |cell| width = width.max(cell.width()));
            for at in 0..matrix.rows {
                width = width.max((matrix.value)(at, value).width());
            }
        }
        let room = COLUMNS.saturating_sub(first_width + GAP);
        let in_block = (room / (width + GAP)).max(1);
        let mut first = 0;
        while first < matrix.columns.max(1) {
            self.separate();
            let columns = first..matrix.columns.min(first + in_block);
            let mut line = Line::new(self.out);
            line.cell(&Cell::Shown(&Title(row)), first_width, false);
            for value in columns.clone() {
                line.gap(GAP);
                (matrix.column_name)(value, &mut |cell| line.cell(&cell, width, true));
            }
            line.gap(GAP);
            line.show(&Title(column));
            line.end();
            for at in 0..matrix.rows {
                let mut line = Line::new(self.out);
                (matrix.row_name)(at, &mut |cell| line.cell(&cell, first_width, false));
                for value in columns.clone() {
                    line.gap(GAP);
                    line.cell(&(matrix.value)(at, value), width, true);
                }
                line.end();
            }
            first += in_block;
        }
    }

    /// Writes an empty line between two parts of a text.
    fn separate(&mut self) {
        if !self.is_empty {
            self.out.end_line();
        }
        self.is_empty = false;
    }

    fn field_in_json(&mut self, name: &str, value: &Cell<'_>) {
        self.out.put(if self.is_empty { "" } else { "," });
        self.is_empty = false;
        json::name(self.out, name);
        json::value(self.out, value);
    }

    fn begin_rows(&mut self, name: &str) {
        self.out.put(",");
        json::name(self.out, name);
        self.out.put("[");
        self.out.end_line();
    }

    fn rows_in_json(&mut self, name: &str, produce: &mut dyn FnMut(&mut JsonRow<'_>)) {
        self.begin_rows(name);
        let (out, mut is_first) = (&mut *self.out, true);
        produce(&mut |depth, columns, cells| {
            out.put(if is_first { "{" } else { ",{" });
            is_first = false;
            let mut is_first_field = true;
            if let Some(depth) = depth {
                json::name(out, "depth");
                json::value(out, &Cell::Number(depth as u64));
                is_first_field = false;
            }
            for (column, cell) in columns.iter().zip(cells) {
                out.put(if is_first_field { "" } else { "," });
                is_first_field = false;
                json::name(out, column.key);
                json::value(out, cell);
            }
            out.put("}");
            out.end_line();
        });
        self.out.put("]");
    }
}

/// The values of a matrix.
pub struct Matrix<'m> {
    /// The number of rows.
    pub rows: usize,
    /// The number of columns.
    pub columns: usize,
    /// Passes a row's name on.
    pub row_name: NameOf<'m>,
    /// Passes a column's name on.
    pub column_name: NameOf<'m>,
    /// Returns the value in a row and a column.
    pub value: &'m dyn Fn(usize, usize) -> Cell<'static>,
}

/// A name, with spaces in place of underscores.
struct Title<'n>(&'n str);

impl Display for Title<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut words = self.0.split('_');
        out.write_str(words.next().unwrap_or_default())?;
        words.try_for_each(|word| write!(out, " {word}"))
    }
}
