//! Accounts and sessions.

use std::time::Duration;

use serde_json::{Value, json};
use tessera::account;
use test_case::test_case;

use crate::support::Database::{self, Postgres, Sqlite};
use crate::support::{Answer, World, run_on};

const SESSION: &str = "session { accessToken refreshToken account { id kind email name phone version } } \
                       errors { code path retryable retryAfterMs }";
const PASSWORD: &str = "correct horse battery";

/// Signs up, and gives the session.
pub(crate) async fn sign_up(world: &World, token: Option<&str>, email: &str) -> Answer {
    let document =
        format!("mutation($input: SignUpInput!) {{ done: signUp(input: $input) {{ {SESSION} }} }}");
    world.gql(token, &document, json!({"input": {"email": email, "password": PASSWORD}})).await
}

/// Signs up, and gives the access token.
pub(crate) async fn user(world: &World, email: &str) -> String {
    text(&sign_up(world, None, email).await.data("done.session.accessToken"))
}

async fn sign_in(world: &World, email: &str, password: &str) -> Answer {
    let document =
        format!("mutation($input: SignInInput!) {{ done: signIn(input: $input) {{ {SESSION} }} }}");
    world.gql(None, &document, json!({"input": {"email": email, "password": password}})).await
}

async fn refresh(world: &World, token: &str) -> Answer {
    let document = format!(
        "mutation($input: RefreshSessionInput!) {{ done: refreshSession(input: $input) {{ {SESSION} }} }}"
    );
    world.gql(None, &document, json!({"input": {"refreshToken": token}})).await
}

async fn guest(world: &World) -> Answer {
    world.gql(None, &format!("mutation {{ done: createGuestSession {{ {SESSION} }} }}"), json!({})).await
}

async fn viewer(world: &World, token: Option<&str>) -> Answer {
    world.gql(token, "{ viewer { account { id kind email version } } }", json!({})).await
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text")).to_owned()
}

fn refusal(answer: &Answer) -> Value {
    answer.data("done.errors.0.code")
}

#[test_case(Sqlite; "sqlite")]
#[test_case(Postgres; "postgres")]
fn viewer_is_null_without_a_token(database: Database) {
    run_on(database, async |world: &World| {
        assert_eq!(viewer(world, None).await.data("viewer"), Value::Null);
        assert_eq!(viewer(world, Some("forged")).await.code().as_deref(), Some("UNAUTHENTICATED"));
    });
}

#[test_case(Sqlite; "sqlite")]
#[test_case(Postgres; "postgres")]
fn sign_in_ignores_the_case_of_the_address(database: Database) {
    run_on(database, async |world: &World| {
        let up = sign_up(world, None, " Ada@Example.org ").await;
        assert_eq!(up.data("done.session.account.email"), "ada@example.org");
        assert_eq!(refusal(&sign_up(world, None, "ada@example.ORG").await), "EMAIL_TAKEN");
        let again = sign_in(world, "ADA@example.org", PASSWORD).await;
        assert_eq!(again.data("done.session.account.id"), up.data("done.session.account.id"));
        let token = text(&again.data("done.session.accessToken"));
        assert_eq!(viewer(world, Some(&token)).await.data("viewer.account.kind"), "USER");
        assert_eq!(refusal(&sign_up(world, Some(&token), "b@example.org").await), "ALREADY_SIGNED_UP");
    });
}

#[test_case(Sqlite; "sqlite")]
#[test_case(Postgres; "postgres")]
fn malformed_input_names_its_fields(database: Database) {
    run_on(database, async |world: &World| {
        let document =
            format!("mutation($input: SignUpInput!) {{ done: signUp(input: $input) {{ {SESSION} }} }}");
        let input = json!({"email": "ada", "password": "short", "name": "x".repeat(201), "phone": "call me"});
        let answer = world.gql(None, &document, json!({"input": input})).await;
        let errors = answer.data("done.errors");
        let paths: Vec<_> = errors.as_array().unwrap().iter().map(|error| text(&error["path"][0])).collect();
        assert_eq!(paths, ["email", "name", "phone", "password"]);
    });
}

#[test_case(Sqlite; "sqlite")]
#[test_case(Postgres; "postgres")]
fn guest_keeps_the_account_after_sign_up_and_old_tokens_end(database: Database) {
    run_on(database, async |world: &World| {
        let guest = guest(world).await;
        let token = text(&guest.data("done.session.accessToken"));
        assert_eq!(viewer(world, Some(&token)).await.data("viewer.account.kind"), "GUEST");
        let user = sign_up(world, Some(&token), "ada@example.org").await;
        assert_eq!(user.data("done.session.account.id"), guest.data("done.session.account.id"));
        assert_eq!(user.data("done.session.account.kind"), "USER");
        assert_eq!(user.data("done.session.account.version"), 2);
        assert_eq!(viewer(world, Some(&token)).await.code().as_deref(), Some("UNAUTHENTICATED"));
        let stolen = text(&guest.data("done.session.refreshToken"));
        assert_eq!(refusal(&refresh(world, &stolen).await), "SESSION_ENDED");
    });
}

#[test_case(Sqlite; "sqlite")]
#[test_case(Postgres; "postgres")]
fn a_guest_cannot_take_the_address_of_another_and_stays_a_guest(database: Database) {
    run_on(database, async |world: &World| {
        user(world, "ada@example.org").await;
        let token = text(&guest(world).await.data("done.session.accessToken"));
        assert_eq!(refusal(&sign_up(world, Some(&token), "ada@example.org").await), "EMAIL_TAKEN");
        assert_eq!(viewer(world, Some(&token)).await.data("viewer.account.kind"), "GUEST");
    });
}

#[test_case(Sqlite; "sqlite")]
#[test_case(Postgres; "postgres")]
fn one_of_many_concurrent_sign_ups_gets_the_address(database: Database) {
    run_on(database, async |world: &World| {
        let all: Vec<Answer> =
            futures_util::future::join_all((0..8).map(|_| sign_up(world, None, "ada@example.org"))).await;
        let won = all.iter().filter(|answer| !answer.data("done.session").is_null()).count();
        assert_eq!(won, 1);
        assert_eq!(all.iter().filter(|answer| refusal(answer) == "EMAIL_TAKEN").count(), 7);
    });
}

#[test_case(Sqlite; "sqlite")]
#[test_case(Postgres; "postgres")]
fn one_of_many_concurrent_upgrades_of_a_guest_succeeds(database: Database) {
    run_on(database, async |world: &World| {
        let token = text(&guest(world).await.data("done.session.accessToken"));
        let emails: Vec<String> = (0..6).map(|index| format!("ada{index}@example.org")).collect();
        let all: Vec<Answer> =
            futures_util::future::join_all(emails.iter().map(|email| sign_up(world, Some(&token), email)))
                .await;
        let won = all.iter().filter(|answer| !answer.data("done.session").is_null()).count();
        assert_eq!(won, 1, "{all:?}");
    });
}

#[test_case(Sqlite; "sqlite")]
#[test_case(Postgres; "postgres")]
fn a_refresh_token_is_good_once_and_its_reuse_ends_the_family(database: Database) {
    run_on(database, async |world: &World| {
        let up = sign_up(world, None, "ada@example.org").await;
        let first = text(&up.data("done.session.refreshToken"));
        let second = refresh(world, &first).await;
        let newest = text(&second.data("done.session.refreshToken"));
        let access = text(&second.data("done.session.accessToken"));
        assert_ne!(first, newest);
        assert_eq!(refusal(&refresh(world, &first).await), "SESSION_ENDED");
        assert_eq!(refusal(&refresh(world, &newest).await), "SESSION_ENDED", "the family is revoked");
        assert_eq!(viewer(world, Some(&access)).await.code().as_deref(), Some("UNAUTHENTICATED"));
        for forged in ["", "tsr_refresh_", &access, &first.to_uppercase()] {
            assert_eq!(refusal(&refresh(world, forged).await), "SESSION_ENDED");
        }
    });
}

#[test_case(Sqlite; "sqlite")]
#[test_case(Postgres; "postgres")]
fn concurrent_refreshes_end_the_session(database: Database) {
    run_on(database, async |world: &World| {
        let up = sign_up(world, None, "ada@example.org").await;
        let token = text(&up.data("done.session.refreshToken"));
        let all: Vec<Answer> = futures_util::future::join_all((0..8).map(|_| refresh(world, &token))).await;
        let won: Vec<_> = all.iter().filter(|answer| !answer.data("done.session").is_null()).collect();
        assert_eq!(won.len(), 1);
        let next = text(&won[0].data("done.session.refreshToken"));
        assert_eq!(refusal(&refresh(world, &next).await), "SESSION_ENDED");
    });
}

#[test_case(Sqlite; "sqlite")]
#[test_case(Postgres; "postgres")]
fn an_idle_session_ends_and_is_forgotten_a_day_later(database: Database) {
    run_on(database, async |world: &World| {
        let day = Duration::from_hours(24);
        let up = sign_up(world, None, "ada@example.org").await;
        world.advance(day * 29);
        let second = refresh(world, &text(&up.data("done.session.refreshToken"))).await;
        let token = text(&second.data("done.session.refreshToken"));
        world.advance(day * 30);
        assert_eq!(refusal(&refresh(world, &token).await), "SESSION_ENDED");
        assert_eq!(account::prune_sessions(&world.app).await.unwrap(), 0);
        world.advance(day + Duration::from_secs(1));
        assert_eq!(account::prune_sessions(&world.app).await.unwrap(), 1);
        assert_eq!(refusal(&refresh(world, &token).await), "SESSION_ENDED");
    });
}

#[test_case(Sqlite; "sqlite")]
#[test_case(Postgres; "postgres")]
fn signing_out_ends_the_session_at_once(database: Database) {
    run_on(database, async |world: &World| {
        let up = sign_up(world, None, "ada@example.org").await;
        let token = text(&up.data("done.session.accessToken"));
        let document = "mutation { done: signOut { account { email } errors { code } } }";
        let out = world.gql(Some(&token), document, json!({})).await;
        assert_eq!(out.data("done.account.email"), "ada@example.org");
        assert_eq!(viewer(world, Some(&token)).await.code().as_deref(), Some("UNAUTHENTICATED"));
        let refreshed = refresh(world, &text(&up.data("done.session.refreshToken"))).await;
        assert_eq!(refusal(&refreshed), "SESSION_ENDED");
        assert_eq!(world.gql(None, document, json!({})).await.code().as_deref(), Some("UNAUTHENTICATED"));
    });
}

#[test_case(Sqlite; "sqlite")]
#[test_case(Postgres; "postgres")]
fn the_eleventh_wrong_password_waits_for_known_and_unknown_addresses_alike(database: Database) {
    run_on(database, async |world: &World| {
        user(world, "ada@example.org").await;
        for email in ["ada@example.org", "nobody@example.org", "not an address"] {
            for _ in 0..10 {
                assert_eq!(refusal(&sign_in(world, email, "wrong password").await), "WRONG_CREDENTIALS");
            }
            let eleventh = sign_in(world, email, PASSWORD).await;
            assert_eq!(refusal(&eleventh), "TOO_MANY_ATTEMPTS");
            assert_eq!(eleventh.data("done.errors.0.retryAfterMs"), 901_000);
        }
        world.advance(Duration::from_mins(15));
        let in_time = sign_in(world, "ada@example.org", PASSWORD).await;
        assert!(!in_time.data("done.session").is_null());
    });
}

#[test_case(Sqlite; "sqlite")]
#[test_case(Postgres; "postgres")]
fn a_profile_is_changed_only_as_it_was_seen(database: Database) {
    run_on(database, async |world: &World| {
        let token = user(world, "ada@example.org").await;
        let update = async |input: Value| {
            let document = "mutation($input: UpdateProfileInput!) { done: updateProfile(input: $input) { \
                            account { name phone version } errors { code path } } }";
            world.gql(Some(&token), document, json!({"input": input})).await
        };
        let first = update(json!({"name": " Ada ", "phone": "+44 20 1234", "expectedVersion": 1})).await;
        assert_eq!(first.data("done.account"), json!({"name": "Ada", "phone": "+44 20 1234", "version": 2}));
        for version in [1, 3, -1, i64::MAX] {
            assert_eq!(refusal(&update(json!({"name": "B", "expectedVersion": version})).await), "STALE");
        }
        let second = update(json!({"phone": null, "expectedVersion": 2})).await;
        assert_eq!(second.data("done.account"), json!({"name": "Ada", "phone": null, "version": 3}));
    });
}

#[test_case(Sqlite; "sqlite")]
#[test_case(Postgres; "postgres")]
fn a_new_password_ends_all_other_sessions(database: Database) {
    run_on(database, async |world: &World| {
        let mine = user(world, "ada@example.org").await;
        let other = text(&sign_in(world, "ada@example.org", PASSWORD).await.data("done.session.accessToken"));
        let change = async |token: &str, current: &str, new: &str| {
            let document = "mutation($input: ChangePasswordInput!) { done: changePassword(input: $input) { \
                            account { version } errors { code path } } }";
            let input = json!({"currentPassword": current, "newPassword": new});
            world.gql(Some(token), document, json!({"input": input})).await
        };
        assert_eq!(refusal(&change(&mine, "wrong password", "a new password").await), "WRONG_CREDENTIALS");
        assert_eq!(refusal(&change(&mine, PASSWORD, "short").await), "INVALID");
        assert_eq!(change(&mine, PASSWORD, "a new password").await.data("done.account.version"), 2);
        assert_eq!(viewer(world, Some(&mine)).await.data("viewer.account.kind"), "USER");
        assert_eq!(viewer(world, Some(&other)).await.code().as_deref(), Some("UNAUTHENTICATED"));
        assert_eq!(refusal(&sign_in(world, "ada@example.org", PASSWORD).await), "WRONG_CREDENTIALS");
        let guest = text(&guest(world).await.data("done.session.accessToken"));
        assert_eq!(change(&guest, PASSWORD, "a new password").await.code().as_deref(), Some("FORBIDDEN"));
    });
}
