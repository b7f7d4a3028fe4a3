//! SQLite's plans of statements with rows, for tests: a statement must find its rows by a key.
//!
//! SQLite knows no statistics of its tables, so the plan does not depend on their content.

use sea_orm::{ConnectionTrait, Value};

use super::{Rows, Store};

/// Returns the steps of the statement's plan on an empty database.
pub(crate) async fn of(rows: Rows, sql: &str, values: Vec<Value>) -> Vec<String> {
    let folder = tempfile::tempdir().expect("a folder");
    let url = format!("sqlite://{}?mode=rwc", folder.path().join("plans.db").display());
    let store = Store::connect(&url, 1).await.expect("a database");
    store.migrate().await.expect("the schema");
    let explained = format!("EXPLAIN QUERY PLAN {sql}");
    let statement = rows.statement(store.backend(), &explained, values);
    let steps = store.read().query_all_raw(statement).await.expect("a plan");
    let steps = steps.iter().map(|step| step.try_get("", "detail").expect("a step")).collect();
    store.close().await.expect("closed");
    steps
}

/// Asserts that the plan reads the table once, by an index with these conditions.
pub(crate) fn assert_reads_by(plan: &[String], table: &str, conditions: &str) {
    let rows = "SCAN json_each";
    let steps: Vec<&String> =
        plan.iter().filter(|step| step.starts_with("SCAN") || step.starts_with("SEARCH")).collect();
    let reads: Vec<&&String> = steps.iter().filter(|step| !step.starts_with(rows)).collect();
    assert!(steps.iter().any(|step| step.starts_with(rows)), "{plan:#?}");
    let [read] = reads.as_slice() else { panic!("the plan reads {table} several times: {plan:#?}") };
    assert!(read.starts_with("SEARCH") && read.contains(&format!("({conditions})")), "{plan:#?}");
}
