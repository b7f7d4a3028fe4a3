//! The contract of mutations and of restricted fields: a failing field does not affect its siblings.

use std::collections::{BTreeMap, BTreeSet};

use async_graphql::parser::{
    parse_schema,
    types::{BaseType, FieldDefinition, Type, TypeKind, TypeSystemDefinition},
};
use serde_json::{Value, json};
use tessera::graphql;

use crate::support::{World, run};

/// The types of the schema.
struct Types(BTreeMap<String, TypeKind>);

impl Types {
    fn read() -> Self {
        let definitions = parse_schema(graphql::sdl()).expect("good SDL").definitions.into_iter();
        Self(
            definitions
                .filter_map(|definition| match definition {
                    TypeSystemDefinition::Type(ty) => Some((ty.node.name.node.to_string(), ty.node.kind)),
                    TypeSystemDefinition::Schema(_) | TypeSystemDefinition::Directive(_) => None,
                })
                .collect(),
        )
    }

    fn fields(&self, of: &str) -> Vec<FieldDefinition> {
        let TypeKind::Object(object) = &self.0[of] else { panic!("{of} is no object") };
        object.fields.iter().map(|field| field.node.clone()).collect()
    }

    fn inputs(&self, of: &str) -> Vec<String> {
        let TypeKind::InputObject(input) = &self.0[of] else { panic!("{of} is no input") };
        input.fields.iter().map(|field| field.node.name.node.to_string()).collect()
    }

    fn values(&self, of: &str) -> Vec<String> {
        let TypeKind::Enum(values) = &self.0[of] else { panic!("{of} is no enum") };
        values.values.iter().map(|value| value.node.value.node.to_string()).collect()
    }

    /// The names of the fields of a mutation's input, and its error type.
    fn mutations(&self) -> Vec<(String, Vec<String>, String)> {
        let mutations = self.fields("Mutation").into_iter().map(|mutation| {
            let input = mutation.arguments.iter().find(|argument| argument.node.name.node == "input");
            let input = input.map_or_else(Vec::new, |input| self.inputs(&base(&input.node.ty.node)));
            let errors = self.fields(&base(&mutation.ty.node)).into_iter();
            let errors = errors.filter(|field| field.name.node == "errors").last().expect("errors");
            (mutation.name.node.to_string(), input, base(&errors.ty.node))
        });
        mutations.collect()
    }
}

fn base(ty: &Type) -> String {
    match &ty.base {
        BaseType::Named(name) => name.to_string(),
        BaseType::List(of) => base(of),
    }
}

#[test]
fn every_root_mutation_field_is_nullable() {
    let mutations = Types::read().fields("Mutation");
    assert!(mutations.len() > 50, "{}", mutations.len());
    for field in mutations {
        assert!(field.ty.node.nullable, "{} is not nullable", field.name.node);
    }
}

/// Returns the mutations whose input has the field without the code in its error type, or the code without the field.
fn misplaced(types: &Types, field: &str, code: &str) -> Vec<String> {
    let mutations = types.mutations().into_iter().filter(|(_, input, errors)| {
        let codes = types.values(&format!("{errors}Code"));
        input.iter().any(|name| name == field) != codes.iter().any(|name| name == code)
    });
    mutations.map(|(name, ..)| name).collect()
}

#[test]
fn error_types_have_exactly_the_codes_of_their_inputs() {
    let types = Types::read();
    assert_eq!(misplaced(&types, "idempotencyKey", "IDEMPOTENCY_MISMATCH"), [""; 0]);
    assert_eq!(misplaced(&types, "expectedVersion", "STALE"), [""; 0]);
    // The check finds what is misplaced.
    let has_key =
        |(_, input, _): &&(String, Vec<String>, String)| input.contains(&"idempotencyKey".to_owned());
    let keyed = types.mutations().iter().filter(has_key).count();
    assert!(keyed > 5, "{keyed}");
    assert_eq!(misplaced(&types, "idempotencyKey", "NO_SUCH_CODE").len(), keyed);
}

/// The mutations without a key and without a version, and why a repeated call is safe.
const REPEATABLE: &[(&str, &str)] = &[
    ("signUp", "there is no account yet that a key could belong to; the password signs in afterwards"),
    ("signIn", "each call makes a session of its own"),
    ("createGuestSession", "each call makes an account of its own; unused ones are deleted"),
    ("refreshSession", "a refresh token works once"),
    ("signOut", "a session ends once"),
    ("changePassword", "the current password guards it"),
    ("extendReservation", "the deadline is counted from the call"),
    ("releaseReservation", "a reservation ends once"),
    ("releaseClaim", "returns a released claim again"),
    ("shareClaim", "the new token replaces the one that was lost"),
    ("acceptClaim", "the token is the key"),
    ("publishEvents", "publishes the drafts that are left"),
    ("cancelOrder", "an order ends once"),
    ("deleteSeatMap", "a seat map is deleted once"),
    ("confirmPayment", "asks for the state"),
    ("cancelPayment", "a payment ends once"),
];

#[test]
fn every_mutation_takes_a_key_or_a_version_or_is_repeatable() {
    for (name, input, _) in Types::read().mutations() {
        let has = |field: &str| input.iter().any(|name| name == field);
        let guarded = has("idempotencyKey") || has("expectedVersion");
        let listed = REPEATABLE.iter().any(|(listed, _)| *listed == name);
        assert_ne!(guarded, listed, "{name} takes a key or a version, or is listed with the reason");
    }
}

#[test]
fn every_error_type_is_used_and_has_a_kind() {
    let types = Types::read();
    let used: BTreeSet<_> = types.mutations().into_iter().map(|(.., errors)| errors).collect();
    let of_interface = |kind: &TypeKind| match kind {
        TypeKind::Object(object) => object.implements.iter().any(|name| name.node == "UserError"),
        TypeKind::Scalar
        | TypeKind::Interface(_)
        | TypeKind::Union(_)
        | TypeKind::Enum(_)
        | TypeKind::InputObject(_) => false,
    };
    let declared: BTreeSet<_> =
        types.0.iter().filter(|(_, kind)| of_interface(kind)).map(|(name, _)| name.clone()).collect();
    assert_eq!(used, declared);
    for name in declared {
        let kind = types.fields(&name).into_iter().find(|field| field.name.node == "kind").expect("a kind");
        assert_eq!(kind.ty.node.to_string(), "UserErrorKind!", "{name}");
    }
}

#[test]
fn waiting_times_are_in_milliseconds_everywhere() {
    let sdl = graphql::sdl();
    assert!(sdl.contains("\tretryAfterMs: Int\n"));
    assert!(!sdl.contains("retryAfterSeconds") && !sdl.contains("retryAfter:"), "one name only");
}

#[test]
fn failed_mutation_keeps_the_results_of_the_others() {
    run(async |world: &World| {
        let document = "mutation { refused: signOut { errors { code } }
            made: createGuestSession { session { accessToken } errors { code } } }";
        let answer = world.gql(None, document, json!({})).await;
        assert_eq!(answer.body["data"]["refused"], Value::Null, "{}", answer.body);
        assert!(answer.body["data"].as_object().expect("data").contains_key("refused"), "{}", answer.body);
        assert_eq!(answer.code().as_deref(), Some("UNAUTHENTICATED"));
        assert_eq!(answer.body["errors"][0]["path"], json!(["refused"]));
        assert_eq!(answer.body["errors"].as_array().map(Vec::len), Some(1));
        // The token is shown only once, and it is valid.
        let token = answer.text("made.session.accessToken");
        let viewer = world.gql(Some(&token), "{ viewer { account { kind } } }", json!({})).await.good();
        assert_eq!(viewer.data("viewer.account.kind"), "GUEST");
    });
}

/// Checks that each field is null, and has one error with this code at its path.
fn refused(body: &Value, object: &str, fields: &[&str], code: &str) {
    for field in fields {
        assert_eq!(body["data"][object].get(field), Some(&Value::Null), "{field}: {body}");
        let errors = body["errors"].as_array().expect("errors").iter();
        let mut errors = errors.filter(|error| error["path"] == json!([object, field]));
        let error = errors.next().unwrap_or_else(|| panic!("{field} has no error: {body}"));
        assert_eq!(error["extensions"]["code"], code, "{field}: {body}");
        assert!(errors.next().is_none(), "{field}: {body}");
    }
    assert_eq!(body["errors"].as_array().map(Vec::len), Some(fields.len()), "{body}");
}

#[test]
fn restricted_field_is_null_with_an_error_at_its_path() {
    run(async |world: &World| {
        let stage = world.stage().await;
        let coupon = world.published(&stage, json!({})).await;
        let (guest, user) = (world.guest().await, world.user("stranger").await);
        let shop = "query($id: ID!) { shop(id: $id) { name members { email } orders { nodes { id } }
            auditLog { nodes { id } } } }";
        let about_coupon =
            "query($id: ID!) { coupon(id: $id) { title budget { amount } counts { created } } }";
        let map = "query($id: ID!) { seatMap(id: $id) { id plan } }";
        let cases: [(&str, &str, &str, &[&str]); 3] = [
            (shop, &stage.shop, "shop", &["members", "orders", "auditLog"]),
            (about_coupon, &coupon, "coupon", &["budget", "counts"]),
            (map, &stage.map, "seatMap", &["plan"]),
        ];
        for (document, id, object, fields) in cases {
            for (token, code) in
                [(None, "UNAUTHENTICATED"), (Some(&guest), "FORBIDDEN"), (Some(&user), "FORBIDDEN")]
            {
                let answer = world.gql(token.map(String::as_str), document, json!({ "id": id })).await;
                refused(&answer.body, object, fields, code);
            }
            world.gql(Some(&stage.vendor), document, json!({ "id": id })).await.good();
        }
    });
}

#[test]
fn buyers_data_is_null_with_an_error_for_the_shop() {
    run(async |world: &World| {
        let stage = world.stage().await;
        let buyer = world.guest().await;
        let coupon = world.published(&stage, json!({})).await;
        let (claim, _) = world.claim(&buyer, &coupon).await;
        let reservation = world.reserve(&buyer, &stage.event, &[&stage.seats[0]]).await;
        let checkout =
            "mutation($reservation: ID!, $claim: ID!) { checkout(input: { reservationIds: [$reservation],
            claimIds: [$claim], contact: { name: \"A Buyer\", email: \"buyer@tessera.test\" },
            idempotencyKey: \"with-a-claim\" }) { order { id } errors { code message } } }";
        let input = json!({ "reservation": reservation, "claim": claim });
        let order = world.gql(Some(&buyer), checkout, input).await.good().text("checkout.order.id");
        world.pay(&buyer, &order, "pm_card_visa", "pay-for-it").await.good();
        let document =
            "query($id: ID!) { order(id: $id) { number accessToken tickets { id code } claims { id }
            discounts { label claim { id } } } }";
        let own = world.gql(Some(&buyer), document, json!({ "id": order })).await.good();
        let ticket = own.text("order.tickets.0.code");
        let seen = world.gql(Some(&stage.vendor), document, json!({ "id": order })).await;
        let errors: Vec<_> = seen.body["errors"].as_array().expect("errors").iter().collect();
        for path in [
            json!(["order", "accessToken"]),
            json!(["order", "tickets"]),
            json!(["order", "claims"]),
            json!(["order", "discounts", 0, "claim"]),
        ] {
            let error = errors.iter().find(|error| error["path"] == path);
            let error = error.unwrap_or_else(|| panic!("no error at {path}: {}", seen.body));
            assert_eq!(error["extensions"]["code"], "FORBIDDEN", "{}", seen.body);
        }
        assert_eq!(errors.len(), 4, "{}", seen.body);
        assert_eq!(seen.data("order.tickets"), Value::Null, "no empty list");
        assert_eq!(seen.data("order.discounts.0.claim"), Value::Null);
        // The scanner gets the object, but not the code.
        let scan = "mutation($code: String!) { checkIn(input: { code: $code }) { ticket { id code } errors { code } } }";
        let scanned = world.gql(Some(&stage.vendor), scan, json!({ "code": ticket })).await;
        assert_eq!(scanned.data("checkIn.ticket.id"), own.data("order.tickets.0.id"), "{}", scanned.body);
        assert_eq!(scanned.body["errors"][0]["path"], json!(["checkIn", "ticket", "code"]));
        assert_eq!(scanned.code().as_deref(), Some("FORBIDDEN"));
    });
}

#[test]
fn stale_edit_returns_the_current_object_and_its_kind() {
    run(async |world: &World| {
        let stage = world.stage().await;
        let about = "query($event: ID!, $coupon: ID!) { event(id: $event) { version tiers { id version } venue { version }
            shop { version } } coupon(id: $coupon) { version } viewer { account { version } } }";
        let coupon = world.draft_coupon(&stage, json!({})).await;
        let seen =
            world.gql(Some(&stage.vendor), about, json!({ "event": stage.event, "coupon": coupon })).await;
        let seen = seen.good();
        let tier = seen.text("event.tiers.0.id");
        let cases = [
            ("updateEvent", "event", "eventId", &stage.event, seen.data("event.version")),
            ("cancelEvent", "event", "eventId", &stage.event, seen.data("event.version")),
            ("updateVenue", "venue", "venueId", &stage.venue, seen.data("event.venue.version")),
            ("updateShop", "shop", "shopId", &stage.shop, seen.data("event.shop.version")),
            ("updateTier", "tier", "tierId", &tier, seen.data("event.tiers.0.version")),
            ("updateCoupon", "coupon", "couponId", &coupon, seen.data("coupon.version")),
            ("publishCoupon", "coupon", "couponId", &coupon, seen.data("coupon.version")),
        ];
        for (mutation, object, id_name, id, version) in cases {
            let current = version.as_i64().expect("a version");
            let document = format!(
                "mutation($id: ID!, $version: Long!) {{ {mutation}(input: {{ {id_name}: $id, expectedVersion: $version }}) {{
                    {object} {{ id version }} errors {{ code kind retryable path ... on UserError {{ message }} }} }} }}"
            );
            let input = json!({ "id": id, "version": current + 7 });
            let answer = world.gql(Some(&stage.vendor), &document, input).await;
            assert_eq!(answer.refusal(mutation).as_deref(), Some("STALE"), "{}", answer.body);
            assert_eq!(answer.data(&format!("{mutation}.errors.0.kind")), "STALE");
            assert_eq!(answer.data(&format!("{mutation}.{object}.id")), **id, "{}", answer.body);
            assert_eq!(answer.data(&format!("{mutation}.{object}.version")), current, "{}", answer.body);
            // Another error comes without the object.
            let unknown =
                world.gql(Some(&stage.vendor), &document, json!({ "id": "nonsense", "version": 1 })).await;
            assert_eq!(unknown.data(&format!("{mutation}.errors.0.kind")), "INVALID", "{}", unknown.body);
            assert_eq!(unknown.data(&format!("{mutation}.errors.0.path")), json!([id_name]));
            assert_eq!(unknown.data(&format!("{mutation}.{object}")), Value::Null);
        }
        let profile = "mutation { updateProfile(input: { name: \"New\", expectedVersion: 77 }) {
            account { version } errors { code kind } } }";
        let answer = world.gql(Some(&stage.vendor), profile, json!({})).await;
        assert_eq!(answer.data("updateProfile.account.version"), seen.data("viewer.account.version"));
        let tier_of = "mutation($id: ID!) { deleteTier(input: { tierId: $id, expectedVersion: 77 }) {
            event { id } tier { id } errors { code kind } } }";
        let draft = "mutation($shop: ID!, $venue: ID!, $category: ID!, $at: DateTime!) { createEvent(input: { shopId: $shop,
            venueId: $venue, categoryId: $category, name: \"A draft\", startsAt: $at, endsAt: $at }) {
            event { id } errors { code } } }";
        let at = world.app.clock.now() + chrono::TimeDelta::days(90);
        let input = json!({ "shop": stage.shop, "venue": stage.venue, "category": stage.category, "at": at });
        let draft = world.gql(Some(&stage.vendor), draft, input).await.good().text("createEvent.event.id");
        let create = "mutation($event: ID!) { createTier(input: { eventId: $event, name: \"One\", categories: [\"Front\"],
            basePrice: { amount: \"1.00\", currency: \"EUR\" } }) { tier { id } errors { code } } }";
        let tier = world.gql(Some(&stage.vendor), create, json!({ "event": draft })).await.good();
        let tier = tier.text("createTier.tier.id");
        let answer = world.gql(Some(&stage.vendor), tier_of, json!({ "id": tier })).await;
        assert_eq!(answer.data("deleteTier.errors.0.code"), "STALE", "{}", answer.body);
        assert_eq!(answer.data("deleteTier.tier.id"), *tier);
        assert_eq!(answer.data("deleteTier.event"), Value::Null);
    });
}

#[test]
fn stale_change_of_members_returns_the_shop() {
    run(async |world: &World| {
        let stage = world.stage().await;
        world.user("colleague").await;
        let version = world.shop_version(&stage.shop).await;
        let set = "mutation($input: SetShopMemberInput!) { setShopMember(input: $input) { member { role }
            shop { version members { role } } errors { code kind } } }";
        let input = |version: &Value| {
            json!({ "input": { "shopId": stage.shop, "expectedVersion": version,
            "email": "colleague@tessera.test", "role": "SELLER" } })
        };
        let made = world.gql(Some(&stage.vendor), set, input(&version)).await.good();
        let answer = world.gql(Some(&stage.vendor), set, input(&version)).await;
        assert_eq!(answer.refusal("setShopMember").as_deref(), Some("STALE"), "{}", answer.body);
        assert_eq!(answer.data("setShopMember.shop"), made.data("setShopMember.shop"));
        assert_eq!(answer.data("setShopMember.member"), Value::Null);
    });
}
