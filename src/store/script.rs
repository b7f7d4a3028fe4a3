//! Set-based writes that belong together. On PostgreSQL they are one statement and one round trip. On SQLite, which
//! runs in this process, they run one after the other.

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DbBackend, DbErr, Statement, Value};

use super::{Rows, Tx};

/// Writes to different tables that run together. PostgreSQL runs them in no particular order. In each, `{rows}` is a
/// table of its rows, and `$1`, `$2` … are values shared by all.
#[derive(Debug)]
pub(crate) struct Script {
    shared: Vec<Value>,
    parts: Vec<Part>,
}

#[derive(Debug)]
struct Part {
    table: &'static str,
    sql: &'static str,
    rows: Rows,
}

/// A condition for all other writes: an `UPDATE` of one row that matches only if the row is in the expected state.
#[derive(Debug)]
pub(crate) struct Guard {
    /// The statement.
    pub(crate) sql: String,
    /// The values of the guard's statement. Their `$n` numbers follow those of the script's shared values.
    pub(crate) values: Vec<Value>,
}

/// The result of a script behind a guard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct GuardedWrite {
    /// Whether the guard matched and everything was written. Otherwise nothing was.
    pub(crate) applied: bool,
    /// The database's time when it received the statement.
    pub(crate) statement_time: DateTime<Utc>,
}

impl Script {
    /// Creates an empty script. Every shared value must be used by a part with rows or by the guard, because PostgreSQL
    /// must infer its type.
    pub(crate) fn new(shared: Vec<Value>) -> Self {
        Self { shared, parts: Vec::new() }
    }

    /// Adds a write of the rows to the table. Without rows, adds nothing.
    #[must_use]
    pub(crate) fn with(mut self, table: &'static str, sql: &'static str, rows: Rows) -> Self {
        if !rows.is_empty() {
            self.parts.push(Part { table, sql, rows });
        }
        self
    }

    /// Runs all writes.
    pub(crate) async fn run_in_tx(self, tx: &Tx) -> Result<(), DbErr> {
        if tx.get_database_backend() == DbBackend::Sqlite {
            for Part { sql, rows, .. } in self.parts {
                rows.execute(tx, sql, self.shared.clone()).await?;
            }
            return Ok(());
        }
        let (with, values) = self.together("");
        let sql = format!("WITH {with} SELECT true");
        tx.query_one_raw(Statement::from_sql_and_values(DbBackend::Postgres, sql, values)).await.map(|_| ())
    }

    /// PostgreSQL only: writes everything, or nothing if the guard does not match, in one statement. The statement is a
    /// transaction of its own unless the connection is in one.
    pub(crate) async fn run_behind(
        mut self,
        guard: Guard,
        connection: &impl ConnectionTrait,
    ) -> Result<GuardedWrite, DbErr> {
        self.shared.extend(guard.values);
        // Reading the guard's result makes it run first.
        let (with, values) = self.together(" WHERE EXISTS (SELECT FROM guard)");
        let sql = format!(
            "WITH guard AS ({} RETURNING true), {with} \
             SELECT EXISTS (SELECT FROM guard) AS applied, statement_timestamp() AS statement_time",
            guard.sql
        );
        let statement = Statement::from_sql_and_values(DbBackend::Postgres, sql, values);
        let row = connection.query_one_raw(statement).await?.ok_or(DbErr::RecordNotInserted)?;
        Ok(GuardedWrite {
            applied: row.try_get("", "applied")?,
            statement_time: row.try_get("", "statement_time")?,
        })
    }

    /// Returns the parts as a `WITH` list, and all values.
    fn together(self, condition: &str) -> (String, Vec<Value>) {
        let mut values = self.shared;
        let mut with = Vec::with_capacity(self.parts.len());
        for Part { table, sql, rows } in self.parts {
            let sql = sql.replace("{rows}", &rows.unnested(values.len(), condition));
            with.push(format!("to_{table} AS ({sql})"));
            values.extend(rows.into_arrays());
        }
        (with.join(", "), values)
    }
}
