//! Hostile and odd inputs: texts, addresses, zones, times, amounts, codes, files and plans. Every argument of the schema
//! that takes a text gets those of its kind.
//!
//! No answer is an internal error, both databases answer alike, and what is accepted is returned as it is stored. The
//! inputs are in `odd_inputs.json`. On an idle machine, the test takes less than a minute per database.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Mutex,
};

use serde_json::{Value, json};
use tessera::{
    app::App,
    config::{Rate, Window},
    graphql,
    store::Store,
};

use crate::support::{
    Answer, World,
    calls::{Catalogue, Place},
    given::Stage,
    run,
    socket::Socket,
};

/// The least number of inputs of each kind.
const INPUTS_MIN: usize = 60;
/// Root fields that hash passwords. They get every fourth input of their kinds.
const SLOW: &[&str] = &["signIn", "signUp", "changePassword"];
/// Root fields of buyers, of operators, of viewers without a token, and of users without a shop.
const BUYERS: &[&str] = &[
    "reserveSeats",
    "checkout",
    "cancelOrder",
    "payOrder",
    "confirmPayment",
    "cancelPayment",
    "refundOrder",
    "claimCoupon",
    "claimCode",
    "acceptClaim",
    "shareClaim",
    "releaseClaim",
    "reserveCoupon",
    "order",
    "viewer",
    "applicableCoupons",
];
const OPERATORS: &[&str] = &["createCategory", "updateCategory"];
const ANONYMOUS: &[&str] = &["signUp", "signIn", "refreshSession"];
const USERS: &[&str] = &["updateProfile", "changePassword"];

/// Root fields whose calls the fixture refuses, after a check of the texts: it has no category left for another tier, and
/// no other dates for copies.
const REFUSED: &[&str] = &["createTier", "createEvents", "duplicateEvent"];

/// The code of documents and variables that do not match the schema.
const MALFORMED: &str = "GRAPHQL_VALIDATION_FAILED";

/// Texts for people. Each of these places accepts some inputs and refuses others.
const PROSE: &[&str] = &["name", "description", "title", "terms", "city", "address", "stackingGroup"];

/// Valid values that are the same in each test.
const VALUES: &[(&str, &str)] = &[
    ("reservationIds", "$reservation"),
    ("category.slug", "music"),
    ("kind", "AMOUNT_OFF"),
    ("categories", "Front"),
    ("slug", "music"),
    ("country", "AT"),
    ("timeZone", "Europe/Vienna"),
    ("email", "buyer@tessera.test"),
    ("signUp.email", "$email"),
    ("password", "correct horse battery"),
    ("currentPassword", "correct horse battery"),
    ("newPassword", "correct horse battery"),
    ("endsAt", "2026-09-01T21:00:00Z"),
    ("rule", "FREQ=DAILY;COUNT=2"),
    ("idempotencyKey", "$key"),
    ("expectedVersion", "$version"),
    ("csv", "code\nODD-1"),
];

/// The inputs by kind.
fn corpus() -> BTreeMap<String, Vec<String>> {
    serde_json::from_str(include_str!("odd_inputs.json")).expect("a file of lists")
}

/// Returns the kind of input that a place gets.
fn kind(place: &Place) -> &'static str {
    match (place.ty.as_str(), place.leaf.as_str()) {
        ("DateTime", _) => "instant",
        ("Decimal", _) => "decimal",
        ("CurrencyCode", _) => "currency",
        ("ID", _) => "id",
        (_, "email") => "email",
        (_, "phone") => "phone",
        (_, "timeZone") => "timeZone",
        (_, "country") => "country",
        (_, "pictureUrl") => "url",
        (_, "csv") => "csv",
        (_, "plan") => "plan",
        (_, "code" | "codes" | "accessCode") => "code",
        (_, "after" | "before") => "cursor",
        _ => "text",
    }
}

/// A server without limits, and the objects that the documents name.
struct Scene {
    world: World,
    stage: Stage,
    operator: String,
    buyer: String,
    user: String,
    values: BTreeMap<String, String>,
    /// The buyer of the next checkout, and the reservation.
    cart: Mutex<(String, String)>,
    count: Mutex<usize>,
}

/// Opens a second application on the world's database, with large limits.
async fn unlimited(world: &World) -> World {
    let store = Store::connect(&world.url, 8).await.expect("a database");
    let mut config = world.app.config.clone();
    let (rate, window) =
        (Rate { burst: 10_000_000, per_minute: 10_000_000 }, Window { most: 1_000_000, minutes: 60 });
    let limits = &mut config.limits;
    for one in [
        &mut limits.account_pay,
        &mut limits.account_reserve,
        &mut limits.account_sign_in,
        &mut limits.account_browse,
        &mut limits.account_vendor,
        &mut limits.shop_calls,
    ] {
        *one = rate;
    }
    for one in [
        &mut limits.password_failures,
        &mut limits.code_failures,
        &mut limits.scan_failures,
        &mut limits.declines,
    ] {
        *one = window;
    }
    let app = App::new(config, store, world.app.clock.clone(), world.app.keys.clone()).expect("an app");
    World::of(app, world.backend, &world.url)
}

impl Scene {
    async fn set(world: World) -> Self {
        let stage = world.large_stage().await;
        let operator = world.sign_in("operator").await;
        let (buyer, user) = (world.guest().await, world.user("plain").await);
        let paid = world.buy(&buyer, &stage.event, &[&stage.seats[0]]).await;
        let bought = "query($id: ID!) { order(id: $id) { tickets { id code } payments { id } } }";
        let bought = world.gql(Some(&buyer), bought, json!({ "id": paid })).await.good();
        let reserved = world.reserve(&buyer, &stage.event, &[&stage.seats[1]]).await;
        let order = world.checkout(&buyer, &[&reserved]).await;
        let coupon = world.published(&stage, json!({ "shareable": true, "limitPerBuyer": 1000 })).await;
        let uploaded = world.draft_coupon(&stage, json!({ "codes": "UPLOADED" })).await;
        let draft = world.draft_coupon(&stage, json!({})).await;
        let (claim, _) = world.claim(&buyer, &coupon).await;
        let create = "mutation($shop: ID!, $category: ID!) { createProduct(input: { shopId: $shop,
            categoryId: $category, name: \"Espresso\" }) { product { id } errors { code } } }";
        let input = json!({ "shop": stage.shop, "category": stage.category });
        let product = world.gql(Some(&stage.vendor), create, input).await.good();
        let other = world.event(&stage.vendor, stage.place(), "Other concert").await;
        let about = "query($event: ID!) { event(id: $event) { tiers { id } } }";
        let about = world.gql(Some(&stage.vendor), about, json!({ "event": other })).await.good();
        let values = [
            ("eventId", other.clone()),
            ("shopId", stage.shop.clone()),
            ("venueId", stage.venue.clone()),
            ("seatMapId", stage.map.clone()),
            ("categoryId", stage.category.clone()),
            ("seatIds", stage.seats[20].clone()),
            ("tierId", about.text("event.tiers.0.id")),
            ("orderId", order.clone()),
            ("order.id", order),
            ("refundOrder.orderId", paid),
            ("paymentId", bought.text("order.payments.0.id")),
            ("couponId", coupon.clone()),
            ("coupon.id", coupon),
            ("updateCoupon.couponId", draft),
            ("importCouponCodes.couponId", uploaded),
            ("productId", product.text("createProduct.product.id")),
            ("claimId", claim.clone()),
            ("claim.id", claim),
            ("ticket.id", bought.text("order.tickets.0.id")),
            ("event.id", other),
            ("shop.id", stage.shop.clone()),
            ("venue.id", stage.venue.clone()),
            ("seatMap.id", stage.map.clone()),
        ];
        let fixed = VALUES.iter().map(|(name, value)| (*name, (*value).to_owned()));
        let values = values.into_iter().chain(fixed).map(|(name, value)| (name.to_owned(), value)).collect();
        let cart = Mutex::new((String::new(), String::new()));
        let scene = Self { world, stage, operator, buyer, user, values, cart, count: Mutex::new(30) };
        scene.fill_cart().await;
        scene
    }

    /// Reserves another seat for another guest.
    async fn fill_cart(&self) {
        let number = self.next();
        let guest = self.world.guest().await;
        let seat = &self.stage.seats[number % self.stage.seats.len()];
        let reservation = self.world.reserve(&guest, &self.stage.event, &[seat]).await;
        *self.cart.lock().expect("a cart") = (guest, reservation);
    }

    /// Returns the next number.
    fn next(&self) -> usize {
        let mut count = self.count.lock().expect("a count");
        *count += 1;
        *count
    }

    fn token(&self, place: &Place) -> Option<String> {
        let root = place.root.as_str();
        match root {
            "checkout" => Some(self.cart.lock().expect("a cart").0.clone()),
            _ if ANONYMOUS.contains(&root) => None,
            _ if OPERATORS.contains(&root) => Some(self.operator.clone()),
            _ if BUYERS.contains(&root) => Some(self.buyer.clone()),
            _ if USERS.contains(&root) => Some(self.user.clone()),
            _ => Some(self.stage.vendor.clone()),
        }
    }

    /// Sends the text to the place. Returns the answer and the viewer's token.
    async fn send(&self, place: &Place, (number, text): (usize, &str)) -> (Answer, Option<String>) {
        let token = self.token(place);
        let mut variables = json!({ "odd": text });
        if place.needs("key") {
            variables["key"] = json!(format!("{}-{number}-{}", place.name, text.len()));
        }
        if place.needs("email") {
            variables["email"] = json!(format!("odd-{}-{number}@tessera.test", place.leaf.to_lowercase()));
        }
        if place.needs("reservation") {
            variables["reservation"] = json!(self.cart.lock().expect("a cart").1.clone());
        }
        if place.needs("version") {
            variables["version"] = self.version(place, token.as_deref()).await;
        }
        (self.world.gql(token.as_deref(), &place.document, variables).await, token)
    }

    /// Returns the current version of the object that the mutation changes.
    async fn version(&self, place: &Place, token: Option<&str>) -> Value {
        if place.root == "updateProfile" {
            let document = "{ viewer { account { version } } }";
            return self.world.gql(token, document, json!({})).await.data("viewer.account.version");
        }
        let kind = place.root.trim_start_matches("update").trim_start_matches("set").to_lowercase();
        let name = if kind == "shopmember" { "shopId".to_owned() } else { format!("{kind}Id") };
        let given = self.values.get(&format!("{}.{name}", place.root)).or_else(|| self.values.get(&name));
        let Some(id) = given else { return json!(1) };
        let document = "query($id: ID!) { node(id: $id) { ... on Shop { version } ... on Venue { version }
            ... on Event { version } ... on Tier { version } ... on Coupon { version } ... on Product { version }
            ... on Category { version } } }";
        let answer = self.world.gql(token, document, json!({ "id": id })).await;
        let version = answer.data("node.version");
        if version.is_null() { json!(1) } else { version }
    }

    /// Sends all inputs to the place. Returns the answers.
    async fn send_all(&self, place: &Place, inputs: &[String]) -> Vec<(String, Value)> {
        if place.root == "checkout" {
            self.fill_cart().await;
        }
        let mut answers = Vec::new();
        for (number, text) in share(place, inputs) {
            let (answer, token) = self.send(place, (number, text)).await;
            let shown = format!("{} {:?} on {}", place.name, short(text), self.world.backend);
            assert!(!answer.body.to_string().contains("\"INTERNAL\""), "{shown}: {}", answer.body);
            assert_ne!(answer.status, 500, "{shown}: {}", answer.body);
            let stored = stored(place, &answer);
            if let (Some(to), Some((id, value))) = (&place.stored, &stored) {
                let again =
                    self.world.gql(token.as_deref(), &to.document(), json!({ "id": id })).await.good();
                assert_eq!(again.data(&format!("node.{}", to.path)), *value, "{shown}: {}", again.body);
            }
            if place.root == "checkout" && stored.is_some() {
                self.fill_cart().await;
            }
            answers.push((text.clone(), outcome(place, &answer, stored.as_ref().map(|(_, value)| value))));
        }
        answers
    }

    /// Subscribes with all inputs, each on its own socket. Returns the first answers.
    async fn subscribe_all(&self, place: &Place, inputs: &[String], address: &str) -> Vec<(String, Value)> {
        let mut answers = Vec::new();
        for (number, text) in share(place, inputs) {
            let mut socket = Socket::open(address, Some(&self.stage.vendor)).await;
            socket.subscribe(&format!("{number}"), &place.document, json!({ "odd": text })).await;
            let answer = socket.message().await;
            let shown = format!("{} {:?} on {}", place.name, short(text), self.world.backend);
            assert!(!answer.to_string().contains("\"INTERNAL\""), "{shown}: {answer}");
            let error = &answer["payload"][0];
            answers
                .push((text.clone(), json!([answer["type"], error["extensions"]["code"], error["message"]])));
        }
        answers
    }
}

/// Returns the inputs that a place gets, with their numbers. There are many places for ids, cursors and keys, so each gets
/// a third of them, and together they get all. Unless `ODD_INPUTS=all` is set, each place gets
/// the first six inputs and a tenth of the others.
fn share<'a>(place: &Place, inputs: &'a [String]) -> impl Iterator<Item = (usize, &'a String)> {
    let step = match kind(place) {
        _ if SLOW.contains(&place.root.as_str()) => 4,
        "id" | "cursor" => 3,
        _ if matches!(place.leaf.as_str(), "idempotencyKey" | "accessToken") => 3,
        _ => 1,
    };
    let is_full = std::env::var_os("ODD_INPUTS").is_some_and(|which| which == "all");
    let (always, step) = if is_full { (0, step) } else { (6, step * 10) };
    let first = place.name.len() % step;
    inputs.iter().enumerate().filter(move |(number, _)| *number < always || number % step == first)
}

/// Returns the id of the object that the mutation returned, and its value of the place.
fn stored(place: &Place, answer: &Answer) -> Option<(String, Value)> {
    let to = place.stored.as_ref()?;
    let errors = answer.data(&format!("{}.errors", place.root));
    let id = answer.data(&format!("{}.id", to.object));
    let is_done = errors.as_array().is_some_and(Vec::is_empty);
    let value = answer.data(&format!("{}.{}", to.object, to.path));
    is_done.then(|| (id.as_str().unwrap_or_default().to_owned(), value))
}

/// Returns what the two databases must answer alike: the errors, and the stored value.
fn outcome(place: &Place, answer: &Answer, value: Option<&Value>) -> Value {
    let top: Vec<Value> = answer.body["errors"].as_array().into_iter().flatten().map(coded).collect();
    let refused = answer.data(&format!("{}.errors", place.root));
    json!({ "status": answer.status, "top": top, "refused": refused, "value": value })
}

fn coded(error: &Value) -> Value {
    json!([error["extensions"]["code"], error["message"], error["path"]])
}

fn short(text: &str) -> String {
    text.chars().take(60).collect()
}

fn is_accepted(outcome: &Value) -> bool {
    !outcome["value"].is_null()
}

/// Returns whether the outcome refuses the input with a path to the place.
fn is_refused_at(place: &Place, outcome: &Value) -> bool {
    let refused = outcome["refused"].as_array().into_iter().flatten();
    refused
        .clone()
        .any(|error| error["path"].as_array().is_some_and(|path| path.contains(&json!(place.leaf))))
}

#[test]
fn odd_inputs_get_the_same_clear_answer_on_both_databases() {
    let corpus = corpus();
    let all = Mutex::new(BTreeMap::<String, Vec<Vec<(String, Value)>>>::new());
    run(async |world: &World| {
        let scene = Scene::set(unlimited(world).await).await;
        let places = Catalogue::new(&graphql::sdl(), scene.values.clone()).places();
        let address = scene.world.listen().await;
        for place in &places {
            if place.is_live() {
                let answers = scene.subscribe_all(place, &corpus[kind(place)], &address).await;
                all.lock().expect("answers").entry(place.name.clone()).or_default().push(answers);
                continue;
            }
            let answers = scene.send_all(place, &corpus[kind(place)]).await;
            let is_valid = |(_, outcome): &(String, Value)| !outcome["top"].to_string().contains(MALFORMED);
            assert!(answers.iter().any(is_valid), "{}: {:?}", place.document, answers[0]);
            if place.ty == "String" && place.stored.is_some() && PROSE.contains(&place.leaf.as_str()) {
                let accepted = answers.iter().filter(|(_, outcome)| is_accepted(outcome)).count();
                let refused = answers.iter().filter(|(_, outcome)| is_refused_at(place, outcome)).count();
                let first = &answers[0];
                let is_shown = accepted > 0 || REFUSED.contains(&place.root.as_str());
                assert!(is_shown && refused > 0, "{}: {accepted}, {refused} of {first:?}", place.name);
            }
            all.lock().expect("answers").entry(place.name.clone()).or_default().push(answers);
        }
        scene.world.end().await;
    });
    let mut different = Vec::new();
    for (name, answers) in all.into_inner().expect("answers") {
        let [sqlite, postgres] = answers.as_slice() else {
            panic!("{name} was sent {} times", answers.len())
        };
        different.extend(
            sqlite
                .iter()
                .zip(postgres)
                .filter(|((_, one), (_, other))| one != other)
                .map(|((text, one), (_, other))| format!("{name} {:?}: {one} but {other}", short(text))),
        );
    }
    assert!(
        different.is_empty(),
        "{} answers differ: {:#?}",
        different.len(),
        &different[..different.len().min(20)]
    );
}

#[test]
fn every_kind_has_many_inputs_and_every_text_a_place() {
    for (kind, inputs) in corpus() {
        let distinct: BTreeSet<&String> = inputs.iter().collect();
        assert!(distinct.len() >= INPUTS_MIN, "{kind} has {} inputs", distinct.len());
    }
    let places = Catalogue::new(&graphql::sdl(), BTreeMap::new()).places();
    let names: BTreeSet<&str> = places.iter().map(|place| place.name.as_str()).collect();
    assert_eq!(names.len(), places.len(), "a place is named twice");
    for name in [
        "createVenue.input.timeZone",
        "checkout.input.contact.email",
        "createCoupon.input.amount.amount",
        "reserveSeats.input.pick.seatIds",
        "events.filter.updatedAfter",
        "event.tiersOpenedBy.code",
        "viewer.bag.claims.after",
        "live.order.accessToken",
    ] {
        assert!(names.contains(name), "{name} is not among {names:#?}");
    }
    let kinds: BTreeSet<&str> = places.iter().map(kind).collect();
    assert_eq!(kinds.len(), corpus().len(), "{kinds:?}");
}
