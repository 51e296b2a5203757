//! A tidy table of one row per run, as CSV (RFC 4180) and as Parquet. Same cells, same bytes.

use crate::figure::csv_cell;
use parquet::basic::{Compression, LogicalType, Repetition, Type as Physical};
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DataType, DoubleType, Int64Type};
use parquet::errors::Result as Packed;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::types::Type;
use std::sync::Arc;

/// One cell.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// Words.
    Text(String),
    /// A whole number.
    Int(i64),
    /// A number.
    Float(f64),
    /// Yes or no.
    Bool(bool),
    /// Nothing: not measured, or not yet.
    Empty,
}

impl Cell {
    fn text(&self) -> String {
        match self {
            Cell::Text(t) => t.clone(),
            Cell::Int(i) => i.to_string(),
            Cell::Float(x) => x.to_string(),
            Cell::Bool(b) => b.to_string(),
            Cell::Empty => String::new(),
        }
    }

    fn number(&self) -> Option<f64> {
        match self {
            Cell::Float(x) => Some(*x),
            Cell::Int(i) => Some(*i as f64),
            _ => None,
        }
    }
}

/// What a column of a Parquet file consists of. It follows from what the column means, never from what happens to be in it, so that
/// the files of a sweep at work, of the same sweep at its end and of another one can be read as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Strings.
    Text,
    /// Whole numbers: counts, places and seeds.
    Int,
    /// Numbers.
    Float,
    /// Truth values.
    Bool,
}

impl Kind {
    /// The kind of a setting from its values: numbers are numbers, whole or not (0 and 0.5 are values of one setting); mixed ones are words.
    pub(super) fn of<'a>(values: impl IntoIterator<Item = &'a Cell>) -> Kind {
        let kind = |cell: &Cell| match cell {
            Cell::Empty => None,
            Cell::Bool(_) => Some(Kind::Bool),
            Cell::Int(_) | Cell::Float(_) => Some(Kind::Float),
            Cell::Text(_) => Some(Kind::Text),
        };
        let mut kinds = values.into_iter().filter_map(kind);
        let first = kinds.next().unwrap_or(Kind::Text);
        if kinds.all(|k| k == first) { first } else { Kind::Text }
    }

    fn physical(self) -> Physical {
        match self {
            Kind::Text => Physical::BYTE_ARRAY,
            Kind::Int => Physical::INT64,
            Kind::Float => Physical::DOUBLE,
            Kind::Bool => Physical::BOOLEAN,
        }
    }
}

/// Columns and rows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Results {
    /// Names of the columns.
    pub columns: Vec<String>,
    /// The rows; each as long as the list of columns.
    pub rows: Vec<Vec<Cell>>,
}

impl Results {
    /// The cells of a column.
    pub fn column(&self, name: &str) -> Option<Vec<&Cell>> {
        let i = self.columns.iter().position(|c| c == name)?;
        Some(self.rows.iter().map(|r| &r[i]).collect())
    }

    /// As comma-separated values with a header; numbers in full precision.
    pub fn csv(&self) -> String {
        let line = |cells: &mut dyn Iterator<Item = String>| cells.collect::<Vec<_>>().join(",") + "\n";
        let mut out = line(&mut self.columns.iter().map(|c| csv_cell(c)));
        for row in &self.rows {
            out += &line(&mut row.iter().map(|c| csv_cell(&c.text())));
        }
        out
    }

    /// As a Parquet file with these kinds of columns.
    ///
    /// # Errors
    /// If the format refuses, which is a bug.
    pub(super) fn parquet(&self, kinds: &[Kind]) -> Packed<Vec<u8>> {
        let columns: Vec<Vec<&Cell>> =
            (0..self.columns.len()).map(|i| self.rows.iter().map(|r| &r[i]).collect()).collect();
        let fields = self.columns.iter().zip(kinds).map(|(name, kind)| {
            let field = Type::primitive_type_builder(name, kind.physical());
            let logical = (*kind == Kind::Text).then_some(LogicalType::String);
            field.with_repetition(Repetition::OPTIONAL).with_logical_type(logical).build().map(Arc::new)
        });
        let fields = fields.collect::<Packed<Vec<_>>>()?;
        let schema = Arc::new(Type::group_type_builder("results").with_fields(fields).build()?);
        let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
        let mut writer = SerializedFileWriter::new(Vec::new(), schema, Arc::new(properties))?;
        let mut group = writer.next_row_group()?;
        for (cells, kind) in columns.iter().zip(kinds) {
            match kind {
                Kind::Bool => write::<BoolType>(&mut group, cells, |c| match c {
                    Cell::Bool(b) => Some(*b),
                    _ => None,
                })?,
                Kind::Int => write::<Int64Type>(&mut group, cells, |c| match c {
                    Cell::Int(i) => Some(*i),
                    _ => None,
                })?,
                Kind::Float => write::<DoubleType>(&mut group, cells, Cell::number)?,
                Kind::Text => write::<ByteArrayType>(&mut group, cells, |c| match c {
                    Cell::Empty => None,
                    other => Some(ByteArray::from(other.text().as_str())),
                })?,
            }
        }
        group.close()?;
        writer.into_inner()
    }
}

fn write<T: DataType>(
    group: &mut SerializedRowGroupWriter<'_, Vec<u8>>,
    cells: &[&Cell],
    get: impl Fn(&Cell) -> Option<T::T>,
) -> Packed<()> {
    let all: Vec<Option<T::T>> = cells.iter().map(|c| get(c)).collect();
    let present: Vec<i16> = all.iter().map(|v| i16::from(v.is_some())).collect();
    let values: Vec<T::T> = all.into_iter().flatten().collect();
    let mut column = group.next_column()?.expect("a column of the schema");
    column.typed::<T>().write_batch(&values, Some(&present), None)?;
    column.close()
}
