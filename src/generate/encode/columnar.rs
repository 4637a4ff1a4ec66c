//! Parquet with our column names: text as strings, instants as microseconds in UTC, time in workflow as doubles.

use std::io::Write;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Builder, StringViewBuilder, TimestampMicrosecondBuilder};
use arrow::record_batch::RecordBatch;
use parquet::arrow::arrow_writer::{ArrowWriter, ArrowWriterOptions};
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;

use crate::error::{Error, Result};
use crate::generate::row::{Row, Value};
use crate::schema::{COLUMNS, Kind, sessions_schema};

/// Rows of a row group. 65,536 rows of about 1 KB are held while one is written.
const ROW_GROUP_ROWS: usize = 65_536;

enum Builder {
    Text(StringViewBuilder),
    Instant(TimestampMicrosecondBuilder),
    Seconds(Float64Builder),
}

/// The columns of a chunk while it grows.
pub(super) struct Columns {
    builders: Vec<Builder>,
}

impl Default for Columns {
    fn default() -> Self {
        let builders = COLUMNS.iter().map(|column| match column.kind {
            Kind::Text | Kind::Json => Builder::Text(StringViewBuilder::new()),
            Kind::Timestamp => Builder::Instant(TimestampMicrosecondBuilder::new().with_timezone("UTC")),
            Kind::Seconds => Builder::Seconds(Float64Builder::new()),
        });
        Self { builders: builders.collect() }
    }
}

impl Columns {
    /// Appends a row.
    pub(super) fn row(&mut self, row: &Row<'_>) {
        for (builder, value) in self.builders.iter_mut().zip(row.values()) {
            match builder {
                Builder::Text(builder) => builder.append_option(match value {
                    Value::Text(text) | Value::Object(text) => Some(text),
                    Value::Null | Value::Instant(_) | Value::Milliseconds(_) => None,
                }),
                Builder::Instant(builder) => builder.append_option(match value {
                    Value::Instant(instant_us) => Some(instant_us),
                    _ => None,
                }),
                // The quotient is the double nearest to the decimal that text formats write.
                Builder::Seconds(builder) => builder.append_option(match value {
                    Value::Milliseconds(milliseconds) => Some(milliseconds as f64 / 1000.0),
                    _ => None,
                }),
            }
        }
    }

    /// Returns the rows.
    ///
    /// # Errors
    /// Columns that do not fit the schema, which is a defect.
    pub(super) fn finish(self) -> Result<RecordBatch> {
        let columns = self.builders.into_iter().map(|builder| match builder {
            Builder::Text(mut builder) => Arc::new(builder.finish()) as ArrayRef,
            Builder::Instant(mut builder) => Arc::new(builder.finish()),
            Builder::Seconds(mut builder) => Arc::new(builder.finish()),
        });
        Ok(RecordBatch::try_new(sessions_schema(), columns.collect())?)
    }
}

/// Opens a Parquet file for chunks: zstd, and without Arrow's own schema, so that every reader sees plain strings.
///
/// # Errors
/// A schema that Parquet cannot hold, which is a defect.
pub(crate) fn parquet_writer<W: Write + Send>(out: W) -> Result<ArrowWriter<W>> {
    let level = ZstdLevel::try_new(1).map_err(Error::internal)?;
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(level))
        .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
        .set_created_by("sessionlake generate".to_owned())
        .build();
    let options = ArrowWriterOptions::new().with_properties(properties).with_skip_arrow_metadata(true);
    ArrowWriter::try_new_with_options(out, sessions_schema(), options).map_err(Error::internal)
}
