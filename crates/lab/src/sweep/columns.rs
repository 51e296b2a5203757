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

/// Columns and rows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Results {
    /// Names of the columns.
    pub columns: Vec<String>,
    /// The rows; each as long as the list of columns.
    pub rows: Vec<Vec<Cell>>,
}

/// What a whole column consists of.
fn kind(cells: &[&Cell]) -> Physical {
    let all = |f: fn(&Cell) -> bool| cells.iter().all(|c| matches!(c, Cell::Empty) || f(c));
    if cells.iter().all(|c| matches!(c, Cell::Empty)) {
        Physical::DOUBLE
    } else if all(|c| matches!(c, Cell::Bool(_))) {
        Physical::BOOLEAN
    } else if all(|c| matches!(c, Cell::Int(_))) {
        Physical::INT64
    } else if all(|c| c.number().is_some()) {
        Physical::DOUBLE
    } else {
        Physical::BYTE_ARRAY
    }
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

    /// As a Parquet file. A column is of whole numbers, numbers, truth values, or - if it is mixed - of words.
    ///
    /// # Errors
    /// If the format refuses, which is a bug.
    pub fn parquet(&self) -> Packed<Vec<u8>> {
        let columns: Vec<Vec<&Cell>> =
            (0..self.columns.len()).map(|i| self.rows.iter().map(|r| &r[i]).collect()).collect();
        let fields = self.columns.iter().zip(&columns).map(|(name, cells)| {
            let kind = kind(cells);
            let field = Type::primitive_type_builder(name, kind).with_repetition(Repetition::OPTIONAL);
            let field = if kind == Physical::BYTE_ARRAY {
                field.with_logical_type(Some(LogicalType::String))
            } else {
                field
            };
            field.build().map(Arc::new)
        });
        let fields = fields.collect::<Packed<Vec<_>>>()?;
        let schema = Arc::new(Type::group_type_builder("results").with_fields(fields).build()?);
        let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
        let mut writer = SerializedFileWriter::new(Vec::new(), schema, Arc::new(properties))?;
        let mut group = writer.next_row_group()?;
        for cells in &columns {
            match kind(cells) {
                Physical::BOOLEAN => write::<BoolType>(&mut group, cells, |c| match c {
                    Cell::Bool(b) => Some(*b),
                    _ => None,
                })?,
                Physical::INT64 => write::<Int64Type>(&mut group, cells, |c| match c {
                    Cell::Int(i) => Some(*i),
                    _ => None,
                })?,
                Physical::DOUBLE => write::<DoubleType>(&mut group, cells, Cell::number)?,
                _ => write::<ByteArrayType>(&mut group, cells, |c| match c {
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
