//! Many rows in one statement whose text is constant, so that the database plans it once.
//!
//! PostgreSQL gets one array per column and applies `unnest`. SQLite gets one JSON text and applies `json_each`. The
//! statement around the rows is the same for both.

use chrono::{DateTime, SecondsFormat, Utc};
use sea_orm::{ConnectionTrait, DbBackend, DbErr, Statement, Value};
use uuid::Uuid;

use super::Tx;

/// Rows for a set-based statement, stored by column. All columns have the same length.
#[derive(Debug, Default)]
pub struct Rows {
    columns: Vec<(&'static str, Cells)>,
}

#[derive(Debug)]
enum Cells {
    Int(Vec<i32>),
    Long(Vec<i64>),
    Text(Vec<String>),
    Bytes(Vec<Vec<u8>>),
    Uuid(Vec<Uuid>),
    /// The nil UUID stands for null, because the driver's arrays cannot contain nulls. No row has that id.
    OptionalUuid(Vec<Uuid>),
    Time(Vec<DateTime<Utc>>),
    /// The Unix epoch stands for null.
    OptionalTime(Vec<DateTime<Utc>>),
}

impl Rows {
    /// Adds a column of 32-bit integers. The database's integers are signed; larger values are stored as the maximum.
    #[must_use]
    pub fn int(self, name: &'static str, cells: impl IntoIterator<Item = u32>) -> Self {
        let cells = cells.into_iter().map(|cell| i32::try_from(cell).unwrap_or(i32::MAX));
        self.with(name, Cells::Int(cells.collect()))
    }

    /// Adds a column of 64-bit integers.
    #[must_use]
    pub fn long(self, name: &'static str, cells: impl IntoIterator<Item = i64>) -> Self {
        self.with(name, Cells::Long(cells.into_iter().collect()))
    }

    /// Adds a column of text.
    #[must_use]
    pub fn text(self, name: &'static str, cells: impl IntoIterator<Item = String>) -> Self {
        self.with(name, Cells::Text(cells.into_iter().collect()))
    }

    /// Adds a column of bytes.
    #[must_use]
    pub fn bytes(self, name: &'static str, cells: impl IntoIterator<Item = Vec<u8>>) -> Self {
        self.with(name, Cells::Bytes(cells.into_iter().collect()))
    }

    /// Adds a column of UUIDs.
    #[must_use]
    pub fn uuid(self, name: &'static str, cells: impl IntoIterator<Item = Uuid>) -> Self {
        self.with(name, Cells::Uuid(cells.into_iter().collect()))
    }

    /// Adds a column of optional UUIDs.
    #[must_use]
    pub fn optional_uuid(self, name: &'static str, cells: impl IntoIterator<Item = Option<Uuid>>) -> Self {
        let cells = cells.into_iter().map(Option::unwrap_or_default);
        self.with(name, Cells::OptionalUuid(cells.collect()))
    }

    /// Adds a column of times.
    #[must_use]
    pub fn time(self, name: &'static str, cells: impl IntoIterator<Item = DateTime<Utc>>) -> Self {
        self.with(name, Cells::Time(cells.into_iter().collect()))
    }

    /// Adds a column of optional times.
    #[must_use]
    pub fn optional_time(
        self,
        name: &'static str,
        cells: impl IntoIterator<Item = Option<DateTime<Utc>>>,
    ) -> Self {
        let cells = cells.into_iter().map(Option::unwrap_or_default);
        self.with(name, Cells::OptionalTime(cells.collect()))
    }

    fn with(mut self, name: &'static str, cells: Cells) -> Self {
        debug_assert!(self.columns.is_empty() || self.len() == cells.len(), "columns are equally long");
        self.columns.push((name, cells));
        self
    }

    /// Returns the number of rows.
    pub fn len(&self) -> usize {
        self.columns.first().map_or(0, |(_, cells)| cells.len())
    }

    /// Returns whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Runs the statement. In it, `{rows}` is a table of these rows, and `$1`, `$2` … are `values`. Returns the number
    /// of affected rows. Without rows, sends nothing to the database.
    pub async fn execute(self, tx: &Tx, sql: &str, values: Vec<Value>) -> Result<u64, DbErr> {
        if self.is_empty() {
            return Ok(0);
        }
        Ok(tx.execute_raw(self.statement(tx.get_database_backend(), sql, values)).await?.rows_affected())
    }

    /// Returns the statement, for callers that read its result rows.
    pub fn statement(self, backend: DbBackend, sql: &str, mut values: Vec<Value>) -> Statement {
        let table = if backend == DbBackend::Postgres {
            self.unnested(values.len(), "")
        } else {
            format!("(SELECT {} FROM json_each(${}))", self.extractions(), values.len() + 1)
        };
        if backend == DbBackend::Postgres {
            values.extend(self.into_arrays());
        } else {
            values.push(self.json().into());
        }
        Statement::from_sql_and_values(backend, sql.replace("{rows}", &table), values)
    }

    /// Returns the columns as PostgreSQL arrays.
    pub(super) fn into_arrays(self) -> impl Iterator<Item = Value> {
        self.columns.into_iter().map(|(_, cells)| cells.into_array())
    }

    /// Returns the rows as a table of PostgreSQL arrays, with a condition. The arrays' parameters follow `before` other
    /// values.
    pub(super) fn unnested(&self, before: usize, condition: &str) -> String {
        let names: Vec<&str> = self.columns.iter().map(|(name, _)| *name).collect();
        let select = self.columns.iter().map(|(name, cells)| match cells {
            Cells::OptionalUuid(_) => {
                format!("NULLIF({name}, '00000000-0000-0000-0000-000000000000'::uuid) AS {name}")
            }
            Cells::OptionalTime(_) => {
                format!("NULLIF({name}, '1970-01-01T00:00:00Z'::timestamptz) AS {name}")
            }
            Cells::Int(_)
            | Cells::Long(_)
            | Cells::Text(_)
            | Cells::Bytes(_)
            | Cells::Uuid(_)
            | Cells::Time(_) => (*name).to_owned(),
        });
        let arrays = self
            .columns
            .iter()
            .zip(before + 1..)
            .map(|((_, cells), index)| format!("${index}::{}[]", cells.postgres_type()));
        format!(
            "(SELECT {} FROM unnest({}) AS given ({}){condition})",
            join(select),
            join(arrays),
            names.join(", ")
        )
    }

    /// Returns the expressions that extract the columns from a JSON row.
    fn extractions(&self) -> String {
        join(self.columns.iter().enumerate().map(|(index, (name, cells))| match cells {
            Cells::Bytes(_) | Cells::Uuid(_) | Cells::OptionalUuid(_) => {
                format!("unhex(value ->> {index}) AS {name}")
            }
            Cells::Int(_) | Cells::Long(_) | Cells::Text(_) | Cells::Time(_) | Cells::OptionalTime(_) => {
                format!("value ->> {index} AS {name}")
            }
        }))
    }

    fn json(&self) -> String {
        let row = |index| self.columns.iter().map(|(_, cells)| cells.json(index)).collect();
        serde_json::Value::Array((0..self.len()).map(row).collect()).to_string()
    }
}

impl Cells {
    fn len(&self) -> usize {
        match self {
            Self::Int(cells) => cells.len(),
            Self::Long(cells) => cells.len(),
            Self::Text(cells) => cells.len(),
            Self::Bytes(cells) => cells.len(),
            Self::Uuid(cells) | Self::OptionalUuid(cells) => cells.len(),
            Self::Time(cells) | Self::OptionalTime(cells) => cells.len(),
        }
    }

    fn postgres_type(&self) -> &'static str {
        match self {
            Self::Int(_) => "int4",
            Self::Long(_) => "int8",
            Self::Text(_) => "text",
            Self::Bytes(_) => "bytea",
            Self::Uuid(_) | Self::OptionalUuid(_) => "uuid",
            Self::Time(_) | Self::OptionalTime(_) => "timestamptz",
        }
    }

    fn into_array(self) -> Value {
        match self {
            Self::Int(cells) => cells.into(),
            Self::Long(cells) => cells.into(),
            Self::Text(cells) => cells.into(),
            Self::Bytes(cells) => cells.into(),
            Self::Uuid(cells) | Self::OptionalUuid(cells) => cells.into(),
            Self::Time(cells) | Self::OptionalTime(cells) => cells.into(),
        }
    }

    /// Returns a cell as JSON for SQLite: bytes as hexadecimal digits, times in the driver's format.
    fn json(&self, index: usize) -> serde_json::Value {
        match self {
            Self::Int(cells) => cells[index].into(),
            Self::Long(cells) => cells[index].into(),
            Self::Text(cells) => cells[index].as_str().into(),
            Self::Bytes(cells) => hex(&cells[index]).into(),
            Self::OptionalUuid(cells) if cells[index].is_nil() => serde_json::Value::Null,
            Self::Uuid(cells) | Self::OptionalUuid(cells) => hex(cells[index].as_bytes()).into(),
            Self::OptionalTime(cells) if cells[index] == DateTime::UNIX_EPOCH => serde_json::Value::Null,
            Self::Time(cells) | Self::OptionalTime(cells) => {
                cells[index].to_rfc3339_opts(SecondsFormat::AutoSi, false).into()
            }
        }
    }
}

fn join(parts: impl Iterator<Item = String>) -> String {
    parts.collect::<Vec<_>>().join(", ")
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}
