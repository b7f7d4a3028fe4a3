//! Refusals that got in the way: an old token at the sign-in, a payment method for nothing, the end of the sales during
//! an extension, errors without a location, coupons that nobody can claim, and reservations of cancelled events.

use std::time::Duration;

use chrono::TimeDelta;
use futures_util::StreamExt;
use serde_json::{Value, json};
use tessera::inventory::feed::{self, Message, PublicStatus};

use crate::support::{Answer, World, given::Stage, run};

const SIGN_IN: &str =
    "mutation { signIn(input: { email: \"ada@tessera.test\", password: \"correct horse battery\" }) {
    session { accessToken refreshToken } errors { code } } }";
const REFRESH: &str = "mutation($token: String!) { refreshSession(input: { refreshToken: $token }) {
    session { accessToken refreshToken } errors { code } } }";
const GUEST: &str = "mutation { createGuestSession { session { accessToken } errors { code } } }";

fn key(world: &World) -> String {
    uuid::Uuid::from_bytes(world.app.random()).to_string()
}

#[test]
fn old_token_does_not_prevent_a_new_session() {
    run(async |world: &World| {
        let old = world.user("ada").await;
        let session = world.gql(None, SIGN_IN, json!({})).await.good();
        let mut refresh = session.text("signIn.session.refreshToken");
        let signed_out = session.text("signIn.session.accessToken");
        let other = world.gql(None, SIGN_IN, json!({})).await.good();
        let ended = other.text("signIn.session.accessToken");
        world.gql(Some(&ended), "mutation { signOut { errors { code } } }", json!({})).await.good();
        // An hour, and the leeway for clocks that differ.
        world.advance(Duration::from_secs(3_700));
        let cut = &old[..old.len() - 1];
        for token in [&old, &signed_out, &ended, cut, "nonsense", "a.b.c"] {
            world.gql(Some(token), SIGN_IN, json!({})).await.good();
            world.gql(Some(token), GUEST, json!({})).await.good();
            let both = format!(
                "{} {}",
                SIGN_IN.strip_suffix(" }").expect("a brace"),
                "again: createGuestSession { errors { code } } }"
            );
            let both = world.gql(Some(token), &both, json!({})).await.good();
            assert!(both.data("signIn.session.accessToken").is_string(), "{}", both.body);
            let refreshed = world.gql(Some(token), REFRESH, json!({ "token": refresh })).await.good();
            refresh = refreshed.text("refreshSession.session.refreshToken");
            // Everything else needs a valid token, or none.
            let sign_up =
                "mutation { signUp(input: { email: \"new@tessera.test\", password: \"correct horse battery\",
                name: \"New\" }) { errors { code } } }";
            let mixed = format!(
                "{} {}",
                SIGN_IN.strip_suffix(" }").expect("a brace"),
                "signOut { errors { code } } }"
            );
            for document in [
                "{ viewer { account { id } } }",
                "{ categories { id } }",
                sign_up,
                &mixed,
                "mutation { nope }",
                "{",
            ] {
                let refused = world.gql(Some(token), document, json!({})).await;
                assert_eq!(
                    (refused.status, refused.code().as_deref()),
                    (401, Some("UNAUTHENTICATED")),
                    "{document}"
                );
            }
        }
        // A wrong password is still wrong.
        let wrong = SIGN_IN.replace("correct horse", "wrong horse");
        let refused = world.gql(Some(&old), &wrong, json!({})).await;
        assert_eq!(refused.refusal("signIn").as_deref(), Some("WRONG_CREDENTIALS"));
    });
}

#[test]
fn order_without_a_total_needs_no_payment_method() {
    run(async |world: &World| {
        let stage = world.stage().await;
        let buyer = world.guest().await;
        let pay = async |order: &str, method: Value| {
            let document = "mutation($order: ID!, $method: String, $key: String!) {
                payOrder(input: { orderId: $order, method: $method, idempotencyKey: $key }) {
                    order { state } payment { id } errors { code path } } }";
            let input = json!({ "order": order, "method": method, "key": key(world) });
            world.gql(Some(&buyer), document, input).await
        };
        for (number, method) in [json!(null), json!(""), json!("pm_card_visa"), json!("anything"), json!(" ")]
            .into_iter()
            .enumerate()
        {
            let card = world.given_claim(&world.gift_card(5_000).await, &buyer).await;
            let reservation = world.reserve(&buyer, &stage.event, &[&stage.seats[number]]).await;
            let made = world.spend(&buyer, &[&reservation], &[&card], &format!("free-{number}")).await.good();
            assert_eq!(made.data("checkout.order.total.amount"), "0.00");
            let paid = pay(&made.text("checkout.order.id"), method.clone()).await.good();
            assert_eq!(paid.data("payOrder.order.state"), "PAID", "{method}");
            assert_eq!(paid.data("payOrder.payment"), Value::Null);
        }
        // Without the field at all.
        let card = world.given_claim(&world.gift_card(5_000).await, &buyer).await;
        let reservation = world.reserve(&buyer, &stage.event, &[&stage.seats[6]]).await;
        let made = world.spend(&buyer, &[&reservation], &[&card], "free-omitted").await.good();
        let document =
            "mutation($order: ID!) { payOrder(input: { orderId: $order, idempotencyKey: \"no-method\" }) {
            order { state } errors { code path } } }";
        let paid = world
            .gql(Some(&buyer), document, json!({ "order": made.data("checkout.order.id") }))
            .await
            .good();
        assert_eq!(paid.data("payOrder.order.state"), "PAID");
        // Something to pay needs a method.
        let reservation = world.reserve(&buyer, &stage.event, &[&stage.seats[7]]).await;
        let order = world.checkout(&buyer, &[&reservation]).await;
        for method in [json!(null), json!(""), json!("  "), json!("x".repeat(256))] {
            let refused = pay(&order, method.clone()).await;
            let error = refused.data("payOrder.errors.0");
            assert_eq!((&error["code"], &error["path"]), (&json!("INVALID"), &json!(["method"])), "{method}");
        }
        let paid = pay(&order, json!("pm_card_visa")).await.good();
        assert_eq!(paid.data("payOrder.order.state"), "PAID");
    });
}

/// Changes the event at its current version.
async fn update_event(world: &World, stage: &Stage, with: Value) {
    let version = "query($id: ID!) { event(id: $id) { version } }";
    let version = world.gql(None, version, json!({ "id": stage.event })).await.good();
    let mut input = with;
    (input["eventId"], input["expectedVersion"]) = (json!(stage.event), version.data("event.version"));
    let document = "mutation($input: UpdateEventInput!) { updateEvent(input: $input) {
        event { id } errors { code message path } } }";
    world.gql(Some(&stage.vendor), document, json!({ "input": input })).await.good();
}

#[test]
fn reservation_made_in_time_is_extended_and_paid_after_the_end_of_the_sales() {
    run(async |world: &World| {
        let stage = world.stage().await;
        let buyer = world.guest().await;
        let end = world.app.clock.now() + TimeDelta::minutes(5);
        update_event(world, &stage, json!({ "salesEnd": end })).await;
        let id = world.reserve(&buyer, &stage.event, &[&stage.seats[0]]).await;
        world.advance(Duration::from_mins(6));
        let late = world.try_reserve(&buyer, &stage.event, &[&stage.seats[1]], "after-the-end").await;
        assert_eq!(late.refusal("reserveSeats").as_deref(), Some("SALES_ENDED"));
        let extend = "mutation($id: ID!) { extendReservation(input: { reservationId: $id }) {
            reservation { expiresAt expiresAtLatest } errors { code message } } }";
        let extended = world.gql(Some(&buyer), extend, json!({ "id": id })).await.good();
        let expected = world.app.clock.now() + TimeDelta::minutes(10);
        let shown = extended.text("extendReservation.reservation.expiresAt");
        assert_eq!(shown.parse::<chrono::DateTime<chrono::Utc>>().expect("a time"), expected);
        // Not beyond the latest end.
        world.advance(Duration::from_mins(9));
        let extended = world.gql(Some(&buyer), extend, json!({ "id": id })).await.good();
        let reservation = extended.data("extendReservation.reservation");
        assert_eq!(reservation["expiresAt"], reservation["expiresAtLatest"]);
        let again = world.gql(Some(&buyer), extend, json!({ "id": id })).await;
        assert_eq!(again.refusal("extendReservation").as_deref(), Some("NO_MORE_TIME"));
        let order = world.checkout(&buyer, &[&id]).await;
        let paid = world.pay(&buyer, &order, "pm_card_visa", "late-but-in-time").await.good();
        assert_eq!(paid.data("payOrder.order.state"), "PAID");
    });
}

fn unknown(prefix: &str) -> String {
    format!("{prefix}_01h455vb4pex5vsknk084sn02q")
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table with one entry per id")]
fn missing_object_is_located_in_the_input() {
    run(async |world: &World| {
        let stage = world.stage().await;
        let buyer = world.guest().await;
        let operator = world.sign_in("operator").await;
        let coupon = world.published(&stage, json!({})).await;
        let at = world.app.clock.now() + TimeDelta::days(9);
        let vendor = stage.vendor.clone();
        let contact = json!({ "name": "A Buyer", "email": "buyer@tessera.test" });
        let event = json!({ "shopId": stage.shop, "venueId": stage.venue, "categoryId": stage.category, "name": "E",
            "startsAt": at, "endsAt": at });
        let with = |of: &Value, name: &str, value: String| {
            let mut changed = of.clone();
            changed[name] = json!(value);
            changed
        };
        let own = world.reserve(&buyer, &stage.event, &[&stage.seats[0]]).await;
        let price = json!({ "amount": "1.00", "currency": "EUR" });
        let k = "a-key-of-my-own";
        let cases: Vec<(&str, &str, &String, Value, &[&str])> = vec![
            (
                "reserveSeats",
                "ReserveSeatsInput",
                &buyer,
                json!({ "eventId": unknown("event"), "idempotencyKey": k,
                "pick": { "bestAvailable": { "quantity": 1 } } }),
                &["eventId"],
            ),
            (
                "releaseReservation",
                "ReleaseReservationInput",
                &buyer,
                json!({ "reservationId": unknown("reservation") }),
                &["reservationId"],
            ),
            (
                "extendReservation",
                "ExtendReservationInput",
                &buyer,
                json!({ "reservationId": unknown("reservation") }),
                &["reservationId"],
            ),
            (
                "checkout",
                "CheckoutInput",
                &buyer,
                json!({ "reservationIds": [unknown("reservation")], "contact": contact,
                "idempotencyKey": k }),
                &["reservationIds", "0"],
            ),
            (
                "checkout",
                "CheckoutInput",
                &buyer,
                json!({ "reservationIds": [own, unknown("reservation")], "contact": contact,
                "idempotencyKey": k }),
                &["reservationIds", "1"],
            ),
            ("cancelOrder", "CancelOrderInput", &buyer, json!({ "orderId": unknown("order") }), &["orderId"]),
            (
                "payOrder",
                "PayOrderInput",
                &buyer,
                json!({ "orderId": unknown("order"), "method": "x", "idempotencyKey": k }),
                &["orderId"],
            ),
            (
                "confirmPayment",
                "ConfirmPaymentInput",
                &buyer,
                json!({ "paymentId": unknown("payment") }),
                &["paymentId"],
            ),
            (
                "cancelPayment",
                "CancelPaymentInput",
                &buyer,
                json!({ "paymentId": unknown("payment") }),
                &["paymentId"],
            ),
            (
                "refundOrder",
                "RefundOrderInput",
                &buyer,
                json!({ "orderId": unknown("order"), "idempotencyKey": k }),
                &["orderId"],
            ),
            (
                "claimCoupon",
                "ClaimCouponInput",
                &buyer,
                json!({ "couponId": unknown("coupon"), "idempotencyKey": k }),
                &["couponId"],
            ),
            (
                "reserveCoupon",
                "ReserveCouponInput",
                &buyer,
                json!({ "couponId": unknown("coupon"), "idempotencyKey": k }),
                &["couponId"],
            ),
            (
                "releaseClaim",
                "ReleaseClaimInput",
                &buyer,
                json!({ "claimId": unknown("claim") }),
                &["claimId"],
            ),
            ("shareClaim", "ShareClaimInput", &buyer, json!({ "claimId": unknown("claim") }), &["claimId"]),
            (
                "publishCoupon",
                "CouponStepInput",
                &vendor,
                json!({ "couponId": unknown("coupon"), "expectedVersion": 1 }),
                &["couponId"],
            ),
            (
                "updateCoupon",
                "UpdateCouponInput",
                &vendor,
                json!({ "couponId": unknown("coupon"), "expectedVersion": 1 }),
                &["couponId"],
            ),
            (
                "archiveProduct",
                "ArchiveProductInput",
                &vendor,
                json!({ "productId": unknown("product"), "expectedVersion": 1 }),
                &["productId"],
            ),
            (
                "createEvent",
                "CreateEventInput",
                &vendor,
                with(&event, "venueId", unknown("venue")),
                &["venueId"],
            ),
            (
                "createEvent",
                "CreateEventInput",
                &vendor,
                with(&event, "seatMapId", unknown("map")),
                &["seatMapId"],
            ),
            (
                "updateEvent",
                "UpdateEventInput",
                &vendor,
                json!({ "eventId": unknown("event"), "expectedVersion": 1 }),
                &["eventId"],
            ),
            (
                "publishEvent",
                "PublishEventInput",
                &vendor,
                json!({ "eventId": unknown("event"), "expectedVersion": 1 }),
                &["eventId"],
            ),
            (
                "cancelEvent",
                "CancelEventInput",
                &vendor,
                json!({ "eventId": unknown("event"), "expectedVersion": 1 }),
                &["eventId"],
            ),
            (
                "createTier",
                "CreateTierInput",
                &vendor,
                json!({ "eventId": unknown("event"), "name": "T", "basePrice": price }),
                &["eventId"],
            ),
            (
                "updateTier",
                "UpdateTierInput",
                &vendor,
                json!({ "tierId": unknown("tier"), "expectedVersion": 1 }),
                &["tierId"],
            ),
            (
                "deleteTier",
                "DeleteTierInput",
                &vendor,
                json!({ "tierId": unknown("tier"), "expectedVersion": 1 }),
                &["tierId"],
            ),
            (
                "importSeatMap",
                "ImportSeatMapInput",
                &vendor,
                json!({ "venueId": unknown("venue"), "plan": "{}" }),
                &["venueId"],
            ),
            (
                "updateVenue",
                "UpdateVenueInput",
                &vendor,
                json!({ "venueId": unknown("venue"), "expectedVersion": 1 }),
                &["venueId"],
            ),
            (
                "updateCategory",
                "UpdateCategoryInput",
                &operator,
                json!({ "categoryId": unknown("category"), "expectedVersion": 1 }),
                &["categoryId"],
            ),
        ];
        for (mutation, input_type, token, input, path) in cases {
            let document = format!(
                "mutation($input: {input_type}!) {{ {mutation}(input: $input) {{ errors {{ code path }} }} }}"
            );
            let refused = world.gql(Some(token), &document, json!({ "input": input })).await;
            let error = refused.data(&format!("{mutation}.errors.0"));
            let given =
                input.pointer(&format!("/{}", path.join("/"))).and_then(Value::as_str).unwrap_or_default();
            assert_eq!(error["path"], json!(path), "{mutation} with {given}: {}", refused.body);
            // A malformed id has the same location. Prefixes that this test got wrong count as malformed.
            assert!(
                error["code"] == "NOT_FOUND" || error["code"] == "INVALID",
                "{mutation}: {}",
                refused.body
            );
        }
        assert!(!coupon.is_empty());
    });
}

#[test]
fn refused_reservation_is_located_in_the_input_of_the_checkout() {
    run(async |world: &World| {
        let stage = world.stage().await;
        let buyer = world.guest().await;
        let hold = async |seat: usize| world.reserve(&buyer, &stage.event, &[&stage.seats[seat]]).await;
        let tried = async |all: &[&String]| -> Answer {
            let document = "mutation($ids: [ID!]!, $key: String!) { checkout(input: { reservationIds: $ids,
                idempotencyKey: $key, contact: { name: \"A Buyer\", email: \"buyer@tessera.test\" } }) {
                order { id } errors { code path } } }";
            world.gql(Some(&buyer), document, json!({ "ids": all, "key": key(world) })).await
        };
        let check = |answer: &Answer, code: &str, path: &[&str]| {
            let error = answer.data("checkout.errors.0");
            assert_eq!((&error["code"], &error["path"]), (&json!(code), &json!(path)), "{}", answer.body);
        };
        let (released, ordered, paying, good) = (hold(0).await, hold(1).await, hold(2).await, hold(3).await);
        let release =
            "mutation($id: ID!) { releaseReservation(input: { reservationId: $id }) { errors { code } } }";
        world.gql(Some(&buyer), release, json!({ "id": released })).await.good();
        world.checkout(&buyer, &[&ordered]).await;
        let order = world.checkout(&buyer, &[&paying]).await;
        world.pay(&buyer, &order, "pm_card_authenticationRequired", "asks-more").await.good();
        check(&tried(&[&good, &released]).await, "RESERVATION_ENDED", &["reservationIds", "1"]);
        check(&tried(&[&ordered, &good]).await, "ALREADY_ORDERED", &["reservationIds", "0"]);
        check(&tried(&[&good, &paying]).await, "BEING_PAID", &["reservationIds", "1"]);
        check(&tried(&[&good, &good]).await, "INVALID", &["reservationIds"]);
        check(&tried(&[]).await, "INVALID", &["reservationIds"]);
        let other = world.guest().await;
        let foreign = world.reserve(&other, &stage.event, &[&stage.seats[9]]).await;
        check(&tried(&[&good, &foreign]).await, "NOT_FOUND", &["reservationIds", "1"]);
        world.advance(Duration::from_mins(11));
        check(&tried(&[&good]).await, "RESERVATION_ENDED", &["reservationIds", "0"]);
    });
}

#[test]
fn coupon_that_nobody_can_claim_is_reported() {
    run(async |world: &World| {
        let stage = world.stage().await;
        let five = json!({ "amount": "5.00", "currency": "EUR" });
        let cases = [
            (json!({ "listed": false, "kind": "AMOUNT_OFF", "amount": five }), true),
            (json!({ "listed": false, "kind": "ACCESS_CODE", "appliesTo": [stage.event] }), true),
            (json!({ "listed": false, "kind": "FREE_ITEM", "codes": "GENERATED" }), true),
            (json!({ "listed": false, "kind": "GIFT_CARD", "amount": five, "price": five }), true),
            (json!({ "listed": true, "kind": "FREE_ITEM" }), false),
            (json!({ "listed": false, "kind": "FREE_ITEM", "codes": "UPLOADED" }), false),
        ];
        let fields = "coupon { id version } warnings { code message path } errors { code message path }";
        for (with, is_warned) in cases {
            let mut input = with.clone();
            (input["shopId"], input["categoryId"]) = (json!(stage.shop), json!(stage.category));
            input["title"] = json!("Unseen");
            let expected = |warned: bool| {
                let one = json!([{ "code": "UNCLAIMABLE", "path": ["listed"],
                    "message": "nobody can claim the coupon: it is not listed and has no codes" }]);
                if warned { one } else { json!([]) }
            };
            let create = format!(
                "mutation($input: CreateCouponInput!) {{ createCoupon(input: $input) {{ {fields} }} }}"
            );
            let made = world.gql(Some(&stage.vendor), &create, json!({ "input": input })).await.good();
            assert_eq!(made.data("createCoupon.warnings"), expected(is_warned), "{with}");
            let mut coupon = made.data("createCoupon.coupon");
            if with["codes"] == "UPLOADED" {
                world
                    .import_codes(&stage.vendor, coupon["id"].as_str().expect("an id"), "CODE-0001\n")
                    .await
                    .good();
                let version = "query($id: ID!) { coupon(id: $id) { id version } }";
                coupon = world
                    .gql(Some(&stage.vendor), version, json!({ "id": coupon["id"] }))
                    .await
                    .good()
                    .data("coupon");
            }
            let publish = format!(
                "mutation($id: ID!, $version: Long!) {{
                publishCoupon(input: {{ couponId: $id, expectedVersion: $version }}) {{ {fields} }} }}"
            );
            let input = json!({ "id": coupon["id"], "version": coupon["version"] });
            let published = world.gql(Some(&stage.vendor), &publish, input).await.good();
            assert_eq!(published.data("publishCoupon.warnings"), expected(is_warned), "{with}");
            // Listing it, and then hiding it again.
            let mut version = published.data("publishCoupon.coupon.version");
            for listed in [true, false] {
                let update = format!("mutation($id: ID!, $version: Long!, $listed: Boolean!) {{
                    updateCoupon(input: {{ couponId: $id, expectedVersion: $version, listed: $listed }}) {{ {fields} }} }}");
                let input = json!({ "id": coupon["id"], "version": version, "listed": listed });
                let updated = world.gql(Some(&stage.vendor), &update, input).await.good();
                let is_unclaimable = !listed && with["codes"] != "UPLOADED";
                assert_eq!(
                    updated.data("updateCoupon.warnings"),
                    expected(is_unclaimable),
                    "{with}, {listed}"
                );
                version = updated.data("updateCoupon.coupon.version");
            }
            // An ended coupon cannot be claimed anyway.
            let end = publish.replace("publishCoupon", "endCoupon");
            let ended = world
                .gql(Some(&stage.vendor), &end, json!({ "id": coupon["id"], "version": version }))
                .await
                .good();
            assert_eq!(ended.data("endCoupon.warnings"), json!([]));
        }
    });
}

#[test]
fn value_of_the_wrong_type_is_located() {
    run(async |world: &World| {
        let stage = world.stage().await;
        let tier = "mutation($input: CreateTierInput!) { createTier(input: $input) { errors { code } } }";
        let base = |amount: Value, currency: &str| {
            json!({ "input": { "eventId": stage.event, "name": "T", "categories": [],
            "basePrice": { "amount": amount, "currency": currency } } })
        };
        let at = "mutation($at: DateTime!) { updateEvent(input: { eventId: \"x\", expectedVersion: 1, startsAt: $at }) { errors { code } } }";
        let pick = "mutation($pick: PickInput!) { reserveSeats(input: { eventId: \"x\", pick: $pick, idempotencyKey: \"12345678\" }) { errors { code } } }";
        let list = "query($status: [EventStatus!]) { events(filter: { status: $status }) { nodes { id } } }";
        for (document, variables, path) in [
            (tier, base(json!("1.00"), "EURO"), json!(["input", "basePrice", "currency"])),
            (tier, base(json!(12.5), "EUR"), json!(["input", "basePrice", "amount"])),
            (at, json!({ "at": "tomorrow" }), json!(["input", "startsAt"])),
            (at, json!({ "at": 17 }), json!(["input", "startsAt"])),
            (
                pick,
                json!({ "pick": { "admission": { "areaId": "x", "quantity": "two" } } }),
                json!(["input", "pick", "admission", "quantity"]),
            ),
            (pick, json!({ "pick": { "seatIds": ["a", 1.5] } }), json!(["input", "pick", "seatIds", "1"])),
            (list, json!({ "status": ["ON_SALE", "LOST"] }), json!(["filter", "status", "1"])),
        ] {
            let refused = world.gql(Some(&stage.vendor), document, variables.clone()).await;
            let extensions = &refused.body["errors"][0]["extensions"];
            assert_eq!(extensions["code"], "GRAPHQL_VALIDATION_FAILED", "{variables}: {}", refused.body);
            assert_eq!(extensions["inputPath"], path, "{variables}: {}", refused.body);
        }
    });
}

/// Cancels the event at its current version.
async fn cancel_event(world: &World, stage: &Stage) {
    let version = "query($id: ID!) { event(id: $id) { version } }";
    let version = world.gql(None, version, json!({ "id": stage.event })).await.good().data("event.version");
    let cancel = "mutation($id: ID!, $version: Long!) {
        cancelEvent(input: { eventId: $id, expectedVersion: $version }) { event { status } errors { code } } }";
    world.gql(Some(&stage.vendor), cancel, json!({ "id": stage.event, "version": version })).await.good();
}

#[test]
fn cancelled_event_releases_its_reservations() {
    run(async |world: &World| {
        let stage = world.stage().await;
        let (buyer, other) = (world.guest().await, world.guest().await);
        let hold =
            async |token: &str, seat: usize| world.reserve(token, &stage.event, &[&stage.seats[seat]]).await;
        let loose = hold(&buyer, 0).await;
        let second = hold(&other, 1).await;
        let ordered = hold(&buyer, 2).await;
        let unpaid = world.checkout(&buyer, &[&ordered]).await;
        let paying = hold(&buyer, 3).await;
        let pending = world.checkout(&buyer, &[&paying]).await;
        world.pay(&buyer, &pending, "pm_card_authenticationRequired", "asks-more").await.good();
        world.buy(&buyer, &stage.event, &[&stage.seats[4]]).await;
        let stand = "mutation($event: ID!, $area: ID!) { reserveSeats(input: { eventId: $event, idempotencyKey: \"standing\",
            pick: { admission: { areaId: $area, quantity: 5 } } }) { reservation { id } errors { code } } }";
        let stand =
            world.gql(Some(&other), stand, json!({ "event": stage.event, "area": stage.area })).await.good();
        let standing = stand.text("reserveSeats.reservation.id");
        let lapsed_buyer = world.guest().await;
        let lapsed = hold(&lapsed_buyer, 5).await;
        world.advance(Duration::from_mins(9));
        // Extended, except the one that lapses.
        for (token, id) in [(&buyer, &loose), (&other, &second), (&buyer, &ordered), (&other, &standing)] {
            let extend =
                "mutation($id: ID!) { extendReservation(input: { reservationId: $id }) { errors { code } } }";
            world.gql(Some(token), extend, json!({ "id": id })).await.good();
        }
        world.advance(Duration::from_mins(2));
        let inventory = world.only_event().await.into();
        let live = feed::subscribe(&world.app, inventory, None);
        let mut live = std::pin::pin!(live);
        cancel_event(world, &stage).await;
        let status = async |token: &str, id: &str| {
            let document = "query($id: ID!) { reservation(id: $id) { status } }";
            world.gql(Some(token), document, json!({ "id": id })).await.good().data("reservation.status")
        };
        for (token, id) in [(&buyer, &loose), (&other, &second), (&buyer, &ordered), (&other, &standing)] {
            assert_eq!(status(token, id).await, "RELEASED");
        }
        assert_eq!(status(&lapsed_buyer, &lapsed).await, "EXPIRED", "its time was up before");
        assert_eq!(status(&buyer, &paying).await, "PAYING", "a payment that has begun is completed");
        let shown = "query($id: ID!) { event(id: $id) { status seatsLeft availability { version available reserved sold
            rows { statuses } areas { available } } } }";
        let shown = world.gql(None, shown, json!({ "id": stage.event })).await.good().data("event");
        assert_eq!((&shown["status"], &shown["seatsLeft"]), (&json!("CANCELLED"), &json!(78)));
        assert_eq!(shown["availability"]["rows"][0]["statuses"], "AAARSAAAAA");
        assert_eq!(shown["availability"]["areas"][0]["available"], 50);
        let version = shown["availability"]["version"].as_i64().expect("a version");
        // The live feed says the same.
        let mut seats: Vec<PublicStatus> = Vec::new();
        let mut last = 0;
        while last < version {
            let message = tokio::time::timeout(Duration::from_secs(20), live.next()).await;
            match message.expect("a message").expect("the feed goes on").expect("no fault") {
                Message::Snapshot(all) => (last, seats) = (all.version, all.seats),
                Message::Delta(delta) => {
                    last = delta.version;
                    delta.seats.into_iter().for_each(|(seat, status)| seats[seat as usize] = status);
                }
            }
        }
        let reserved = seats.iter().filter(|seat| **seat == PublicStatus::Reserved).count();
        let sold = seats.iter().filter(|seat| **seat == PublicStatus::Sold).count();
        assert_eq!((reserved, sold), (1, 1));
        // The unpaid order ends without waiting for its deadline.
        world.work().await;
        let order = "query($id: ID!) { order(id: $id) { state } }";
        let state_of = async |id: &str| {
            world.gql(Some(&buyer), order, json!({ "id": id })).await.good().data("order.state")
        };
        assert_eq!(state_of(&unpaid).await, "EXPIRED");
        assert_eq!(state_of(&pending).await, "AWAITING_PAYMENT");
    });
}

/// The process that cancelled the event may have stopped before it released the reservations.
#[test]
fn worker_releases_the_reservations_of_a_cancelled_event() {
    run(async |world: &World| {
        use entity::event::{self, EventState};
        use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter};
        let stage = world.stage().await;
        let buyer = world.guest().await;
        let id = world.reserve(&buyer, &stage.event, &[&stage.seats[0], &stage.seats[1]]).await;
        let tx = world.app.store.begin().await.expect("begun");
        event::Entity::update_many()
            .set(event::ActiveModel { state: Set(EventState::Cancelled), ..Default::default() })
            .filter(event::Column::State.eq(EventState::Published))
            .exec(&tx)
            .await
            .expect("cancelled");
        tx.commit().await.expect("committed");
        let other = world.second().await;
        tessera::worker::expire(&other).await.expect("released");
        tessera::server::close(other, Duration::from_secs(10)).await;
        let document = "query($id: ID!) { reservation(id: $id) { status } }";
        let seen = world.gql(Some(&buyer), document, json!({ "id": id })).await.good();
        assert_eq!(seen.data("reservation.status"), "RELEASED");
    });
}
