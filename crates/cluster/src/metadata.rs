//! Metadata of a collection, asked by SQL: one process, DataFusion in it.

use std::collections::HashSet;
use std::fs::canonicalize;
use std::path::Path;

use anyhow::{Context, bail, ensure};
use datafusion::arrow::array::AsArray;
use datafusion::arrow::datatypes::DataType;
use datafusion::dataframe::DataFrame;
use datafusion::datasource::file_format::file_compression_type::FileCompressionType;
use datafusion::logical_expr::cast;
use datafusion::physical_plan::SendableRecordBatchStream;
use datafusion::prelude::{JsonReadOptions, ParquetReadOptions, SessionContext, ident};
use futures_util::TryStreamExt;

/// The values of a column, as text, of the rows of a file for which a condition holds. No row stays in memory.
///
/// # Errors
/// The file cannot be read or is of another kind, it has no such column, or the condition is none.
pub(crate) async fn column(file: &Path, id: &str, condition: Option<&str>) -> anyhow::Result<HashSet<String>> {
    let context = SessionContext::new();
    let mut rows = open(&context, file).await.with_context(|| format!("cannot read {}", file.display()))?;
    let columns: Vec<_> = rows.schema().fields().iter().map(|field| field.name().as_str()).collect();
    ensure!(columns.contains(&id), "{} has no column {id:?}; --id takes one of {}", file.display(), columns.join(", "));
    if let Some(condition) = condition {
        let wrong = || format!("--where {condition:?} is no condition on {}", file.display());
        let condition = rows.parse_sql_expr(condition).with_context(wrong)?;
        rows = rows.filter(condition).with_context(wrong)?;
    }
    let values = rows.select(vec![cast(ident(id), DataType::Utf8)])?;
    let stream = values.execute_stream().await?;
    collect(stream).await.with_context(|| format!("cannot read {}", file.display()))
}

async fn collect(mut stream: SendableRecordBatchStream) -> anyhow::Result<HashSet<String>> {
    let mut values = HashSet::new();
    while let Some(batch) = stream.try_next().await? {
        values.extend(batch.column(0).as_string::<i32>().iter().flatten().map(str::to_owned));
    }
    Ok(values)
}

/// Reads nothing but what says which columns there are.
async fn open(context: &SessionContext, file: &Path) -> anyhow::Result<DataFrame> {
    let path = canonicalize(file)?;
    let path = path.to_str().context("its path is no Unicode text; rename it")?;
    let name = path.rsplit('/').next().unwrap_or(path);
    let (stem, compression) = match name.rsplit_once('.') {
        Some((stem, "gz")) => (stem, FileCompressionType::GZIP),
        Some((stem, "bz2")) => (stem, FileCompressionType::BZIP2),
        Some((stem, "xz")) => (stem, FileCompressionType::XZ),
        Some((stem, "zst")) => (stem, FileCompressionType::ZSTD),
        _ => (name, FileCompressionType::UNCOMPRESSED),
    };
    let ending = |name: &str| name.rsplit_once('.').map_or("", |(_, ending)| ending).to_ascii_lowercase();
    let extension = format!(".{}", name.rsplit_once('.').map_or("", |(_, ending)| ending));
    match ending(stem).as_str() {
        "parquet" if stem == name => {
            let options = ParquetReadOptions { file_extension: &extension, ..ParquetReadOptions::default() };
            Ok(context.read_parquet(path, options).await?)
        }
        "jsonl" | "ndjson" | "json" => {
            let options = JsonReadOptions {
                file_extension: &extension,
                file_compression_type: compression,
                // A column may be null for long before it shows what it is.
                schema_infer_max_records: usize::MAX,
                ..JsonReadOptions::default()
            };
            Ok(context.read_json(path, options).await?)
        }
        _ => bail!("its name must end in .jsonl or .parquet"),
    }
}
