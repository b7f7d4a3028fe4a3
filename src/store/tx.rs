//! A transaction in progress, on either database.

use sea_orm::{ConnectionTrait, DbBackend, DbErr, ExecResult, QueryResult, Statement};

use super::{postgres::PostgresTx, sqlite::SqliteTx};

/// A transaction in progress, or a part of one that can be rolled back by itself. Dropping it rolls it back.
#[derive(Debug)]
pub struct Tx(Kind);

#[derive(Debug)]
enum Kind {
    Postgres(PostgresTx),
    Sqlite(SqliteTx),
}

impl Tx {
    pub(super) fn postgres(tx: PostgresTx) -> Self {
        Self(Kind::Postgres(tx))
    }

    pub(super) fn sqlite(tx: SqliteTx) -> Self {
        Self(Kind::Sqlite(tx))
    }

    /// Commits. If this fails, the transaction may have been committed all the same.
    pub async fn commit(self) -> Result<(), DbErr> {
        match self.0 {
            Kind::Postgres(tx) => tx.commit().await,
            Kind::Sqlite(tx) => tx.commit().await,
        }
    }

    /// Rolls back.
    pub async fn rollback(self) -> Result<(), DbErr> {
        match self.0 {
            Kind::Postgres(tx) => tx.rollback().await,
            Kind::Sqlite(tx) => tx.rollback().await,
        }
    }

    /// Begins a part of the transaction that can be rolled back by itself.
    pub(super) async fn savepoint(&self) -> Result<Self, DbErr> {
        match &self.0 {
            Kind::Postgres(tx) => tx.savepoint().await.map(Self::postgres),
            Kind::Sqlite(tx) => tx.savepoint().await.map(Self::sqlite),
        }
    }
}

#[async_trait::async_trait]
impl ConnectionTrait for Tx {
    fn get_database_backend(&self) -> DbBackend {
        match &self.0 {
            Kind::Postgres(_) => DbBackend::Postgres,
            Kind::Sqlite(_) => DbBackend::Sqlite,
        }
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        match &self.0 {
            Kind::Postgres(tx) => tx.execute(statement).await,
            Kind::Sqlite(tx) => tx.execute(statement).await,
        }
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        match &self.0 {
            Kind::Postgres(tx) => tx.execute_unprepared(sql).await,
            Kind::Sqlite(tx) => tx.execute_unprepared(sql).await,
        }
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        match &self.0 {
            Kind::Postgres(tx) => tx.query_one(statement).await,
            Kind::Sqlite(tx) => tx.query_one(statement).await,
        }
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        match &self.0 {
            Kind::Postgres(tx) => tx.query_all(statement).await,
            Kind::Sqlite(tx) => tx.query_all(statement).await,
        }
    }
}
