//! Writing tables as Parquet: required columns, one page a column and row group, PLAIN values, GZIP; the metadata in Thrift's compact
//! protocol. A reader of ten times as much code is not worth a dependency for one table; a test reads it back with one.
//!
//! Format: <https://parquet.apache.org/docs/file-format/>, field numbers from its `parquet.thrift`.

use std::io::{self, Write};

use miniz_oxide::deflate::compress_to_vec;

const MAGIC: &[u8; 4] = b"PAR1";
/// `CompressionCodec.GZIP`.
const GZIP: i64 = 2;
/// `Encoding.PLAIN` and `Encoding.RLE`.
const PLAIN: i64 = 0;
const RLE: i64 = 3;

/// What a column's values are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// UTF-8 text.
    Text,
    /// A whole number from 0.
    U64,
    /// A number.
    F64,
}

impl Kind {
    /// `Type`.
    fn physical(self) -> i64 {
        match self {
            Kind::U64 => 2,
            Kind::F64 => 5,
            Kind::Text => 6,
        }
    }
}

/// A value of a row.
#[derive(Clone, Copy, Debug)]
pub enum Value<'a> {
    /// Of a column of [`Kind::Text`].
    Text(&'a str),
    /// Of a column of [`Kind::U64`].
    U64(u64),
    /// Of a column of [`Kind::F64`].
    F64(f64),
}

/// Where a column of a row group lies.
struct Chunk {
    offset: u64,
    raw: u64,
    packed: u64,
}

struct Group {
    rows: u64,
    chunks: Vec<Chunk>,
}

/// A table on its way into a file.
pub struct Table<W: Write> {
    file: W,
    at: u64,
    columns: Vec<(&'static str, Kind)>,
    /// The values of the group that is being filled.
    pages: Vec<Vec<u8>>,
    rows: u64,
    groups: Vec<Group>,
    rows_a_group: u64,
}

impl<W: Write> Table<W> {
    /// Begins a file with these columns; so many rows are in memory before they are written.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn begin(mut file: W, columns: Vec<(&'static str, Kind)>, rows_a_group: u64) -> io::Result<Self> {
        file.write_all(MAGIC)?;
        let pages = columns.iter().map(|_| Vec::new()).collect();
        Ok(Self { file, at: MAGIC.len() as u64, columns, pages, rows: 0, groups: Vec::new(), rows_a_group })
    }

    /// Adds a row, a value for each column.
    ///
    /// # Errors
    /// A value is not of its column's kind, or the file cannot be written.
    pub fn row(&mut self, values: &[Value<'_>]) -> io::Result<()> {
        debug_assert_eq!(values.len(), self.columns.len());
        for ((page, (name, kind)), value) in self.pages.iter_mut().zip(&self.columns).zip(values) {
            match (kind, value) {
                (Kind::Text, Value::Text(text)) => {
                    page.extend((text.len() as u32).to_le_bytes());
                    page.extend(text.as_bytes());
                }
                (Kind::U64, Value::U64(number)) => page.extend(number.to_le_bytes()),
                (Kind::F64, Value::F64(number)) => page.extend(number.to_le_bytes()),
                _ => return Err(io::Error::other(format!("{value:?} in the column {name} of {kind:?}"))),
            }
        }
        self.rows += 1;
        if self.rows == self.rows_a_group { self.end_group() } else { Ok(()) }
    }

    fn end_group(&mut self) -> io::Result<()> {
        if self.rows == 0 {
            return Ok(());
        }
        let mut chunks = Vec::with_capacity(self.pages.len());
        for page in &mut self.pages {
            let packed = gzip(page);
            let too_large = |_| io::Error::other("a page of the table is larger than 2 GiB");
            let (raw, size) =
                (i32::try_from(page.len()).map_err(too_large)?, i32::try_from(packed.len()).map_err(too_large)?);
            page.clear();
            let mut head = Thrift::default();
            head.int(1, 0);
            head.int(2, raw.into());
            head.int(3, size.into());
            head.open(5);
            head.int(1, self.rows as i64);
            head.int(2, PLAIN);
            head.int(3, RLE);
            head.int(4, RLE);
            head.close();
            let head = head.end();
            self.file.write_all(&head)?;
            self.file.write_all(&packed)?;
            let chunk =
                Chunk { offset: self.at, raw: head.len() as u64 + raw as u64, packed: head.len() as u64 + size as u64 };
            self.at += chunk.packed;
            chunks.push(chunk);
        }
        self.groups.push(Group { rows: self.rows, chunks });
        self.rows = 0;
        Ok(())
    }

    /// Ends the file, with a few texts about it; the last of them are the last bytes but a few.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn end(mut self, about: &[(&str, &str)]) -> io::Result<W> {
        self.end_group()?;
        let footer = self.footer(about);
        self.file.write_all(&footer)?;
        self.file.write_all(&(footer.len() as u32).to_le_bytes())?;
        self.file.write_all(MAGIC)?;
        self.file.flush()?;
        Ok(self.file)
    }

    /// `FileMetaData`.
    fn footer(&self, about: &[(&str, &str)]) -> Vec<u8> {
        let mut out = Thrift::default();
        out.int(1, 1);
        out.list(2, STRUCT, self.columns.len() + 1);
        out.item(|root| {
            root.text(4, "schema");
            root.int(5, self.columns.len() as i64);
        });
        for &(name, kind) in &self.columns {
            out.item(|element| schema(element, name, kind));
        }
        out.int64(3, self.groups.iter().map(|group| group.rows as i64).sum());
        out.list(4, STRUCT, self.groups.len());
        for group in &self.groups {
            out.item(|out| {
                out.list(1, STRUCT, group.chunks.len());
                for (chunk, &(name, kind)) in group.chunks.iter().zip(&self.columns) {
                    out.item(|out| column(out, chunk, name, kind, group.rows));
                }
                out.int64(2, group.chunks.iter().map(|chunk| chunk.raw as i64).sum());
                out.int64(3, group.rows as i64);
            });
        }
        out.list(5, STRUCT, about.len());
        for (key, value) in about {
            out.item(|pair| {
                pair.text(1, key);
                pair.text(2, value);
            });
        }
        out.text(6, "tadne");
        out.end()
    }
}

/// `SchemaElement`.
fn schema(out: &mut Thrift, name: &str, kind: Kind) {
    out.int(1, kind.physical());
    out.int(3, 0);
    out.text(4, name);
    // Both the older spelling of the meaning (`ConvertedType`) and the newer one (`LogicalType`).
    match kind {
        Kind::Text => {
            out.int(6, 0);
            out.open(10);
            out.open(1);
            out.close();
            out.close();
        }
        Kind::U64 => {
            out.int(6, 14);
            out.open(10);
            out.open(10);
            out.byte(1, 64);
            out.no(2);
            out.close();
            out.close();
        }
        Kind::F64 => {}
    }
}

/// `ColumnChunk` with its `ColumnMetaData`.
fn column(out: &mut Thrift, chunk: &Chunk, name: &str, kind: Kind, rows: u64) {
    out.int64(2, 0);
    out.open(3);
    out.int(1, kind.physical());
    out.list(2, INT, 2);
    out.plain(PLAIN);
    out.plain(RLE);
    out.list(3, BINARY, 1);
    out.bytes(name);
    out.int(4, GZIP);
    out.int64(5, rows as i64);
    out.int64(6, chunk.raw as i64);
    out.int64(7, chunk.packed as i64);
    out.int64(9, chunk.offset as i64);
    out.close();
}

const INT: u8 = 5;
const LONG: u8 = 6;
const BINARY: u8 = 8;
const STRUCT: u8 = 12;

/// A structure in Thrift's compact protocol.
#[derive(Default)]
struct Thrift {
    out: Vec<u8>,
    /// The last field's number, of this structure.
    last: u8,
    /// Last field numbers of the enclosing structures.
    around: Vec<u8>,
}

impl Thrift {
    /// The fields are in rising order, fewer than 16 apart.
    fn field(&mut self, number: u8, kind: u8) {
        self.out.push(((number - self.last) << 4) | kind);
        self.last = number;
    }

    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.out.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.out.push(value as u8);
    }

    /// A number as it stands in lists.
    fn plain(&mut self, value: i64) {
        self.varint(((value << 1) ^ (value >> 63)) as u64);
    }

    fn int(&mut self, number: u8, value: i64) {
        self.field(number, INT);
        self.plain(value);
    }

    fn int64(&mut self, number: u8, value: i64) {
        self.field(number, LONG);
        self.plain(value);
    }

    fn byte(&mut self, number: u8, value: u8) {
        self.field(number, 3);
        self.out.push(value);
    }

    fn no(&mut self, number: u8) {
        self.field(number, 2);
    }

    fn bytes(&mut self, text: &str) {
        self.varint(text.len() as u64);
        self.out.extend(text.as_bytes());
    }

    fn text(&mut self, number: u8, text: &str) {
        self.field(number, BINARY);
        self.bytes(text);
    }

    fn list(&mut self, number: u8, kind: u8, length: usize) {
        self.field(number, 9);
        if length < 15 {
            self.out.push(((length as u8) << 4) | kind);
        } else {
            self.out.push(0xf0 | kind);
            self.varint(length as u64);
        }
    }

    /// A structure of a list.
    fn item(&mut self, fill: impl FnOnce(&mut Self)) {
        self.around.push(std::mem::take(&mut self.last));
        fill(self);
        self.close();
    }

    fn open(&mut self, number: u8) {
        self.field(number, STRUCT);
        self.around.push(std::mem::take(&mut self.last));
    }

    fn close(&mut self) {
        self.out.push(0);
        self.last = self.around.pop().unwrap_or_default();
    }

    fn end(mut self) -> Vec<u8> {
        self.out.push(0);
        self.out
    }
}

/// RFC 1952: one member, no name, no time. The compressor is named here and not left to `flate2`, which takes another one in programs where a
/// dependency asks for that: tables have the same bytes whichever program writes them.
fn gzip(bytes: &[u8]) -> Vec<u8> {
    const FAST: u8 = 1;
    // Deflate, no flags, no time, written by the fastest way, on no system in particular.
    let mut packed = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 4, 255];
    packed.extend(compress_to_vec(bytes, FAST));
    packed.extend(crc32fast::hash(bytes).to_le_bytes());
    packed.extend((bytes.len() as u32).to_le_bytes());
    packed
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use parquet::file::reader::{FileReader, SerializedFileReader};
    use parquet::record::Field;

    use super::*;

    #[test]
    fn a_table_of_several_groups_reads_back_with_another_reader() {
        let columns = vec![("path", Kind::Text), ("seed", Kind::U64), ("psi", Kind::F64)];
        let mut table = Table::begin(Vec::new(), columns, 100).unwrap();
        let rows: Vec<(String, u64, f64)> =
            (0..2345u64).map(|n| (format!("results/é{n}"), u64::MAX - n, n as f64 / 10.0)).collect();
        for (path, seed, psi) in &rows {
            table.row(&[Value::Text(path), Value::U64(*seed), Value::F64(*psi)]).unwrap();
        }
        let file: Bytes = table.end(&[("kind", "a test"), ("records", "abc")]).unwrap().into();
        let reader = SerializedFileReader::new(file).unwrap();
        let about = reader.metadata().file_metadata();
        assert_eq!((about.num_rows(), reader.num_row_groups()), (2345, 24));
        let pairs: Vec<_> = about.key_value_metadata().unwrap().iter().map(|pair| pair.key.clone()).collect();
        assert_eq!(pairs, ["kind", "records"]);
        let read: Vec<_> = reader
            .get_row_iter(None)
            .unwrap()
            .map(|row| row.unwrap().into_columns().into_iter().map(|(_, field)| field).collect::<Vec<_>>())
            .collect();
        let expected: Vec<_> = rows
            .into_iter()
            .map(|(path, seed, psi)| vec![Field::Str(path), Field::ULong(seed), Field::Double(psi)])
            .collect();
        assert_eq!(read, expected);
    }

    #[test]
    fn pages_have_the_same_bytes_in_every_program() {
        let text = b"results/psi-1.0/seed00042.webp results/psi-1.0/seed00043.webp";
        let packed = [
            31, 139, 8, 0, 0, 0, 0, 0, 4, 255, 117, 201, 203, 13, 0, 16, 16, 4, 208, 86, 52, 192, 174, 79, 69, 98, 14,
            18, 135, 141, 33, 218, 151, 184, 59, 191, 9, 238, 177, 40, 198, 238, 99, 80, 33, 208, 84, 181, 164, 112,
            80, 205, 253, 56, 63, 190, 229, 142, 236, 167, 61, 0, 0, 0,
        ];
        assert_eq!(gzip(text), packed);
    }

    #[test]
    fn a_table_without_rows_is_one_too_and_a_wrong_value_is_an_error() {
        let table = Table::begin(Vec::new(), vec![("path", Kind::Text)], 100).unwrap();
        let file: Bytes = table.end(&[]).unwrap().into();
        let reader = SerializedFileReader::new(file).unwrap();
        assert_eq!((reader.metadata().file_metadata().num_rows(), reader.num_row_groups()), (0, 0));
        let mut table = Table::begin(Vec::new(), vec![("path", Kind::Text)], 100).unwrap();
        assert!(table.row(&[Value::U64(1)]).is_err());
    }
}
