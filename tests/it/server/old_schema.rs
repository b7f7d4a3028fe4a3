//! Schemas of other versions: which of them a server accepts, and migrations in both directions.

use std::fmt::Write as _;

use migration::{Migrator, MigratorTrait};
use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, Statement};
use tessera::store::Store;
use test_case::test_case;

use crate::support::Database::{self, Postgres, Sqlite};
use crate::support::{
    blocking::block_on,
    command::{Process, tessera},
    postgres::{self, Durability},
    run_on, sqlite,
    world::migrate,
};

const LISTEN: [&str; 2] = ["--listen", "127.0.0.1:0"];

/// Both databases, empty.
fn on_both(test: impl Fn(&str)) {
    let file = sqlite::empty();
    test(&file.url);
    let database = postgres::shared(Durability::Fast).empty();
    test(&database.url);
}

/// All that a schema is: tables with their columns and constraints, indexes, triggers.
async fn schema(db: &DatabaseConnection) -> String {
    const SQLITE: &str = "SELECT type || ' ' || name || ': ' || coalesce(sql, '') AS line FROM sqlite_master \
                          WHERE name NOT LIKE 'sqlite_%' ORDER BY 1";
    const POSTGRES: &str = "
        SELECT 'column ' || table_name || '.' || column_name || ' ' || data_type || ' ' || is_nullable || ' '
               || coalesce(column_default, '') || coalesce(collation_name, '') AS line
        FROM information_schema.columns WHERE table_schema = 'public'
        UNION ALL SELECT 'constraint ' || conrelid::regclass || ' ' || conname || ' ' || pg_get_constraintdef(oid)
        FROM pg_constraint WHERE connamespace = 'public'::regnamespace AND contype <> 'n'
        UNION ALL SELECT 'index ' || indexdef FROM pg_indexes WHERE schemaname = 'public'
        UNION ALL SELECT 'trigger ' || pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal
        UNION ALL SELECT 'function ' || proname || prosrc FROM pg_proc WHERE pronamespace = 'public'::regnamespace
        ORDER BY 1";
    let backend = db.get_database_backend();
    let sql = if backend == DbBackend::Postgres { POSTGRES } else { SQLITE };
    let rows = db.query_all_raw(Statement::from_string(backend, sql)).await.expect("the schema");
    let mut text = String::new();
    for row in rows {
        let line: String = row.try_get("", "line").expect("a line");
        // SQLite keeps the text of a statement; where its blanks are says nothing.
        let words = line.replace(['(', ')', ',', '"'], " ");
        writeln!(text, "{}", words.split_whitespace().collect::<Vec<_>>().join(" ")).expect("text");
    }
    text
}

#[test]
fn every_step_goes_up_and_comes_back_to_the_same_schema() {
    on_both(|url| {
        block_on(async || {
            let db = sea_orm::Database::connect(url).await.expect("a database");
            let steps = Migrator::migrations().len();
            let mut schemas = Vec::new();
            for _ in 0..steps {
                Migrator::up(&db, Some(1)).await.expect("up");
                schemas.push(schema(&db).await);
            }
            let store = Store::connect(url, 1).await.expect("a database");
            for step in (1..steps).rev() {
                let taken = store.migrate_down(1).await.expect("down");
                let now = schema(&db).await;
                assert_eq!(taken.len(), 1);
                assert!(
                    now == schemas[step - 1],
                    "{taken:?} left something:\n{}",
                    difference(&schemas[step - 1], &now)
                );
            }
            assert_eq!(store.migrate_down(100).await.expect("down").len(), 1);
            assert!(store.migrate_down(1).await.expect("down").is_empty(), "nothing is left to take back");
            store.migrate().await.expect("up again");
            let (last, now) = (schemas.last().expect("steps"), schema(&db).await);
            assert!(now == *last, "not the same:\n{}", difference(last, &now));
            store.close().await.expect("closed");
            db.close().await.expect("closed");
        });
    });
}

fn difference(old: &str, new: &str) -> String {
    let lost =
        old.lines().filter(|line| !new.lines().any(|other| other == *line)).map(|line| format!("- {line}\n"));
    let found =
        new.lines().filter(|line| !old.lines().any(|other| other == *line)).map(|line| format!("+ {line}\n"));
    lost.chain(found).collect()
}

#[test]
fn command_line_migrates_up_down_and_says_where_it_is() {
    on_both(|url| {
        let data = tempfile::tempdir().expect("a directory");
        let run = |args: &[&str]| tessera(url, data.path(), &[&["migrate"], args].concat());
        if let Some(file) = url.strip_prefix("sqlite://") {
            std::fs::write(file.split('?').next().unwrap_or(file), "").expect("an empty database");
        }
        let empty = run(&["status"]);
        assert_eq!(empty.status.code(), Some(1));
        assert!(empty.log.contains("run `tessera migrate up`"), "{}", empty.log);
        assert!(empty.output.contains("missing  m20261122_000001_accounts"), "{}", empty.output);
        assert!(run(&["up"]).status.success());
        let full = run(&["status"]);
        assert!(full.status.success() && !full.output.contains("missing"), "{}", full.output);
        let newest =
            full.output.lines().rev().find_map(|line| line.split_whitespace().last()).expect("steps");
        let down = run(&["down"]);
        assert_eq!(down.output, format!("took back {newest}\n"), "{}", down.log);
        assert_eq!(run(&["down", "--steps", "2"]).output.lines().count(), 2);
        assert_eq!(run(&["status"]).output.matches("missing").count(), 3);
        assert!(run(&["down", "--steps", "100"]).status.success());
        assert!(run(&["down"]).output.contains("nothing to take back"));
        assert!(run(&[]).status.success());
        assert!(run(&["status"]).status.success());
    });
}

#[test]
fn start_that_only_checks_refuses_missing_steps_and_names_the_command() {
    on_both(|url| {
        let data = tempfile::tempdir().expect("a directory");
        let check = [&LISTEN[..], &["--migrate", "check"]].concat();
        let refused = tessera(url, data.path(), &check);
        assert_eq!(refused.status.code(), Some(1));
        assert!(refused.log.contains("run `tessera migrate up`"), "{}", refused.log);
        assert!(
            tessera(url, data.path(), &["migrate", "status"]).output.contains("missing"),
            "nothing was changed"
        );
        assert!(tessera(url, data.path(), &["migrate", "up"]).status.success());
        Process::start(url, data.path(), &check).printed("listening on");
        // The schema of the version before serves too, if nobody looks.
        assert!(tessera(url, data.path(), &["migrate", "down"]).status.success());
        let off = [&LISTEN[..], &["--migrate", "off"]].concat();
        Process::start(url, data.path(), &off).printed("listening on");
        Process::start(url, data.path(), &LISTEN).printed("listening on");
        assert!(tessera(url, data.path(), &["migrate", "status"]).status.success(), "auto is the default");
    });
}

/// The rights that the README gives to instances.
#[test]
fn instance_that_only_checks_needs_no_right_to_change_tables() {
    let database = postgres::database("migrated", migrate);
    let cluster = database.cluster();
    let role = format!("instance_{}", database.name());
    cluster.administer(&format!("CREATE ROLE {role} LOGIN"));
    let owner = database.url.clone();
    block_on(async || {
        let db = sea_orm::Database::connect(&owner).await.expect("a database");
        let grants = format!(
            "GRANT USAGE ON SCHEMA public TO {role};
             GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role};
             GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {role}"
        );
        db.execute_unprepared(&grants).await.expect("granted");
        db.close().await.expect("closed");
    });
    let data = tempfile::tempdir().expect("a directory");
    let url = cluster.address(&role, database.name());
    let down = tessera(&url, data.path(), &["migrate", "down"]);
    assert!(!down.status.success(), "it has no right to change tables");
    let mut server = Process::start(&url, data.path(), &[&LISTEN[..], &["--migrate", "check"]].concat());
    server.printed("listening on");
    drop(server);
    // Nothing is missing, so `auto` needs none either.
    Process::start(&url, data.path(), &LISTEN).printed("listening on");
    cluster.administer(&format!("DROP DATABASE {} WITH (FORCE)", database.name()));
    cluster.administer(&format!("CREATE DATABASE {}", database.name()));
    cluster.administer(&format!("DROP ROLE {role}"));
}

/// A later version has added a step. This one is the old binary.
#[test_case(Sqlite; "sqlite")]
#[test_case(Postgres; "postgres")]
fn old_version_works_on_a_newer_compatible_schema(database: Database) {
    run_on(database, async |world| {
        let future = [
            "ALTER TABLE account ADD COLUMN future text NOT NULL DEFAULT 'x'",
            "CREATE TABLE future (id integer PRIMARY KEY)",
            "INSERT INTO seaql_migrations VALUES ('m30000101_000001_future', 0)",
        ];
        for statement in future {
            execute(&world.url, statement).await;
        }
        let data = tempfile::tempdir().expect("a directory");
        let run = |args: &[&str]| tessera(&world.url, data.path(), args);
        for mode in ["auto", "check", "off"] {
            let mut server =
                Process::start(&world.url, data.path(), &[&LISTEN[..], &["--migrate", mode]].concat());
            server.printed("listening on");
        }
        assert!(run(&["migrate", "status"]).output.contains("future (newer than this version)"));
        assert!(run(&["migrate", "up"]).status.success());
        let down = run(&["migrate", "down"]);
        assert!(down.log.contains("does not know m30000101_000001_future"), "{}", down.log);
        // And it sells.
        let stage = world.stage().await;
        let buyer = world.guest().await;
        world.buy(&buyer, &stage.event, &[&stage.seats[0]]).await;
        // Then the next version takes away what versions use that do not know the future.
        let contract =
            "INSERT INTO schema_requirement VALUES ('m30000201_000002_contract', 'm30000101_000001_future')";
        execute(&world.url, "INSERT INTO seaql_migrations VALUES ('m30000201_000002_contract', 0)").await;
        execute(&world.url, contract).await;
        for args in [&LISTEN[..], &["--listen", "127.0.0.1:0", "--migrate", "check"], &["migrate", "up"]] {
            let refused = run(args);
            assert_eq!(refused.status.code(), Some(1), "{args:?}");
            let why = "m30000201_000002_contract needs a version that knows m30000101_000001_future";
            assert!(refused.log.contains(why), "{}", refused.log);
        }
        // What needs no more than this version knows does no harm.
        let known = "UPDATE schema_requirement SET needs = 'm20261128_000017_audit'";
        execute(&world.url, known).await;
        Process::start(&world.url, data.path(), &LISTEN).printed("listening on");
    });
}

async fn execute(url: &str, statement: &str) {
    let db = sea_orm::Database::connect(url).await.expect("a database");
    db.execute_unprepared(statement).await.unwrap_or_else(|error| panic!("{statement}: {error}"));
    db.close().await.expect("closed");
}

#[test]
fn commands_about_the_schema_make_no_database() {
    let data = tempfile::tempdir().expect("a directory");
    let file = data.path().join("tessera.db");
    let url = format!("sqlite://{}", file.display());
    for action in [["migrate", "status"].as_slice(), &["migrate", "down"]] {
        let ended = tessera(&url, data.path(), action);
        assert!(!ended.status.success(), "{action:?}");
        assert!(ended.log.contains("there is no database file"), "{}", ended.log);
        assert!(!file.exists(), "{action:?}");
    }
}
