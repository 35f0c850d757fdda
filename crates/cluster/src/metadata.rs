//! Metadata of a collection, asked by SQL: one process, DataFusion in it.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs::canonicalize;
use std::path::Path;

use anyhow::{Context, bail, ensure};
use datafusion::arrow::array::{Array, AsArray};
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
    let rows = open(&context, file).await.with_context(|| format!("cannot read {}", file.display()))?;
    let known = rows.schema().fields().iter().any(|field| field.name() == id);
    ensure!(known, "{} has no column {id:?}; --id takes one of {}", file.display(), columns(&rows));
    let rows = filtered(rows, condition, file)?;
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

/// Calls `each` with the values of columns, as text, of the rows of a file for which a condition holds. The first column must be there, the others may be missing.
///
/// # Errors
/// The file cannot be read or is of another kind, it does not have the first column, or the condition is none.
pub(crate) async fn texts<const N: usize>(
    file: &Path,
    names: [&str; N],
    condition: Option<&str>,
    mut each: impl FnMut([Option<&str>; N]),
) -> anyhow::Result<()> {
    let context = SessionContext::new();
    let rows = open(&context, file).await.with_context(|| format!("cannot read {}", file.display()))?;
    let has = |name: &str| rows.schema().fields().iter().any(|field| field.name() == name);
    let there = names.map(has);
    ensure!(there.first() == Some(&true), "{} has no column {:?}; it has {}", file.display(), names[0], columns(&rows));
    let rows = filtered(rows, condition, file)?;
    let wanted =
        names.iter().zip(there).filter(|(_, there)| *there).map(|(name, _)| cast(ident(*name), DataType::Utf8));
    let values = rows.select(wanted.collect::<Vec<_>>())?;
    let mut stream = values.execute_stream().await?;
    let cannot = || format!("cannot read {}", file.display());
    while let Some(batch) = stream.try_next().await.with_context(cannot)? {
        let mut columns = batch.columns().iter().map(AsArray::as_string::<i32>);
        let columns = there.map(|there| if there { columns.next() } else { None });
        for row in 0..batch.num_rows() {
            each(columns.map(|column| column.filter(|column| column.is_valid(row)).map(|column| column.value(row))));
        }
    }
    Ok(())
}

/// Whether a file's name is that of a table.
pub(crate) fn is_table(file: &Path) -> bool {
    let name = file.file_name().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    let stem = [".gz", ".bz2", ".xz", ".zst"].iter().find_map(|packed| name.strip_suffix(packed)).unwrap_or(&name);
    [".jsonl", ".ndjson", ".json", ".parquet"].iter().any(|ending| stem.ends_with(ending))
}

fn columns(rows: &DataFrame) -> String {
    rows.schema().fields().iter().map(|field| field.name().as_str()).collect::<Vec<_>>().join(", ")
}

fn filtered(rows: DataFrame, condition: Option<&str>, file: &Path) -> anyhow::Result<DataFrame> {
    let Some(condition) = condition else { return Ok(rows) };
    let wrong = || format!("--where {condition:?} is no condition on {}", file.display());
    let condition = rows.parse_sql_expr(condition).with_context(wrong)?;
    rows.filter(condition).with_context(wrong)
}

/// Reads nothing but what says which columns there are.
async fn open(context: &SessionContext, file: &Path) -> anyhow::Result<DataFrame> {
    let real = canonicalize(file)?;
    let path = real.to_str().context("its path is no Unicode text; rename it")?;
    // As it was given: what a link leads to may be called anything.
    let name = file.file_name().and_then(OsStr::to_str).unwrap_or_default();
    let (stem, compression) = match name.rsplit_once('.') {
        Some((stem, "gz")) => (stem, FileCompressionType::GZIP),
        Some((stem, "bz2")) => (stem, FileCompressionType::BZIP2),
        Some((stem, "xz")) => (stem, FileCompressionType::XZ),
        Some((stem, "zst")) => (stem, FileCompressionType::ZSTD),
        _ => (name, FileCompressionType::UNCOMPRESSED),
    };
    let ending = |name: &str| name.rsplit_once('.').map_or("", |(_, ending)| ending).to_ascii_lowercase();
    // Of a folder, its files that end like it.
    let of_folder = name.rsplit_once('.').filter(|_| real.is_dir());
    let extension = of_folder.map_or(String::new(), |(_, ending)| format!(".{ending}"));
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
