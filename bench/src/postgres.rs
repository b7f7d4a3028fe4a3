//! Databases of the throw-away cluster that `scripts/bench` started.

use std::path::{Path, PathBuf};

use sqlx::{AssertSqlSafe, Connection, PgConnection};

use crate::Outcome;

/// The cluster.
#[derive(Debug)]
pub(crate) struct Cluster {
    /// Directory of its socket.
    pub(crate) socket: PathBuf,
    /// Directory of its programs.
    pub(crate) programs: PathBuf,
}

impl Cluster {
    /// The running cluster with its socket there.
    pub(crate) fn new(socket: &Path, programs: PathBuf) -> Self {
        Self { socket: socket.to_owned(), programs }
    }

    /// Makes an empty database; its URL.
    pub(crate) async fn create(&self, name: &str) -> Outcome<String> {
        execute(&self.url("postgres"), &format!("CREATE DATABASE {name}")).await?;
        Ok(self.url(name))
    }

    /// Where a database is, for Tessera and sqlx alike.
    pub(crate) fn url(&self, name: &str) -> String {
        let socket = self.socket.display();
        format!("postgres://postgres@localhost/{name}?host={socket}&port=5432&sslmode=disable")
    }

    /// Writes everything out, so that no measurement pays for what was before it.
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

/// The one number that a query answers.
pub(crate) async fn number(url: &str, sql: &str) -> Outcome<i64> {
    let mut connection = PgConnection::connect(url).await?;
    let number = sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(&mut connection).await?;
    connection.close().await?;
    Ok(number)
}
