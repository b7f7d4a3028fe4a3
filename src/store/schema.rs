//! The database schema: migrating it up and down, and checking its compatibility with this version.
//!
//! A schema may be newer than the program. It is compatible unless one of its steps says otherwise: a step that removes
//! something adds a row to `schema_requirement`, which names the step that a program must know. So a rolling upgrade
//! first adds what is new (*expand*), and removes what is old only when no program needs it any more (*contract*).

use migration::{Migrator, MigratorTrait, SchemaManager};
use sea_orm::{
    ConnectionTrait, DatabaseTransaction, DbBackend, DbErr, Statement, TransactionOptions, TransactionTrait,
};

use super::Store;

/// The lock that serialises migrations of several instances.
const ADVISORY_LOCK: &str = "SELECT pg_advisory_xact_lock(7391650422)";

/// The relation of the database's schema to this version.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SchemaStatus {
    /// The applied steps, oldest first.
    pub applied: Vec<String>,
    /// Steps that this version has and the database lacks, oldest first.
    pub pending: Vec<String>,
    /// Steps that the database has and this version does not know.
    pub newer: Vec<String>,
    /// Unmet requirements: the step that requires, and the required step that this version does not know.
    pub required: Vec<(String, String)>,
}

/// Reasons why this version cannot work with the schema.
#[derive(Debug, thiserror::Error)]
pub enum SchemaError {
    /// Steps are missing.
    #[error(
        "the database's schema lacks {} of this version, from {} on: run `tessera migrate up`, \
         or start with TESSERA_MIGRATE=auto",
        steps(.0.len()), .0.first().map_or("", String::as_str)
    )]
    Behind(Vec<String>),
    /// The schema is too new.
    #[error(
        "the database's schema is too new for this version: {step} needs a version that knows {needs}; \
         run that version, or run `tessera migrate down` with it"
    )]
    TooNew {
        /// The step that has the requirement.
        step: String,
        /// The step that a program must know.
        needs: String,
    },
    /// The schema was created by a different line of versions.
    #[error(
        "the database's schema has steps that this version does not know ({}), and lacks steps of it ({}): \
         this database belongs to a different version line", newer.join(", "), pending.join(", ")
    )]
    Diverged {
        /// Unknown steps.
        newer: Vec<String>,
        /// Missing steps.
        pending: Vec<String>,
    },
    /// Only the version that added a step can revert it.
    #[error("this version does not know {0}: revert it with the version that added it")]
    Unknown(String),
    /// The database failed.
    #[error("the database's schema cannot be read or changed: {0}")]
    Database(#[from] DbErr),
}

fn steps(count: usize) -> String {
    if count == 1 { "a step".to_owned() } else { format!("{count} steps") }
}

impl SchemaStatus {
    /// Compares the steps of this version with those of the database.
    fn of(known: &[String], applied: Vec<String>, requirements: Vec<(String, String)>) -> Self {
        let pending = known.iter().filter(|step| !applied.contains(step)).cloned().collect();
        let newer: Vec<_> = applied.iter().filter(|step| !known.contains(step)).cloned().collect();
        let required = requirements.into_iter().filter(|(_, needs)| !known.contains(needs)).collect();
        Self { applied, pending, newer, required }
    }

    /// Rejects a schema that is too new for this version, or of another version line.
    fn must_be_compatible(&self) -> Result<(), SchemaError> {
        if let Some((step, needs)) = self.required.first() {
            return Err(SchemaError::TooNew { step: step.clone(), needs: needs.clone() });
        }
        if !self.newer.is_empty() && !self.pending.is_empty() {
            return Err(SchemaError::Diverged { newer: self.newer.clone(), pending: self.pending.clone() });
        }
        Ok(())
    }
}

impl Store {
    /// Applies the missing steps. Several instances may call it at once: the others wait for the first. A newer
    /// compatible schema stays unchanged.
    pub async fn migrate(&self) -> Result<(), SchemaError> {
        if self.backend() == DbBackend::Sqlite {
            // On SQLite, steps use transactions of their own. The file lock keeps other servers out.
            if needs_up(&self.schema().await?)? {
                Migrator::up(self.write.unbounded(), None).await?;
            }
            return Ok(());
        }
        if !needs_up(&self.schema().await?)? {
            return Ok(());
        }
        let tx = self.begin_unbounded().await?;
        tx.execute_unprepared(ADVISORY_LOCK).await?;
        // Race: another instance, perhaps of a newer version, may have been first.
        if needs_up(&read(&SchemaManager::new(&tx)).await?)? {
            Migrator::up(&tx, None).await?;
        }
        Ok(tx.commit().await?)
    }

    /// Reverts the last `steps` steps and deletes the data that only they can store. Returns their names, last first.
    pub async fn migrate_down(&self, steps: u32) -> Result<Vec<String>, SchemaError> {
        if self.backend() == DbBackend::Sqlite {
            let steps = last(&self.schema().await?, steps)?;
            Migrator::down(self.write.unbounded(), u32::try_from(steps.len()).ok()).await?;
            return Ok(steps);
        }
        let tx = self.begin_unbounded().await?;
        tx.execute_unprepared(ADVISORY_LOCK).await?;
        let steps = last(&read(&SchemaManager::new(&tx)).await?, steps)?;
        Migrator::down(&tx, u32::try_from(steps.len()).ok()).await?;
        tx.commit().await?;
        Ok(steps)
    }

    /// Begins a PostgreSQL transaction without statement deadlines.
    async fn begin_unbounded(&self) -> Result<DatabaseTransaction, DbErr> {
        let tx = self.write.unbounded().begin_with_options(TransactionOptions::default()).await?;
        tx.execute_unprepared("SET LOCAL lock_timeout = 0; SET LOCAL statement_timeout = 0").await?;
        Ok(tx)
    }

    /// Compares the schema with this version. Needs read access only.
    pub async fn schema(&self) -> Result<SchemaStatus, DbErr> {
        read(&SchemaManager::new(self.write.unbounded())).await
    }

    /// Rejects a schema that lacks steps of this version, or is too new for it.
    pub async fn check_schema(&self) -> Result<(), SchemaError> {
        let status = self.schema().await?;
        status.must_be_compatible()?;
        if status.pending.is_empty() { Ok(()) } else { Err(SchemaError::Behind(status.pending)) }
    }
}

/// Returns whether steps are pending. Fails if this version must not change the schema.
fn needs_up(status: &SchemaStatus) -> Result<bool, SchemaError> {
    status.must_be_compatible()?;
    if let Some(step) = status.newer.last() {
        tracing::warn!(step, "the database's schema is newer than this version, and compatible");
    }
    Ok(!status.pending.is_empty())
}

/// Returns the last steps, last first. Fails if this version cannot revert them.
fn last(status: &SchemaStatus, steps: u32) -> Result<Vec<String>, SchemaError> {
    if let Some(step) = status.newer.last() {
        return Err(SchemaError::Unknown(step.clone()));
    }
    let steps = usize::try_from(steps).unwrap_or(usize::MAX);
    let known = known();
    Ok(known.into_iter().rev().filter(|step| status.applied.contains(step)).take(steps).collect())
}

/// Returns the steps of this version, in order.
fn known() -> Vec<String> {
    Migrator::migrations().iter().map(|migration| migration.name().to_owned()).collect()
}

async fn read(manager: &SchemaManager<'_>) -> Result<SchemaStatus, DbErr> {
    let db = manager.get_connection();
    let mut applied = Vec::new();
    if manager.has_table("seaql_migrations").await? {
        let sql = "SELECT version FROM seaql_migrations ORDER BY version";
        for row in db.query_all_raw(Statement::from_string(db.get_database_backend(), sql)).await? {
            applied.push(row.try_get("", "version")?);
        }
    }
    let mut requirements = Vec::new();
    if manager.has_table("schema_requirement").await? {
        let sql = "SELECT step, needs FROM schema_requirement ORDER BY step";
        for row in db.query_all_raw(Statement::from_string(db.get_database_backend(), sql)).await? {
            requirements.push((row.try_get("", "step")?, row.try_get("", "needs")?));
        }
    }
    Ok(SchemaStatus::of(&known(), applied, requirements))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    fn status(known: &[&str], applied: &[&str], requirements: &[(&str, &str)]) -> SchemaStatus {
        let requirements = requirements.iter().map(|&(step, needs)| (step.to_owned(), needs.to_owned()));
        SchemaStatus::of(&names(known), names(applied), requirements.collect())
    }

    /// Known steps, applied steps and requirements.
    type Case = (&'static [&'static str], &'static [&'static str], &'static [(&'static str, &'static str)]);

    #[test]
    fn newer_schema_is_compatible_unless_it_says_otherwise() {
        let fits: &[(Case, bool)] = &[
            ((&["1", "2"], &[], &[]), true),
            ((&["1", "2"], &["1"], &[]), true),
            ((&["1", "2"], &["1", "2"], &[]), false),
            // Expanded: 3 only adds.
            ((&["1", "2"], &["1", "2", "3"], &[]), false),
            // Contracted: 4 removed what programs need that do not know 2.
            ((&["1", "2"], &["1", "2", "3", "4"], &[("4", "2")]), false),
            ((&["1", "2", "3", "4"], &["1", "2", "3"], &[("3", "3")]), true),
        ];
        for ((known, applied, requirements), pending) in fits {
            let found = needs_up(&status(known, applied, requirements)).expect("compatible");
            assert_eq!(found, *pending, "{known:?} {applied:?}");
        }
        let unfit: &[(Case, &str)] = &[
            ((&["1", "2"], &["1", "2", "3", "4"], &[("4", "3")]), "4 needs a version that knows 3"),
            ((&["1"], &["1", "2"], &[("2", "2")]), "2 needs a version that knows 2"),
            ((&["1", "2"], &["1", "x"], &[]), "does not know (x), and lacks steps of it (2)"),
        ];
        for ((known, applied, requirements), why) in unfit {
            let error = needs_up(&status(known, applied, requirements)).expect_err(why).to_string();
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn last_steps_are_reverted_by_a_version_that_knows_them() {
        let all = known();
        let mut status = SchemaStatus::of(&all, all.clone(), Vec::new());
        let newest = all.last().expect("steps").clone();
        assert_eq!(last(&status, 1).expect("known"), [newest]);
        assert_eq!(last(&status, 10_000).expect("known").len(), all.len());
        status.newer.push("m30000101_000001_future".to_owned());
        assert!(matches!(last(&status, 1), Err(SchemaError::Unknown(_))));
    }
}
