//! Security events are logged: few lines, and no secrets.

use std::{fs::File, process::Stdio};

use serde_json::{Value, json};

use crate::support::{
    blocking::block_on,
    process::{Came, Server, request},
    sqlite,
    world::migrate,
};

const SIGN_IN: &str =
    "mutation($email: String!) { signIn(input: { email: $email, password: \"the-wrong-secret\" }) {
    session { accessToken } errors { code } } }";

#[test]
fn an_attack_leaves_one_line_per_kind_and_no_secrets() {
    let database = sqlite::database("migrated", migrate);
    let data = tempfile::tempdir().expect("a directory");
    let log = data.path().join("log");
    let file = File::create(&log).expect("a file");
    let server = Server::start_with(&database.url, data.path(), |command| {
        command.env("RUST_LOG", "warn").stderr(Stdio::from(file))
    });
    block_on(async || {
        let ask = async |token: Option<&str>, document: &str, variables: Value| match request(
            &server.address,
            token,
            document,
            &variables,
        )
        .await
        {
            Came::Answered(answer) => answer,
            other @ (Came::Lost | Came::NotSent) => panic!("{other:?}"),
        };
        for _ in 0..5 {
            ask(None, SIGN_IN, json!({ "email": "victim@example.org" })).await;
            ask(Some("forged.secret.token"), "{ __typename }", json!({})).await;
            ask(None, "{ events { secretWord ", json!({})).await;
        }
        let refresh =
            "mutation { refreshSession(input: { refreshToken: \"a-secret-token\" }) { errors { code } } }";
        ask(None, refresh, json!({})).await;
    });
    server.stop();
    let text = std::fs::read_to_string(&log).expect("the log");
    for (event, rule) in [
        ("sign_in_failed", "WRONG_CREDENTIALS"),
        ("token_rejected", "UNAUTHENTICATED"),
        ("document_refused", "GRAPHQL_PARSE_FAILED"),
    ] {
        let lines: Vec<&str> = text.lines().filter(|line| line.contains(event)).collect();
        assert_eq!(lines.len(), 1, "{event} in {text}");
        assert!(lines[0].contains(rule) && lines[0].contains("127.0.0.1/32"), "{}", lines[0]);
        assert!(lines[0].contains("security") && lines[0].contains("request.id"), "{}", lines[0]);
    }
    for secret in ["secret", "victim", "example.org"] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
}
