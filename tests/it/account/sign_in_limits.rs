//! Attacks on sign-in: owners are not locked out, look-alike addresses are refused, and tokens end in time.

use std::time::Duration;

use axum::body::{Body, Bytes};
use chrono::TimeDelta;
use entity::session;
use futures_util::stream;
use sea_orm::{EntityTrait, sea_query::Expr};
use serde_json::{Value, json};
use tessera::http::Patience;

use crate::support::{Answer, World, run};

const PASSWORD: &str = "correct horse battery";
const STRANGER: &str = "203.0.113.66";
const HOME: &str = "198.51.100.20";

async fn sign_up(world: &World, email: &str) -> Answer {
    let document = "mutation($email: String!, $password: String!) {
        signUp(input: { email: $email, password: $password }) {
            session { accessToken deviceToken refreshToken account { email } } errors { code path } } }";
    world.gql(None, document, json!({ "email": email, "password": PASSWORD })).await
}

async fn sign_in(
    world: &World,
    address: &str,
    (email, password): (&str, &str),
    device: Option<&str>,
) -> Answer {
    let document = "mutation($input: SignInInput!) { signIn(input: $input) {
        session { deviceToken } errors { code retryAfterMs } } }";
    let mut input = json!({ "email": email, "password": password });
    if let Some(device) = device {
        input["deviceToken"] = device.into();
    }
    world.gql_from(address, None, (document, json!({ "input": input }))).await
}

fn code(answer: &Answer) -> Value {
    answer.data("signIn.errors.0.code")
}

#[test]
fn a_stranger_does_not_lock_out_a_device_that_signed_in_before() {
    run(async |world: &World| {
        let ada = "ada@example.org";
        let device = sign_up(world, ada).await.good().text("signUp.session.deviceToken");
        let bobs = sign_up(world, "bob@example.org").await.good().text("signUp.session.deviceToken");
        for _ in 0..10 {
            assert_eq!(
                code(&sign_in(world, STRANGER, (ada, "a wrong one"), None).await),
                "WRONG_CREDENTIALS"
            );
        }
        for (address, token) in
            [(STRANGER, None), (HOME, None), (HOME, Some("td_x")), (HOME, Some(bobs.as_str()))]
        {
            let refused = sign_in(world, address, (ada, PASSWORD), token).await;
            assert_eq!(code(&refused), "TOO_MANY_ATTEMPTS", "{token:?}");
        }
        let known = sign_in(world, HOME, (ada, PASSWORD), Some(&device)).await.good();
        let again = known.text("signIn.session.deviceToken");
        // The device has a limit of its own.
        for _ in 0..10 {
            let wrong = sign_in(world, HOME, (ada, "a wrong one"), Some(&again)).await;
            assert_eq!(code(&wrong), "WRONG_CREDENTIALS");
        }
        for token in [&device, &again] {
            let refused = sign_in(world, HOME, (ada, PASSWORD), Some(token)).await;
            assert_eq!(code(&refused), "TOO_MANY_ATTEMPTS", "both are tokens of one device");
        }
        world.advance(Duration::from_mins(15));
        sign_in(world, HOME, (ada, PASSWORD), None).await.good();
    });
}

#[test]
fn ten_aliases_in_one_document_are_ten_attempts() {
    run(async |world: &World| {
        sign_up(world, "ada@example.org").await.good();
        let aliases = (0..10)
            .map(|n| format!("a{n}: signIn(input: {{ email: \"ada@example.org\", password: \"wrong {n}\" }}) {{ errors {{ code }} }}"))
            .collect::<Vec<_>>()
            .join(" ");
        let answer = world.gql(None, &format!("mutation {{ {aliases} }}"), json!({})).await;
        assert_eq!(answer.data("a9.errors.0.code"), "WRONG_CREDENTIALS", "{}", answer.body);
        let next = sign_in(world, HOME, ("ada@example.org", PASSWORD), None).await;
        assert_eq!(code(&next), "TOO_MANY_ATTEMPTS");
    });
}

#[test]
fn wrong_passwords_count_per_network_whatever_the_address() {
    run(async |world: &World| {
        sign_up(world, "ada@example.org").await.good();
        let strict = world.beside(&["--network-password-failures", "5:15"], Patience::default()).await;
        for number in 0..5 {
            let email = format!("nobody{number}@example.org");
            let wrong = sign_in(&strict, STRANGER, (&email, PASSWORD), None).await;
            assert_eq!(code(&wrong), "WRONG_CREDENTIALS");
        }
        let refused = sign_in(&strict, STRANGER, ("ada@example.org", PASSWORD), None).await;
        assert_eq!(code(&refused), "TOO_MANY_ATTEMPTS");
        sign_in(&strict, HOME, ("ada@example.org", PASSWORD), None).await.good();
        strict.end().await;
    });
}

#[test]
fn a_look_alike_of_an_address_is_no_second_account() {
    run(async |world: &World| {
        sign_up(world, "coco@example.org").await.good();
        for taken in ["сосо@example.org", "ＣＯＣＯ@example.org", "coco@EXAMPLE．org"] {
            let answer = sign_up(world, taken).await;
            assert_eq!(answer.refusal("signUp").as_deref(), Some("EMAIL_TAKEN"), "{taken} {}", answer.body);
        }
        for invalid in ["co\u{200b}co@example.org", "cоco@example.org", "coco@exаmple.org"] {
            let answer = sign_up(world, invalid).await;
            assert_eq!(answer.refusal("signUp").as_deref(), Some("INVALID"), "{invalid} {}", answer.body);
        }
        sign_up(world, "аха@example.org").await.good();
        assert_eq!(sign_up(world, "axa@example.org").await.refusal("signUp").as_deref(), Some("EMAIL_TAKEN"));
        for (email, kept) in
            [("müller@example.de", "müller@example.de"), ("用户@例子.公司", "用户@xn--fsqu00a.xn--55qx5d")]
        {
            let up = sign_up(world, email).await.good();
            assert_eq!(up.data("signUp.session.account.email"), kept);
            sign_in(world, HOME, (email, PASSWORD), None).await.good();
        }
    });
}

#[test]
fn a_token_ends_with_its_leeway_and_with_its_session() {
    run(async |world: &World| {
        let viewer = "{ viewer { account { kind } } }";
        let token = sign_up(world, "ada@example.org").await.good().text("signUp.session.accessToken");
        world.advance(Duration::from_secs(3_604));
        world.gql(Some(&token), viewer, json!({})).await.good();
        // The token is accepted with the header; the body ends after the leeway.
        let clock = world.app.clock.clone();
        let body = json!({ "query": viewer }).to_string();
        let late = stream::once(async move {
            clock.advance(Duration::from_secs(3));
            Ok::<_, std::io::Error>(Bytes::from(body))
        });
        let request = axum::http::Request::post("/graphql")
            .header("content-type", "application/json")
            .header("authorization", format!("Bearer {token}"))
            .body(Body::from_stream(late))
            .expect("a request");
        assert_eq!(world.http(request).await.status(), 401);
        let refused = world.gql(Some(&token), viewer, json!({})).await;
        assert_eq!(refused.code().as_deref(), Some("UNAUTHENTICATED"));

        let token = sign_up(world, "bob@example.org").await.good().text("signUp.session.accessToken");
        let ends = world.app.clock.now() + TimeDelta::seconds(2);
        let db = world.app.store.begin().await.expect("a transaction");
        let update = session::Entity::update_many().col_expr(session::Column::ExpiresAt, Expr::value(ends));
        update.exec(&db).await.expect("an update");
        db.commit().await.expect("a commit");
        // Looked up anew here, and then remembered.
        world.app.auth.sessions.invalidate_all();
        world.gql(Some(&token), viewer, json!({})).await.good();
        world.advance(Duration::from_secs(2));
        let refused = world.gql(Some(&token), viewer, json!({})).await;
        assert_eq!(
            refused.code().as_deref(),
            Some("UNAUTHENTICATED"),
            "a session that ended is not remembered"
        );
    });
}
