//! Set-based writes that belong together: one statement on PostgreSQL, so that they cost one round trip, and one after
//! the other on SQLite, which is in this process.

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DbBackend, DbErr, Statement, Value};

use super::{Rows, Tx};

/// Writes to be done together, all of different tables, since PostgreSQL does them in no particular order. In each
/// `{rows}` stands for its rows, and `$1`, `$2` … for values that all of them share.
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

/// A condition upon which everything else is written: an `UPDATE` of one row that finds it as it should be, or not.
#[derive(Debug)]
pub(crate) struct Guard {
    /// The statement.
    pub(crate) sql: String,
    /// Its own values, which are numbered after the script's shared ones.
    pub(crate) values: Vec<Value>,
}

/// What became of a script behind a guard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct GuardedWrite {
    /// Whether the guard's row was written, and with it everything else; otherwise nothing was.
    pub(crate) applied: bool,
    /// The database's time when it got the statement.
    pub(crate) statement_time: DateTime<Utc>,
}

impl Script {
    /// A script that writes nothing yet. Every shared value must be used by some part that has rows, or by the guard:
    /// PostgreSQL wants to know what it is for.
    pub(crate) fn new(shared: Vec<Value>) -> Self {
        Self { shared, parts: Vec::new() }
    }

    /// Adds a write of the rows to the table; without rows there is nothing to write.
    #[must_use]
    pub(crate) fn with(mut self, table: &'static str, sql: &'static str, rows: Rows) -> Self {
        if !rows.is_empty() {
            self.parts.push(Part { table, sql, rows });
        }
        self
    }

    /// Writes everything.
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

    /// PostgreSQL only: writes everything or, if the guard does not hold, nothing, in one statement, which is a
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
        Ok(GuardedWrite { applied: row.try_get("", "applied")?, statement_time: row.try_get("", "statement_time")? })
    }

    /// The parts as a `WITH` list, and all values.
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
