//! Authorisation by enumeration: every root field has a policy here and is called by viewers that it excludes. A new
//! root field fails until it has a policy.

use std::collections::BTreeMap;

use async_graphql::parser::{
    parse_schema,
    types::{BaseType, FieldDefinition, Type, TypeDefinition, TypeKind, TypeSystemDefinition},
};
use axum::{body::Body, http::Request};
use serde_json::json;
use tessera::graphql;

use crate::support::{Answer, World, given::Stage, run, socket::Socket};

/// Who may do something with their own objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Policy {
    /// Everybody; what is not theirs to see is null or not found.
    Public,
    /// Guests and users.
    Account,
    /// Signed-up users; guests are forbidden.
    User,
    /// The platform's operators; everybody else is forbidden.
    Operator,
}

use Policy::{Account, Operator, Public, User};

const POLICIES: &[(&str, &str, Policy)] = &[
    ("Query", "node", Public),
    ("Query", "nodes", Public),
    ("Query", "limits", Public),
    ("Query", "viewer", Public),
    ("Query", "categories", Public),
    ("Query", "category", Public),
    ("Query", "shops", Public),
    ("Query", "shop", Public),
    ("Query", "venue", Public),
    ("Query", "venues", Public),
    ("Query", "seatMap", Public),
    ("Query", "seatMapExport", Public),
    ("Query", "events", Public),
    ("Query", "event", Public),
    ("Query", "reservation", Account),
    ("Query", "reservationChallenge", Account),
    ("Query", "order", Public),
    ("Query", "applicableCoupons", Account),
    ("Query", "ticket", Account),
    ("Query", "coupon", Public),
    ("Query", "coupons", Public),
    ("Query", "claim", Account),
    ("Mutation", "signUp", Public),
    ("Mutation", "signIn", Public),
    ("Mutation", "refreshSession", Public),
    ("Mutation", "createGuestSession", Public),
    ("Mutation", "signOut", Account),
    ("Mutation", "updateProfile", Account),
    ("Mutation", "changePassword", User),
    ("Mutation", "createCategory", Operator),
    ("Mutation", "updateCategory", Operator),
    ("Mutation", "createShop", User),
    ("Mutation", "updateShop", User),
    ("Mutation", "setShopMember", User),
    ("Mutation", "removeShopMember", User),
    ("Mutation", "createVenue", User),
    ("Mutation", "updateVenue", User),
    ("Mutation", "importSeatMap", User),
    ("Mutation", "deleteSeatMap", User),
    ("Mutation", "createEvent", User),
    ("Mutation", "updateEvent", User),
    ("Mutation", "publishEvent", User),
    ("Mutation", "cancelEvent", User),
    ("Mutation", "duplicateEvent", User),
    ("Mutation", "createEvents", User),
    ("Mutation", "publishEvents", User),
    ("Mutation", "deleteEvent", User),
    ("Mutation", "changeEventSeatMap", User),
    ("Mutation", "createTier", User),
    ("Mutation", "updateTier", User),
    ("Mutation", "deleteTier", User),
    ("Mutation", "reserveSeats", Account),
    ("Mutation", "releaseReservation", Account),
    ("Mutation", "extendReservation", Account),
    ("Mutation", "checkout", Account),
    // Whoever has the order's access token may do these; everybody else does not find the order.
    ("Mutation", "cancelOrder", Public),
    ("Mutation", "payOrder", Public),
    ("Mutation", "confirmPayment", Public),
    ("Mutation", "cancelPayment", Public),
    ("Mutation", "refundOrder", Public),
    ("Mutation", "checkIn", User),
    ("Mutation", "checkOut", User),
    ("Mutation", "undoCheckIn", User),
    ("Mutation", "createProduct", User),
    ("Mutation", "updateProduct", User),
    ("Mutation", "archiveProduct", User),
    ("Mutation", "createCoupon", User),
    ("Mutation", "updateCoupon", User),
    ("Mutation", "publishCoupon", User),
    ("Mutation", "pauseCoupon", User),
    ("Mutation", "resumeCoupon", User),
    ("Mutation", "endCoupon", User),
    ("Mutation", "deleteCoupon", User),
    ("Mutation", "claimCoupon", Account),
    ("Mutation", "releaseClaim", Account),
    ("Mutation", "reserveCoupon", Account),
    ("Mutation", "shareClaim", Account),
    ("Mutation", "acceptClaim", Account),
    ("Mutation", "redeemClaim", User),
    ("Mutation", "claimCode", Account),
    ("Mutation", "importCouponCodes", User),
    ("Mutation", "generateCouponCodes", User),
    ("Mutation", "withdrawCouponCode", User),
    ("Subscription", "seatAvailability", Public),
    ("Subscription", "couponAvailability", Public),
    ("Subscription", "couponCounts", User),
    ("Subscription", "bag", Account),
    ("Subscription", "reservation", Account),
    ("Subscription", "order", Public),
];

/// What a stranger is answered who tries something with objects of others, where it is not `FORBIDDEN` or `NOT_FOUND`: a
/// code that is somebody else's is as one that nobody has.
const OTHERWISE: &[(&str, &str)] =
    &[("redeemClaim", "UNKNOWN_CODE"), ("checkIn", "WRONG_EVENT"), ("checkOut", "WRONG_EVENT")];

/// Fields for accounts, or for everybody, that are given objects of somebody else here: these are not found.
const ANOTHERS: &[&str] = &[
    "releaseReservation",
    "extendReservation",
    "checkout",
    "cancelOrder",
    "payOrder",
    "confirmPayment",
    "cancelPayment",
    "refundOrder",
    "releaseClaim",
    "shareClaim",
    "reservation",
    "order",
    "ticket",
    "claim",
    "applicableCoupons",
];

/// Objects of the stage's vendor and of a buyer, by the names of the arguments that they are given as; where the name
/// says too little, with the root field's before it.
async fn somebodys(world: &World, stage: &Stage) -> BTreeMap<String, String> {
    let buyer = world.guest().await;
    let paid = world.buy(&buyer, &stage.event, &[&stage.seats[0]]).await;
    let bought = "query($id: ID!) { order(id: $id) { tickets { id code } payments { id } } }";
    let bought = world.gql(Some(&buyer), bought, json!({ "id": paid })).await.good();
    let ordered = world.reserve(&buyer, &stage.event, &[&stage.seats[1]]).await;
    let order = world.checkout(&buyer, &[&ordered]).await;
    let reservation = world.reserve(&buyer, &stage.event, &[&stage.seats[2]]).await;
    let coupon = world.published(stage, json!({ "shareable": true })).await;
    let (claim, code) = world.claim(&buyer, &coupon).await;
    let create = "mutation($shop: ID!, $category: ID!) { createProduct(input: { shopId: $shop,
        categoryId: $category, name: \"Espresso\" }) { product { id } errors { code } } }";
    let input = json!({ "shop": stage.shop, "category": stage.category });
    let product = world.gql(Some(&stage.vendor), create, input).await.good().text("createProduct.product.id");
    let about = "query($event: ID!) { event(id: $event) { tiers { id } } viewer { account { id } } }";
    let about = world.gql(Some(&stage.vendor), about, json!({ "event": stage.event })).await.good();
    let (ticket, tier) = (bought.text("order.tickets.0.id"), about.text("event.tiers.0.id"));
    let series = "mutation($event: ID!) { createEvents(input: { eventId: $event,
        dates: { startsAt: [\"2027-05-01T18:00:00Z\"] } }) { events { seriesId } errors { code } } }";
    let series = world.gql(Some(&stage.vendor), series, json!({ "event": stage.event })).await.good();
    let series = series.text("createEvents.events.0.seriesId");
    let ids = [
        ("eventId", &stage.event),
        ("seriesId", &series),
        ("shopId", &stage.shop),
        ("venueId", &stage.venue),
        ("seatMapId", &stage.map),
        ("categoryId", &stage.category),
        ("seatIds", &stage.seats[20]),
        ("tierId", &tier),
        ("accountId", &about.text("viewer.account.id")),
        ("reservationId", &reservation),
        ("reservationIds", &reservation),
        ("orderId", &order),
        ("refundOrder.orderId", &paid),
        ("paymentId", &bought.text("order.payments.0.id")),
        ("couponId", &coupon),
        ("productId", &product),
        ("claimId", &claim),
        ("redeemClaim.code", &code),
        ("checkIn.code", &bought.text("order.tickets.0.code")),
        ("checkOut.code", &bought.text("order.tickets.0.code")),
        ("ticketId", &ticket),
        ("shop.id", &stage.shop),
        ("venue.id", &stage.venue),
        ("seatMap.id", &stage.map),
        ("seatMapExport.id", &stage.map),
        ("event.id", &stage.event),
        ("category.id", &stage.category),
        ("node.id", &order),
        ("nodes.ids", &order),
        ("reservation.id", &reservation),
        ("order.id", &order),
        ("ticket.id", &ticket),
        ("coupon.id", &coupon),
        ("claim.id", &claim),
    ];
    let given = [("email", "nobody@tessera.test")].map(|(name, value)| (name.to_owned(), value.to_owned()));
    ids.into_iter().map(|(name, id)| (name.to_owned(), id.clone())).chain(given).collect()
}

fn policy(root: &str, field: &FieldDefinition) -> Policy {
    let name = field.name.node.as_str();
    let declared = POLICIES.iter().find(|(of, declared, _)| *of == root && *declared == name);
    declared.unwrap_or_else(|| panic!("{root}.{name} has no declared policy")).2
}

#[test]
fn every_root_field_keeps_its_policy() {
    run(async |world: &World| {
        let stage = world.stage().await;
        let user = world.user("plain").await;
        let schema = Documents::of(&graphql::sdl(), somebodys(world, &stage).await);
        for (root, field) in schema.root_fields() {
            let (name, policy) = (field.name.node.as_str(), policy(&root, &field));
            if root == "Subscription" {
                continue;
            }
            let document = schema.document(&root, &field);
            let anonymous = world.gql(None, &document, json!({})).await;
            // Another guest each time: one of the fields signs out.
            let guest = world.guest().await;
            let as_guest = world.gql(Some(&guest), &document, json!({})).await;
            verdict(name, policy, &anonymous, &as_guest);
            if ANOTHERS.contains(&name) {
                let as_user = world.gql(Some(&user), &document, json!({})).await;
                let all = [Some(&as_guest), Some(&as_user), (policy == Public).then_some(&anonymous)];
                for answer in all.into_iter().flatten() {
                    assert!(is_not_found(name, answer), "{name} of somebody else's: {}", answer.body);
                }
            }
            // A user without a role changes nothing of somebody else's.
            let foreign =
                matches!(policy, User | Operator) && !matches!(name, "createShop" | "changePassword");
            if foreign {
                let as_user = world.gql(Some(&user), &document, json!({})).await;
                assert!(refused(name, &as_user), "a stranger may {name}: {document} {}", as_user.body);
            }
        }
        for (root, name, _) in POLICIES {
            let there =
                schema.root_fields().any(|(of, field)| of == *root && field.name.node.as_str() == *name);
            assert!(there, "{root}.{name} is declared, but not in the schema");
        }
    });
}

#[test]
fn subscriptions_refuse_strangers_at_their_start() {
    run(async |world: &World| {
        let stage = world.stage().await;
        let schema = Documents::of(&graphql::sdl(), somebodys(world, &stage).await);
        let address = world.listen().await;
        let (guest, user) = (world.guest().await, world.user("stranger").await);
        for (root, field) in schema.root_fields().filter(|(root, _)| root == "Subscription") {
            let (name, policy) = (field.name.node.as_str(), policy(&root, &field));
            let document = schema.document(&root, &field);
            for token in [None, Some(guest.as_str()), Some(user.as_str())] {
                let expected = match policy {
                    Account | User | Operator if token.is_none() => Some("UNAUTHENTICATED"),
                    User | Operator if token == Some(&guest) => Some("FORBIDDEN"),
                    _ if ANOTHERS.contains(&name) || policy == User => Some("NOT_FOUND"),
                    Operator => Some("FORBIDDEN"),
                    Public | Account | User => None,
                };
                let mut socket = Socket::open(&address, token).await;
                socket.subscribe(name, &document, json!({})).await;
                let answer = socket.message().await;
                let code = answer["payload"][0]["extensions"]["code"].as_str();
                assert_eq!(code, expected, "{name} for {token:?}: {answer}");
                assert_eq!(answer["type"], if expected.is_some() { "error" } else { "next" }, "{answer}");
            }
        }
    });
}

/// The files of codes are GraphQL's in another shape: the same people may, and the same are refused.
#[test]
fn the_files_of_codes_are_their_shops() {
    run(async |world: &World| {
        let stage = world.stage().await;
        let coupon = world.draft_coupon(&stage, json!({ "codes": "UPLOADED" })).await;
        let other = world.user("other-vendor").await;
        let shop = "mutation { createShop(input: { name: \"The Barn\", currency: \"EUR\" }) { shop { id } errors { code } } }";
        world.gql(Some(&other), shop, json!({})).await.good();
        let (guest, user) = (world.guest().await, world.user("plain").await);
        let visits = [
            (None, 401, "UNAUTHENTICATED"),
            (Some(&guest), 403, "FORBIDDEN"),
            (Some(&user), 404, "NOT_FOUND"),
            (Some(&other), 404, "NOT_FOUND"),
        ];
        for (token, status, code) in visits {
            for upload in [true, false] {
                let answer = codes(world, token.map(String::as_str), &coupon, upload).await;
                assert_eq!((answer.0, answer.1.contains(code)), (status, true), "{upload} {}", answer.1);
            }
        }
        for upload in [true, false] {
            let answer = codes(world, Some(&stage.vendor), &coupon, upload).await;
            assert_eq!(answer.0, 200, "{upload} {}", answer.1);
        }
    });
}

/// Uploads a file of codes, or fetches it: the status and the body.
async fn codes(world: &World, token: Option<&str>, coupon: &str, upload: bool) -> (u16, String) {
    let request = if upload {
        Request::post(format!("/coupons/{coupon}/codes")).header("content-type", "text/csv")
    } else {
        Request::get(format!("/coupons/{coupon}/codes.csv"))
    };
    let request = request.header("host", "tessera.test");
    let request = match token {
        Some(token) => request.header("authorization", format!("Bearer {token}")),
        None => request,
    };
    let body = if upload { Body::from("code\nFIRST-CODE-1\n") } else { Body::empty() };
    let response = world.http(request.body(body).expect("a request")).await;
    let status = response.status().as_u16();
    let body = axum::body::to_bytes(response.into_body(), usize::MAX).await.expect("a body");
    (status, String::from_utf8_lossy(&body).into_owned())
}

fn verdict(name: &str, policy: Policy, anonymous: &Answer, guest: &Answer) {
    let (anonymous_code, guest_code) = (anonymous.code(), guest.code());
    let described = |answer: &Answer| format!("{name}: {}", answer.body);
    assert_ne!(anonymous_code.as_deref(), Some("GRAPHQL_VALIDATION_FAILED"), "{}", described(anonymous));
    assert_ne!(anonymous_code.as_deref(), Some("INTERNAL"), "{}", described(anonymous));
    assert_ne!(guest_code.as_deref(), Some("INTERNAL"), "{}", described(guest));
    match policy {
        Public => {
            assert_ne!(anonymous_code.as_deref(), Some("UNAUTHENTICATED"), "{}", described(anonymous));
            assert_ne!(anonymous_code.as_deref(), Some("FORBIDDEN"), "{}", described(anonymous));
        }
        Account => {
            assert_eq!(anonymous_code.as_deref(), Some("UNAUTHENTICATED"), "{}", described(anonymous));
            assert_ne!(guest_code.as_deref(), Some("FORBIDDEN"), "{}", described(guest));
        }
        User | Operator => {
            assert_eq!(anonymous_code.as_deref(), Some("UNAUTHENTICATED"), "{}", described(anonymous));
            assert_eq!(guest_code.as_deref(), Some("FORBIDDEN"), "{}", described(guest));
        }
    }
}

/// That the object is there says nobody: it is null, or not found.
fn is_not_found(name: &str, answer: &Answer) -> bool {
    let code = answer.code().or_else(|| answer.refusal(name));
    match code.as_deref() {
        Some(code) => code == "NOT_FOUND",
        None => answer.body["data"].get(name).is_some_and(serde_json::Value::is_null),
    }
}

fn refused(name: &str, answer: &Answer) -> bool {
    let code = answer.code().or_else(|| answer.refusal(name)).unwrap_or_default();
    match OTHERWISE.iter().find(|(field, _)| *field == name) {
        Some((_, otherwise)) => code == *otherwise,
        None => matches!(code.as_str(), "FORBIDDEN" | "NOT_FOUND"),
    }
}

/// Documents that call root fields with whatever their types want.
struct Documents {
    types: BTreeMap<String, TypeDefinition>,
    ids: BTreeMap<String, String>,
}

impl Documents {
    fn of(sdl: &str, ids: BTreeMap<String, String>) -> Self {
        let document = parse_schema(sdl).expect("good SDL");
        let types = document.definitions.into_iter().filter_map(|definition| {
            let TypeSystemDefinition::Type(definition) = definition else { return None };
            Some((definition.node.name.node.to_string(), definition.node))
        });
        Self { types: types.collect(), ids }
    }

    fn root_fields(&self) -> impl Iterator<Item = (String, FieldDefinition)> {
        ["Query", "Mutation", "Subscription"].into_iter().flat_map(|root| {
            let TypeKind::Object(object) = &self.types[root].kind else { panic!("{root} is no object") };
            object.fields.iter().map(move |field| (root.to_owned(), field.node.clone()))
        })
    }

    fn document(&self, root: &str, field: &FieldDefinition) -> String {
        let mut arguments = Vec::new();
        for argument in &field.arguments {
            let argument = &argument.node;
            // `id` or `slug`, reservations or an order: one of them is wanted, and this will do.
            let will_do = matches!(argument.name.node.as_str(), "id" | "orderId");
            let wanted = will_do || !argument.ty.node.nullable;
            if wanted {
                let of = (field.name.node.as_str(), argument.name.node.as_str());
                let value = self.value(of, &argument.ty.node);
                arguments.push(format!("{}: {value}", argument.name.node));
            }
        }
        let arguments =
            if arguments.is_empty() { String::new() } else { format!("({})", arguments.join(", ")) };
        let operation = root.to_lowercase();
        format!("{operation} {{ {}{arguments} {} }}", field.name.node, self.selection(&field.ty.node))
    }

    fn selection(&self, ty: &Type) -> String {
        let name = base(ty);
        let Some(definition) = self.types.get(&name) else { return String::new() };
        match &definition.kind {
            TypeKind::Object(object)
                if object.fields.iter().any(|field| field.node.name.node == "errors") =>
            {
                "{ errors { code message } }".to_owned()
            }
            TypeKind::Object(_) | TypeKind::Interface(_) | TypeKind::Union(_) => "{ __typename }".to_owned(),
            TypeKind::Scalar | TypeKind::Enum(_) | TypeKind::InputObject(_) => String::new(),
        }
    }

    /// A value for what has this name in a call of this root field.
    fn value(&self, name: (&str, &str), ty: &Type) -> String {
        match &ty.base {
            BaseType::List(of) => format!("[{}]", self.value(name, of)),
            BaseType::Named(of) => self.named(name, of.as_str()),
        }
    }

    fn named(&self, (field, name): (&str, &str), of: &str) -> String {
        let given = self.ids.get(&format!("{field}.{name}")).or_else(|| self.ids.get(name));
        match of {
            "ID" => {
                format!("{:?}", given.map_or("event_01h455vb4pex5vsknk084sn02q", String::as_str))
            }
            "String" => format!("{:?}", given.map_or("some text", String::as_str)),
            "Decimal" => "\"1.00\"".to_owned(),
            "CurrencyCode" => "\"EUR\"".to_owned(),
            "DateTime" => "\"2026-09-01T18:00:00Z\"".to_owned(),
            "Int" | "Long" | "Float" => "1".to_owned(),
            "Boolean" => "true".to_owned(),
            other => match &self.types[other].kind {
                TypeKind::Enum(values) => values.values[0].node.value.node.to_string(),
                TypeKind::InputObject(input) => {
                    let one_of = self.types[other].directives.iter().any(|d| d.node.name.node == "oneOf");
                    let fields: Vec<_> = input
                        .fields
                        .iter()
                        // What may be left out is.
                        .filter(|inner| {
                            one_of || (!inner.node.ty.node.nullable && inner.node.default_value.is_none())
                        })
                        .take(if one_of { 1 } else { usize::MAX })
                        .map(|inner| {
                            let (name, ty) = (inner.node.name.node.as_str(), &inner.node.ty.node);
                            format!("{name}: {}", self.value((field, name), ty))
                        })
                        .collect();
                    format!("{{ {} }}", fields.join(", "))
                }
                TypeKind::Scalar | TypeKind::Object(_) | TypeKind::Interface(_) | TypeKind::Union(_) => {
                    panic!("{other} is no input")
                }
            },
        }
    }
}

fn base(ty: &Type) -> String {
    match &ty.base {
        BaseType::Named(name) => name.to_string(),
        BaseType::List(of) => base(of),
    }
}
