//! Problems that keep a server from starting in production. The check lists all of them, so that an operator can repair
//! them before the next start.

use std::{fmt, net::IpAddr, path::PathBuf};

use clap::Args;

use super::{Config, Provider};

/// Overrides for rehearsals. Never set them where real customers buy.
#[derive(Args, Clone, Debug, Default)]
pub struct ProductionSettings {
    /// Let production start with the sandbox provider: no money moves, and every card is accepted. For rehearsals only.
    #[arg(long, global = true, env = "TESSERA_ALLOW_SANDBOX", default_value_t = false,
          num_args = 0..=1, default_missing_value = "true", action = clap::ArgAction::Set)]
    pub allow_sandbox: bool,
    /// Let production start with demo accounts, whose passwords are public. For rehearsals only.
    #[arg(long, global = true, env = "TESSERA_ALLOW_DEMO", default_value_t = false,
          num_args = 0..=1, default_missing_value = "true", action = clap::ArgAction::Set)]
    pub allow_demo: bool,
}

/// A reason why a server does not start in production.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// The keys' directory is not set.
    #[error(
        "TESSERA_KEYS_DIR is not set: create keys with `tessera keys --keys-dir DIR` and set it to that directory"
    )]
    KeysUnset,
    /// The keys' directory does not exist.
    #[error("TESSERA_KEYS_DIR names {0}, which is not a directory: create keys with `tessera keys`")]
    KeysMissing(PathBuf),
    /// A development server made the keys.
    #[error(
        "the keys in {0} were made by a development server: create new ones in another directory with `tessera keys`"
    )]
    DevelopmentKeys(PathBuf),
    /// The payment provider is not set.
    #[error("TESSERA_PAYMENTS is not set: name the payment provider")]
    PaymentsUnset,
    /// The sandbox moves no money.
    #[error(
        "TESSERA_PAYMENTS=sandbox gives tickets away, because no money moves; for a rehearsal, set TESSERA_ALLOW_SANDBOX=true"
    )]
    Sandbox,
    /// Demo data are requested.
    #[error(
        "TESSERA_DEMO=true creates accounts with public passwords; for a rehearsal, set TESSERA_ALLOW_DEMO=true"
    )]
    Demo,
    /// Demo data are in the database.
    #[error(
        "the database has demo accounts with public passwords: use another database; for a rehearsal, set TESSERA_ALLOW_DEMO=true"
    )]
    DemoData,
    /// The public address is not set. Links and the host check need it.
    #[error(
        "TESSERA_PUBLIC_URL is not set: give the address that clients use, such as https://tickets.example"
    )]
    PublicUrlUnset,
    /// The public address is not HTTPS, so tokens would be sent unencrypted.
    #[error("TESSERA_PUBLIC_URL is `{0}`: it must begin with https:// unless its host is this machine")]
    PublicUrlInsecure(String),
    /// Other users of the machine can access a file.
    #[error("{} has mode {mode:04o}, so other users of this machine can use it: chmod {needed:o} {}", path.display(), path.display())]
    Exposed {
        /// The file or directory.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
        /// The permission bits that it needs.
        needed: u32,
    },
    /// The database may lose commits that it acknowledged.
    #[error("the database may lose acknowledged commits: {0}")]
    NotDurable(String),
}

/// All reasons why a server does not start in production.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TESSERA_ENV=production refuses to start:")?;
        self.0.iter().try_for_each(|problem| write!(f, "\n  - {problem}"))
    }
}

impl std::error::Error for Problems {}

impl Config {
    /// Returns the problems of the settings in production. Empty in development.
    pub fn production_problems(&self) -> Vec<Problem> {
        if !self.is_production() {
            return Vec::new();
        }
        let mut problems = Vec::new();
        let mut problem = |found: bool, problem: Problem| {
            if found {
                problems.push(problem);
            }
        };
        problem(self.keys_dir.is_none(), Problem::KeysUnset);
        problem(self.payments.is_none(), Problem::PaymentsUnset);
        let is_sandbox = self.payments == Some(Provider::Sandbox);
        problem(is_sandbox && !self.production.allow_sandbox, Problem::Sandbox);
        problem(self.fills_demo() && !self.production.allow_demo, Problem::Demo);
        match &self.public_url {
            None => problem(true, Problem::PublicUrlUnset),
            Some(url) => problem(!is_confidential(url), Problem::PublicUrlInsecure(url.clone())),
        }
        problems
    }

    /// Returns whether the sandbox's own pages are served.
    pub fn serves_sandbox(&self) -> bool {
        !self.is_production() || self.production.allow_sandbox
    }
}

/// Returns whether the connection is confidential: HTTPS, or plain HTTP to this machine.
fn is_confidential(url: &str) -> bool {
    if let Some(rest) = url.strip_prefix("https://") {
        return !rest.is_empty() && !rest.starts_with('/');
    }
    url.strip_prefix("http://").is_some_and(|rest| {
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        is_loopback(authority)
    })
}

fn is_loopback(authority: &str) -> bool {
    let host = match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, _)) => host,
        None => authority.rsplit_once(':').map_or(authority, |(host, _)| host),
    };
    host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|host| host.is_loopback())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        config: Config,
    }

    const GOOD: [&str; 8] = [
        "--env",
        "production",
        "--keys-dir",
        "/keys",
        "--payments",
        "sandbox",
        "--public-url",
        "https://tickets.example",
    ];

    fn problems(args: &[&str]) -> Vec<Problem> {
        Cli::parse_from([&["tessera"], args].concat()).config.production_problems()
    }

    fn with(args: &[&str]) -> Vec<Problem> {
        problems(&[&GOOD[..], args].concat())
    }

    #[test]
    fn development_has_no_problems() {
        assert_eq!(problems(&[]), []);
        assert_eq!(problems(&["--demo", "true", "--payments", "sandbox"]), []);
    }

    #[test]
    fn production_without_settings_lists_every_problem() {
        assert_eq!(
            problems(&["--env", "production"]),
            [Problem::KeysUnset, Problem::PaymentsUnset, Problem::PublicUrlUnset]
        );
    }

    #[test]
    fn production_refuses_the_sandbox_and_demo_data_unless_allowed() {
        assert_eq!(with(&[]), [Problem::Sandbox]);
        assert_eq!(with(&["--allow-sandbox"]), []);
        assert_eq!(with(&["--allow-sandbox=false"]), [Problem::Sandbox]);
        assert_eq!(with(&["--allow-sandbox", "true", "--demo", "true"]), [Problem::Demo]);
        assert_eq!(with(&["--allow-sandbox=true", "--demo", "true", "--allow-demo=true"]), []);
    }

    #[test]
    fn public_address_is_https_or_this_machine() {
        let cases = [
            ("https://tickets.example", true),
            ("https://tickets.example:8443/", true),
            ("http://127.0.0.1:8080", true),
            ("http://localhost", true),
            ("http://LOCALHOST:8080/path", true),
            ("http://[::1]:8080", true),
            ("http://tickets.example", false),
            ("http://localhost.evil.example", false),
            ("http://localhost@evil.example", false),
            ("http://10.0.0.1", false),
            ("tickets.example", false),
            ("https://", false),
            ("ftp://localhost", false),
        ];
        for (url, expected) in cases {
            assert_eq!(is_confidential(url), expected, "{url}");
        }
    }

    #[test]
    fn message_names_every_problem() {
        let exposed = Problem::Exposed { path: "/data/tessera.db".into(), mode: 0o644, needed: 0o600 };
        let text = Problems(vec![Problem::Sandbox, exposed]).to_string();
        assert!(text.contains("TESSERA_ALLOW_SANDBOX=true"), "{text}");
        assert!(text.contains("/data/tessera.db has mode 0644"), "{text}");
        assert!(text.contains("chmod 600 /data/tessera.db"), "{text}");
    }
}
