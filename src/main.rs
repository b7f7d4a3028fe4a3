//! The command line: from settings to a running server, and the few things that operators do by hand.

use std::{process::ExitCode, time::Duration};

use clap::{Parser, Subcommand};
use tessera::{
    account,
    app::App,
    config::{Config, ConfigError, Problem, Problems},
    demo, graphql, http,
    keys::SigningKeys,
    server::{self, StartError},
    telemetry, worker,
};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

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
    /// Bring the database's schema up to date and end.
    Migrate,
    /// Print the GraphQL schema and end.
    Schema,
    /// Fill an empty database with demo data and end.
    Seed,
    /// Make an account one of the platform's operators, who keep the categories.
    Operator {
        /// The account's e-mail address; it must have signed up.
        email: String,
    },
    /// Mark an account's e-mail address as verified, for events that ask for this.
    VerifyEmail {
        /// The account's e-mail address; it must have signed up.
        email: String,
    },
    /// Make the signing keys in the keys' directory, unless they are there.
    Keys,
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
        Command::Serve => serve(cli.config).await,
        Command::Migrate => {
            server::open(cli.config).await?;
            say("the schema is up to date");
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
            let app = server::open(cli.config).await?;
            say(if demo::fill(&app).await? {
                "filled with demo data"
            } else {
                "not empty: nothing was changed"
            });
            sign_ins(&app).await
        }
        Command::Operator { email } => {
            let app = server::open(cli.config).await?;
            account::make_operator(&app, &email).await?;
            say("the account is an operator now");
            Ok(())
        }
        Command::VerifyEmail { email } => {
            let app = server::open(cli.config).await?;
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

async fn serve(mut config: Config) -> Result<(), StartError> {
    config.validate()?;
    http::check_trusted(&config).map_err(StartError::Documents)?;
    let listener = http::Listener::bind(&config).await?;
    // Port 0 is a free one: links must name the one that it became.
    config.listen = listener.local_addr()?;
    let metrics = match config.telemetry.metrics_listen {
        Some(address) => Some(TcpListener::bind(address).await?),
        None => None,
    };
    if let Some(metrics) = &metrics {
        config.telemetry.metrics_listen = Some(metrics.local_addr()?);
    }
    let app = server::open(config).await?;
    if app.config.fills_demo() && demo::fill(&app).await? {
        say("filled the empty database with demo data");
    }
    // Handlers stand before anybody is told that the server is ready.
    let stop = stop_signal()?;
    if let Some(listener) = metrics {
        app.spawn(http::serve_metrics(app.clone(), listener));
    }
    welcome(&app).await?;
    worker::start(&app);
    http::serve(&app, graphql::schema(&app), listener, stop).await;
    let grace = Duration::from_secs(app.config.shutdown_seconds);
    server::close(app, grace).await;
    Ok(())
}

fn stop_signal() -> Result<impl Future<Output = ()> + Send + 'static, StartError> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
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

/// Who may sign in to the demo, if this database has it.
async fn sign_ins(app: &App) -> Result<(), StartError> {
    if demo::is_there(app).await? {
        for (email, what) in demo::SIGN_INS {
            say(&format!("demo sign-in  {email} / {} ({what})", demo::PASSWORD));
        }
    }
    Ok(())
}

#[expect(clippy::print_stdout, reason = "this is what the command answers to whoever runs it")]
fn say(text: &str) {
    println!("{text}");
}

fn say_error(text: &str) {
    eprintln!("tessera: {text}");
}
