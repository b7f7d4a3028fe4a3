//! A running transaction on either database.

use sea_orm::{ConnectionTrait, DbBackend, DbErr, ExecResult, QueryResult, Statement};

use super::{outage, postgres::PostgresTx, sqlite::SqliteTx, sqlstate};
use crate::call::{self, Call};

/// A running transaction, or a savepoint in one. Dropping it rolls it back.
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

    /// Commits, unless the current call was abandoned. If this fails, the commit may still have happened.
    pub async fn commit(self) -> Result<(), DbErr> {
        let call = Call::current();
        call.as_ref().map_or(Ok(()), Call::begin_commit)?;
        let committed = self.release().await;
        match &committed {
            Ok(()) => outage::note_commit(),
            Err(error) => {
                if let Some(call) = call.filter(|_| !sqlstate::may_have_committed(error)) {
                    call.withdraw_commit();
                }
            }
        }
        committed
    }

    /// Releases a savepoint, or commits the transaction regardless of the current call.
    pub(crate) async fn release(self) -> Result<(), DbErr> {
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

    /// Begins a savepoint, which can be rolled back by itself.
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
        call::check()?;
        match &self.0 {
            Kind::Postgres(tx) => tx.execute(statement).await,
            Kind::Sqlite(tx) => tx.execute(statement).await,
        }
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        call::check()?;
        match &self.0 {
            Kind::Postgres(tx) => tx.execute_unprepared(sql).await,
            Kind::Sqlite(tx) => tx.execute_unprepared(sql).await,
        }
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        call::check()?;
        match &self.0 {
            Kind::Postgres(tx) => tx.query_one(statement).await,
            Kind::Sqlite(tx) => tx.query_one(statement).await,
        }
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        call::check()?;
        match &self.0 {
            Kind::Postgres(tx) => tx.query_all(statement).await,
            Kind::Sqlite(tx) => tx.query_all(statement).await,
        }
    }
}
