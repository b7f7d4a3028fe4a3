//! The command line: starts the server and runs operators' commands.

use std::{
    path::PathBuf,
    process::{self, ExitCode},
    time::Duration,
};

use clap::{Parser, Subcommand};
use tessera::{
    account,
    app::App,
    clock::Clock,
    config::{Config, ConfigError, Problem, Problems},
    demo, graphql, http, inventory,
    keys::SigningKeys,
    server::{self, Purpose, StartError},
    store, telemetry, worker,
};
use tokio::{
    net::TcpListener,
    signal::unix::{Signal, SignalKind, signal},
};
use tokio_util::sync::CancellationToken;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Exit code after a second stop signal.
const CUT_SHORT: i32 = 130;

/// Sells coupons and event tickets in real time through GraphQL.
#[derive(Debug, Parser)]
#[command(version, about)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    config: Config,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server (the default).
    Serve,
    /// Migrate the database's schema, revert migrations, or list them.
    Migrate {
        #[command(subcommand)]
        action: Option<MigrateAction>,
    },
    /// Copy the SQLite database to a new file. A server may be using the database.
    Backup {
        /// The new file. It must not exist.
        file: PathBuf,
    },
    /// Make all clients load a new snapshot. Run this once after a restore, before the servers start.
    AfterRestore,
    /// Print the GraphQL schema.
    Schema,
    /// Fill an empty database with demo data.
    Seed,
    /// Make an account an operator of the platform. Operators maintain the categories.
    Operator {
        /// The e-mail address of an existing account.
        email: String,
    },
    /// Mark an account's e-mail address as verified. Some events require this.
    VerifyEmail {
        /// The e-mail address of an existing account.
        email: String,
    },
    /// Create missing signing keys in the directory of keys.
    Keys,
}

#[derive(Clone, Copy, Debug, Subcommand)]
enum MigrateAction {
    /// Apply all missing migrations (the default).
    Up,
    /// Revert the last migrations. Data that only they can store is lost.
    Down {
        /// The number of migrations to revert.
        #[arg(long, default_value_t = 1)]
        steps: u32,
    },
    /// List the applied migrations, the missing ones, and those newer than this version. Fails if any are missing.
    Status,
}

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    let exporter = telemetry::start(cli.config.is_production(), &cli.config.telemetry);
    let ended = Box::pin(run(cli)).await;
    if let Some(exporter) = exporter {
        exporter.shut_down().await;
    }
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say_error(&error.to_string());
            ExitCode::FAILURE
        }
    }
}

async fn run(cli: Cli) -> Result<(), StartError> {
    match cli.command.unwrap_or(Command::Serve) {
        Command::Serve => Box::pin(serve(cli.config)).await,
        Command::Migrate { action } => migrate(action.unwrap_or(MigrateAction::Up), cli.config).await,
        Command::Backup { file } => {
            cli.config.validate()?;
            let bytes = store::backup(&cli.config.database_url(), &file).await?;
            say(&format!("{} has a sound copy of {bytes} bytes", file.display()));
            Ok(())
        }
        Command::AfterRestore => {
            let app = open_for(Purpose::Serve, cli.config).await?;
            let count = inventory::leap_versions(&app).await?;
            say(&format!("clients of {count} events and coupons will take a fresh snapshot"));
            Ok(())
        }
        Command::Schema => {
            say(graphql::sdl().trim_end());
            Ok(())
        }
        Command::Seed => {
            if !cli.config.fills_demo() {
                return Err(ConfigError::Demo.into());
            }
            let app = open_for(Purpose::Serve, cli.config).await?;
            say(if demo::fill(&app).await? {
                "filled with demo data"
            } else {
                "the database is not empty: nothing was changed"
            });
            sign_ins(&app).await
        }
        Command::Operator { email } => {
            let app = open_for(Purpose::Command, cli.config).await?;
            account::make_operator(&app, &email).await?;
            say("the account is an operator now");
            Ok(())
        }
        Command::VerifyEmail { email } => {
            let app = open_for(Purpose::Command, cli.config).await?;
            account::verify_email(&app, &email).await?;
            say("the e-mail address is verified now");
            Ok(())
        }
        Command::Keys => {
            let dir = cli.config.keys_dir();
            if SigningKeys::are_for_development(&dir) {
                return Err(Problems(vec![Problem::DevelopmentKeys(dir)]).into());
            }
            SigningKeys::load_or_create(&dir)?;
            say(&format!("the keys are in {}", dir.display()));
            Ok(())
        }
    }
}

async fn open_for(purpose: Purpose, config: Config) -> Result<App, StartError> {
    server::open_for(purpose, config, Clock::system()).await
}

async fn migrate(action: MigrateAction, config: Config) -> Result<(), StartError> {
    match action {
        MigrateAction::Up => {
            open_for(Purpose::Migrate, config).await?;
            say("the schema is up to date");
            Ok(())
        }
        MigrateAction::Down { steps } => {
            let store = server::open_store(Purpose::Migrate, &config).await?;
            let steps = store.migrate_down(steps).await?;
            store.close().await?;
            for step in &steps {
                say(&format!("took back {step}"));
            }
            if steps.is_empty() {
                say("there is nothing to take back");
            }
            Ok(())
        }
        MigrateAction::Status => {
            let store = server::open_store(Purpose::Command, &config).await?;
            let status = store.schema().await?;
            for step in &status.applied {
                let newer = if status.newer.contains(step) { " (newer than this version)" } else { "" };
                say(&format!("applied  {step}{newer}"));
            }
            for step in &status.pending {
                say(&format!("missing  {step}"));
            }
            let checked = store.check_schema().await;
            store.close().await?;
            Ok(checked?)
        }
    }
}

async fn serve(mut config: Config) -> Result<(), StartError> {
    config.validate()?;
    http::check_trusted(&config).map_err(StartError::Documents)?;
    let listener = http::Listener::bind(&config).await?;
    // Port 0 selects a free port. Links must contain the actual one.
    config.listen = listener.local_addr()?;
    let metrics = match config.telemetry.metrics_listen {
        Some(address) => Some(TcpListener::bind(address).await?),
        None => None,
    };
    if let Some(metrics) = &metrics {
        config.telemetry.metrics_listen = Some(metrics.local_addr()?);
    }
    // Install the handlers before the server reports that it is ready or waits for its database.
    let mut signals = Signals::new()?;
    let opening = http::serve_while_starting(&listener, &config, server::open(config.clone()));
    let app = tokio::select! {
        opened = Box::pin(opening) => opened?,
        () = signals.next() => return Ok(()),
    };
    if app.config.fills_demo() && demo::fill(&app).await? {
        say("filled the empty database with demo data");
    }
    if let Some(listener) = metrics {
        app.spawn(http::serve_metrics(app.clone(), listener));
    }
    welcome(&app).await?;
    worker::start(&app);
    let stop = CancellationToken::new();
    let stopped_twice = async {
        signals.next().await;
        stop.cancel();
        signals.next().await;
    };
    let serving = async {
        http::serve(&app, graphql::schema(&app), listener, stop.clone().cancelled_owned()).await;
        let grace = Duration::from_secs(app.config.shutdown_seconds);
        server::close(app.clone(), grace).await;
    };
    tokio::select! {
        () = Box::pin(serving) => Ok(()),
        () = stopped_twice => {
            // Committed facts are safe. Responses are lost.
            say_error("second stop signal: exiting at once");
            process::exit(CUT_SHORT)
        }
    }
}

/// The stop signals: SIGTERM and SIGINT.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> Result<Self, StartError> {
        let [terminate, interrupt] = [SignalKind::terminate(), SignalKind::interrupt()].map(signal);
        Ok(Self { terminate: terminate?, interrupt: interrupt? })
    }

    /// Waits for the next signal of either kind.
    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

async fn welcome(app: &App) -> Result<(), StartError> {
    let url = app.config.public_url();
    if app.config.serves_graphiql() {
        say(&format!("GraphiQL      {url}/graphiql"));
    }
    say(&format!("GraphQL       {url}/graphql (HTTP and WebSocket)"));
    say(&format!("health        {url}/health/ready"));
    if let Some(address) = app.config.telemetry.metrics_listen {
        say(&format!("metrics       http://{address}/metrics"));
    }
    sign_ins(app).await?;
    let scheme = if app.config.network.uses_tls() { "https" } else { "http" };
    say(&format!("listening on {scheme}://{}", app.config.listen));
    Ok(())
}

/// Prints the demo accounts and their password if the database has them.
async fn sign_ins(app: &App) -> Result<(), StartError> {
    if demo::is_there(app).await? {
        for (email, what) in demo::SIGN_INS {
            say(&format!("demo sign-in  {email} / {} ({what})", demo::PASSWORD));
        }
    }
    Ok(())
}

#[expect(clippy::print_stdout, reason = "this is the command's output")]
fn say(text: &str) {
    println!("{text}");
}

fn say_error(text: &str) {
    eprintln!("tessera: {text}");
}
