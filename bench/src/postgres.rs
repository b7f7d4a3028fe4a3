//! Databases in the temporary cluster that `scripts/bench` starts.

use std::path::{Path, PathBuf};

use sqlx::{AssertSqlSafe, Connection, PgConnection};

use crate::Outcome;

/// The cluster.
#[derive(Debug)]
pub(crate) struct Cluster {
    /// The directory of its socket.
    pub(crate) socket: PathBuf,
    /// The directory of its programs.
    pub(crate) programs: PathBuf,
}

impl Cluster {
    /// Describes the running cluster with this socket.
    pub(crate) fn new(socket: &Path, programs: PathBuf) -> Self {
        Self { socket: socket.to_owned(), programs }
    }

    /// Creates an empty database. Returns its URL.
    pub(crate) async fn create(&self, name: &str) -> Outcome<String> {
        execute(&self.url("postgres"), &format!("CREATE DATABASE {name}")).await?;
        Ok(self.url(name))
    }

    /// Returns the URL of a database for Tessera and sqlx.
    pub(crate) fn url(&self, name: &str) -> String {
        let socket = self.socket.display();
        format!("postgres://postgres@localhost/{name}?host={socket}&port=5432&sslmode=disable")
    }

    /// Runs a checkpoint, so that no measurement pays for earlier writes.
    pub(crate) async fn settle(&self) -> Outcome<()> {
        execute(&self.url("postgres"), "CHECKPOINT").await
    }
}

/// Runs statements.
pub(crate) async fn execute(url: &str, sql: &str) -> Outcome<()> {
    let mut connection = PgConnection::connect(url).await?;
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await?;
    Ok(connection.close().await?)
}

/// Returns the single number of a query.
pub(crate) async fn number(url: &str, sql: &str) -> Outcome<i64> {
    let mut connection = PgConnection::connect(url).await?;
    let number = sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(&mut connection).await?;
    connection.close().await?;
    Ok(number)
}
