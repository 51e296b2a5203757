/*!
`metrics.jsonl`, one row per line, and `metrics.parquet`, the same rows as columns.

Lines hold no times, so that equal runs have equal bytes. A value that is not a number is `null`.
*/

use super::{StoreError, files};
use parquet::basic::Compression;
use parquet::data_type::{ByteArray, ByteArrayType, DoubleType, Int32Type, Int64Type};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;
use realign::train::Row;
use serde::Deserialize;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;
use std::sync::Arc;

/// A row as stored.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Stored {
    /// Updates made before the row was measured.
    pub step: u64,
    /// The same in epochs.
    pub epoch: f64,
    /// The probe that measured it.
    pub probe: String,
    /// What was measured.
    pub name: String,
    /// Split, if it belongs to one.
    #[serde(default)]
    pub split: Option<String>,
    /// Weighted layer, counted from 0 at the input.
    #[serde(default)]
    pub layer: Option<usize>,
    /// Unit in the layer.
    #[serde(default)]
    pub unit: Option<usize>,
    /// The value; `None` if it was not a finite number.
    #[serde(default)]
    pub value: Option<f64>,
}

/// Appends rows and hands them to the system at once, so that others can follow the file.
pub(crate) struct Appender {
    file: File,
    buffer: Vec<u8>,
}

impl Appender {
    /// Opens `path`, keeping exactly the rows of steps up to `keep` (none for `None`).
    pub(crate) fn open(path: &Path, keep: Option<u64>) -> Result<Appender, StoreError> {
        let length = keep.map_or(Ok(0), |step| length_up_to(path, step))?;
        let open = || {
            let file = OpenOptions::new().create(true).append(true).open(path)?;
            // A device or pipe has no length to cut; only a regular file can hold rows of an earlier session.
            if file.metadata()?.is_file() {
                file.set_len(length)?;
            }
            Ok(file)
        };
        let file = open().map_err(StoreError::io("open", path))?;
        Ok(Appender { file, buffer: Vec::new() })
    }

    pub(crate) fn append(&mut self, rows: &[Row]) -> io::Result<()> {
        self.buffer.clear();
        for row in rows {
            serde_json::to_writer(&mut self.buffer, row)?;
            self.buffer.push(b'\n');
        }
        let file = &mut self.file;
        let before = file.metadata()?;
        file.write_all(&self.buffer).inspect_err(|_| {
            // On a full disk, rows are there as a whole or not at all; a device has no length to go back to.
            let _ = before.is_file() && file.set_len(before.len()).is_ok();
        })
    }

    /// Rows must be on disk before a checkpoint that promises them; returns their bytes.
    pub(crate) fn sync(&self) -> io::Result<u64> {
        let there = self.file.metadata()?;
        if there.is_file() {
            self.file.sync_data()?;
        }
        Ok(there.len())
    }
}

/// Bytes of the leading whole rows with steps up to `step`.
fn length_up_to(path: &Path, step: u64) -> Result<u64, StoreError> {
    let mut length = 0;
    scan(path, |row, end| {
        let wanted = row.step <= step;
        if wanted {
            length = end;
        }
        Ok(wanted)
    })?;
    Ok(length)
}

/// Calls `each` with every row and the byte at which it ends, until it says false; a cut last line is left out.
fn scan(
    path: &Path,
    mut each: impl FnMut(Stored, u64) -> Result<bool, StoreError>,
) -> Result<(), StoreError> {
    let file = match File::open(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other.map_err(StoreError::io("read", path))?,
    };
    let (mut reader, mut line, mut end, mut number) = (BufReader::new(file), Vec::new(), 0u64, 0usize);
    loop {
        line.clear();
        let read = reader.read_until(b'\n', &mut line).map_err(StoreError::io("read", path))?;
        if read == 0 || line.last() != Some(&b'\n') {
            return Ok(());
        }
        (end, number) = (end + read as u64, number + 1);
        match serde_json::from_slice::<Stored>(line.trim_ascii_end()) {
            Ok(row) => {
                if !each(row, end)? {
                    return Ok(());
                }
            }
            // A machine that lost power may leave a broken tail with a line end in it.
            Err(_) if reader.fill_buf().is_ok_and(<[u8]>::is_empty) => return Ok(()),
            Err(e) => {
                return Err(StoreError::json(path, Some(number), &e));
            }
        }
    }
}

/// Loss before the first step on each split that the probe `accuracy` looked at, in the order of the rows; empty if it did not.
///
/// # Errors
/// If it cannot be read.
pub(crate) fn first_losses(path: &Path) -> Result<Vec<(String, f64)>, StoreError> {
    let mut losses = Vec::new();
    scan(path, |row, _| {
        let first = row.step == 0;
        if let (true, "accuracy", "loss", Some(split), Some(value)) =
            (first, row.probe.as_str(), row.name.as_str(), row.split, row.value)
        {
            losses.push((split, value));
        }
        Ok(first)
    })?;
    Ok(losses)
}

/// All whole rows of a `metrics.jsonl`.
///
/// # Errors
/// If it cannot be read, or a line before the last is damaged.
pub fn read(path: &Path) -> Result<Vec<Stored>, StoreError> {
    let mut rows = Vec::new();
    scan(path, |row, _| {
        rows.push(row);
        Ok(true)
    })?;
    Ok(rows)
}

const SCHEMA: &str = "message metrics {
    REQUIRED INT64 step; REQUIRED DOUBLE epoch; REQUIRED BYTE_ARRAY probe (UTF8); REQUIRED BYTE_ARRAY name (UTF8);
    OPTIONAL BYTE_ARRAY split (UTF8); OPTIONAL INT32 layer; OPTIONAL INT32 unit; OPTIONAL DOUBLE value; }";

/// Rows per row group: bounds the memory of writing.
const GROUP: usize = 250_000;

/// Writes the rows of `from` as columns into `to`; returns their number.
pub(crate) fn to_parquet(from: &Path, to: &Path) -> Result<usize, StoreError> {
    let rows = read(from)?;
    // Packed in memory first: what the disk says must not come back wrapped into an error of the format.
    let bytes = columns(&rows).map_err(|e| StoreError::io("pack", to)(io::Error::other(e)))?;
    files::write(to, &bytes)?;
    Ok(rows.len())
}

fn columns(rows: &[Stored]) -> parquet::errors::Result<Vec<u8>> {
    let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
    let schema = Arc::new(parse_message_type(SCHEMA)?);
    let mut writer = SerializedFileWriter::new(Vec::new(), schema, Arc::new(properties))?;
    for rows in rows.chunks(GROUP) {
        let mut group = writer.next_row_group()?;
        required::<Int64Type, _>(&mut group, rows, |r| r.step as i64)?;
        required::<DoubleType, _>(&mut group, rows, |r| r.epoch)?;
        required::<ByteArrayType, _>(&mut group, rows, |r| ByteArray::from(r.probe.as_str()))?;
        required::<ByteArrayType, _>(&mut group, rows, |r| ByteArray::from(r.name.as_str()))?;
        optional::<ByteArrayType, _>(&mut group, rows, |r| r.split.as_deref().map(ByteArray::from))?;
        optional::<Int32Type, _>(&mut group, rows, |r| r.layer.map(|i| i as i32))?;
        optional::<Int32Type, _>(&mut group, rows, |r| r.unit.map(|i| i as i32))?;
        optional::<DoubleType, _>(&mut group, rows, |r| r.value)?;
        group.close()?;
    }
    writer.into_inner()
}

type Group<'a, W> = SerializedRowGroupWriter<'a, W>;

fn required<T: parquet::data_type::DataType, W: Write + Send>(
    group: &mut Group<'_, W>,
    rows: &[Stored],
    get: impl Fn(&Stored) -> T::T,
) -> parquet::errors::Result<()> {
    let values: Vec<T::T> = rows.iter().map(get).collect();
    let mut column = group.next_column()?.expect("a column of the schema");
    column.typed::<T>().write_batch(&values, None, None)?;
    column.close()
}

fn optional<T: parquet::data_type::DataType, W: Write + Send>(
    group: &mut Group<'_, W>,
    rows: &[Stored],
    get: impl Fn(&Stored) -> Option<T::T>,
) -> parquet::errors::Result<()> {
    let all: Vec<Option<T::T>> = rows.iter().map(get).collect();
    let present: Vec<i16> = all.iter().map(|v| i16::from(v.is_some())).collect();
    let values: Vec<T::T> = all.into_iter().flatten().collect();
    let mut column = group.next_column()?.expect("a column of the schema");
    column.typed::<T>().write_batch(&values, Some(&present), None)?;
    column.close()
}
