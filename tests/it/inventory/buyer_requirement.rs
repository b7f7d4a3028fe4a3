//! Requirements of events for their buyers: an account, a verified e-mail address, or a proof of work.

use std::time::Duration;

use altcha::{Challenge, Payload, SolveChallengeOptions, solve_challenge};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use tessera::{account, http::Patience};
use test_case::test_case;

use crate::support::Database::{self, Postgres, Sqlite};
use crate::support::{Answer, World, given::Stage, run_on};

const CHALLENGE: &str =
    "query($event: ID!) { reservationChallenge(eventId: $event) { challenge expiresAt work } }";
const RESERVE: &str = "mutation($event: ID!, $seats: [ID!]!, $key: String!, $proof: String) {
    reserveSeats(input: { eventId: $event, pick: { seatIds: $seats }, idempotencyKey: $key, proof: $proof }) {
        reservation { id } errors { code path retryable } } }";

/// A reservation of one seat.
#[derive(Clone, Copy)]
struct Wish<'a> {
    seat: usize,
    key: &'a str,
    proof: Option<&'a str>,
}

impl World {
    async fn require(&self, stage: &Stage, requirement: &str) {
        let seen = "query($id: ID!) { event(id: $id) { version } }";
        let seen = self.gql(None, seen, json!({ "id": stage.event })).await.good();
        let document = "mutation($id: ID!, $version: Long!, $requirement: BuyerRequirement!) {
            updateEvent(input: { eventId: $id, expectedVersion: $version,
                reservationRules: { buyerRequirement: $requirement } }) {
                event { reservationRules { buyerRequirement } } errors { code path } } }";
        let input =
            json!({ "id": stage.event, "version": seen.data("event.version"), "requirement": requirement });
        let answer = self.gql(Some(&stage.vendor), document, input).await.good();
        assert_eq!(answer.data("updateEvent.event.reservationRules.buyerRequirement"), requirement);
    }

    async fn wish(&self, token: &str, stage: &Stage, wish: Wish<'_>) -> Answer {
        let Wish { seat, key, proof } = wish;
        let input = json!({ "event": stage.event, "seats": [stage.seats[seat]], "key": format!("wished-{key}"),
            "proof": proof });
        self.gql(Some(token), RESERVE, input).await
    }

    async fn challenge(&self, token: &str, stage: &Stage) -> Answer {
        self.gql(Some(token), CHALLENGE, json!({ "event": stage.event })).await.good()
    }

    /// A solved challenge, as the widget sends it.
    async fn solved(&self, token: &str, stage: &Stage) -> String {
        let text = self.challenge(token, stage).await.text("reservationChallenge.challenge");
        let challenge: Challenge = serde_json::from_str(&text).expect("a challenge");
        let solution = solve_challenge(SolveChallengeOptions::new(&challenge)).expect("solvable");
        let payload = Payload { challenge, solution: solution.expect("solved in time") };
        STANDARD.encode(serde_json::to_vec(&payload).expect("JSON"))
    }
}

fn code(answer: &Answer) -> Option<String> {
    answer.refusal("reserveSeats")
}

#[test_case(Sqlite; "sqlite")]
#[test_case(Postgres; "postgres")]
fn an_event_can_be_sold_to_users_only(database: Database) {
    run_on(database, async |world: &World| {
        let stage = world.stage().await;
        world.require(&stage, "REGISTERED").await;
        let (guest, user) = (world.guest().await, world.user("buyer").await);
        let refused = world.wish(&guest, &stage, Wish { seat: 0, key: "guest", proof: None }).await;
        assert_eq!(code(&refused).as_deref(), Some("REGISTRATION_REQUIRED"), "{}", refused.body);
        world.wish(&user, &stage, Wish { seat: 0, key: "user", proof: None }).await.good();
        world.require(&stage, "NONE").await;
        world.wish(&guest, &stage, Wish { seat: 1, key: "guest", proof: None }).await.good();
    });
}

#[test_case(Sqlite; "sqlite")]
#[test_case(Postgres; "postgres")]
fn an_event_can_be_sold_to_users_with_a_verified_address_only(database: Database) {
    run_on(database, async |world: &World| {
        let stage = world.stage().await;
        world.require(&stage, "VERIFIED_EMAIL").await;
        let (guest, user) = (world.guest().await, world.user("buyer").await);
        for token in [&guest, &user] {
            let refused = world.wish(token, &stage, Wish { seat: 0, key: "too-early", proof: None }).await;
            assert_eq!(code(&refused).as_deref(), Some("VERIFIED_EMAIL_REQUIRED"), "{}", refused.body);
        }
        account::verify_email(&world.app, "Buyer@tessera.test").await.expect("verified");
        account::verify_email(&world.app, "buyer@tessera.test").await.expect("it stays so");
        assert!(account::verify_email(&world.app, "nobody@tessera.test").await.is_err());
        // Sessions are believed for a moment; a new one is looked up.
        let user = world.sign_in("buyer").await;
        world.wish(&user, &stage, Wish { seat: 0, key: "verified", proof: None }).await.good();
    });
}

#[test_case(Sqlite; "sqlite")]
#[test_case(Postgres; "postgres")]
fn an_event_can_ask_for_a_proof_of_work(database: Database) {
    run_on(database, async |world: &World| {
        let stage = world.stage().await;
        let guest = world.guest().await;
        let none = world.challenge(&guest, &stage).await;
        assert_eq!(none.data("reservationChallenge"), Value::Null, "it asks for none yet");
        world.require(&stage, "PROOF_OF_WORK").await;
        let refused = world.wish(&guest, &stage, Wish { seat: 0, key: "without", proof: None }).await;
        assert_eq!(code(&refused).as_deref(), Some("PROOF_REQUIRED"), "{}", refused.body);
        let refused =
            world.wish(&guest, &stage, Wish { seat: 0, key: "nonsense", proof: Some("nonsense") }).await;
        assert_eq!(code(&refused).as_deref(), Some("PROOF_INVALID"), "{}", refused.body);
        assert_eq!(refused.data("reserveSeats.errors.0.path"), json!(["proof"]));

        let proof = world.solved(&guest, &stage).await;
        let other = world.guest().await;
        let refused = world.wish(&other, &stage, Wish { seat: 0, key: "stolen", proof: Some(&proof) }).await;
        assert_eq!(
            code(&refused).as_deref(),
            Some("PROOF_INVALID"),
            "a proof is its account's: {}",
            refused.body
        );
        let made =
            world.wish(&guest, &stage, Wish { seat: 0, key: "proven", proof: Some(&proof) }).await.good();
        // The same call again has the same answer, and the proof is good for no other.
        let again =
            world.wish(&guest, &stage, Wish { seat: 0, key: "proven", proof: Some(&proof) }).await.good();
        assert_eq!(again.body, made.body);
        let refused =
            world.wish(&guest, &stage, Wish { seat: 1, key: "replayed", proof: Some(&proof) }).await;
        assert_eq!(code(&refused).as_deref(), Some("PROOF_INVALID"), "{}", refused.body);
        // Too old for a new reservation, but the repeated call still has its answer.
        world.advance(Duration::from_mins(5));
        let again =
            world.wish(&guest, &stage, Wish { seat: 0, key: "proven", proof: Some(&proof) }).await.good();
        assert_eq!(again.body, made.body);
    });
}

#[test_case(Sqlite; "sqlite")]
#[test_case(Postgres; "postgres")]
fn a_proof_stays_good_until_it_reserved_something(database: Database) {
    run_on(database, async |world: &World| {
        let stage = world.stage().await;
        let first = world.guest().await;
        world.wish(&first, &stage, Wish { seat: 0, key: "first", proof: None }).await.good();
        world.require(&stage, "PROOF_OF_WORK").await;
        let guest = world.guest().await;
        let proof = world.solved(&guest, &stage).await;
        let taken = world.wish(&guest, &stage, Wish { seat: 0, key: "taken", proof: Some(&proof) }).await;
        assert_eq!(code(&taken).as_deref(), Some("SEATS_TAKEN"), "{}", taken.body);
        // On another instance with the same keys it is as good.
        let second = world.beside(&["--access-seconds", "3600"], Patience::default()).await;
        second.wish(&guest, &stage, Wish { seat: 1, key: "another", proof: Some(&proof) }).await.good();
        second.end().await;
        let late = world.solved(&guest, &stage).await;
        world.advance(Duration::from_mins(5));
        let refused = world.wish(&guest, &stage, Wish { seat: 2, key: "too-late", proof: Some(&late) }).await;
        assert_eq!(code(&refused).as_deref(), Some("PROOF_INVALID"), "{}", refused.body);
    });
}

#[test_case(Sqlite; "sqlite")]
#[test_case(Postgres; "postgres")]
fn challenges_get_harder_when_places_are_kept_unpaid(database: Database) {
    run_on(database, async |world: &World| {
        let stage = world.stage().await;
        let work =
            async |token: &str| {
                let answer = world.challenge(token, &stage).await;
                answer.data("reservationChallenge.work").as_str().map(str::to_owned).or_else(|| {
                    answer.data("reservationChallenge.work").as_i64().map(|work| work.to_string())
                })
            };
        let guest = world.guest().await;
        let document =
            "mutation($event: ID!, $area: ID!, $key: String!) { reserveSeats(input: { eventId: $event,
            pick: { admission: { areaId: $area, quantity: 8 } }, idempotencyKey: $key }) {
            reservation { id } errors { code } } }";
        for index in 0..6 {
            let buyer = world.guest().await;
            let input = json!({ "event": stage.event, "area": stage.area, "key": format!("places-{index}") });
            world.gql(Some(&buyer), document, input).await.good();
            if index == 1 {
                world.require(&stage, "PROOF_OF_WORK").await;
                assert_eq!(work(&guest).await.as_deref(), Some("256000"), "16 of 80 places");
                world.require(&stage, "NONE").await;
            }
        }
        world.require(&stage, "PROOF_OF_WORK").await;
        assert_eq!(work(&guest).await.as_deref(), Some("1024000"), "48 of 80 places");
    });
}
