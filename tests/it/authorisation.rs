//! Authorisation by enumeration: every root field has a declared policy here, and is tried by everybody it is not for.
//! A new root field fails until it is declared.

use std::collections::BTreeMap;

use async_graphql::parser::{
    parse_schema,
    types::{BaseType, FieldDefinition, Type, TypeDefinition, TypeKind, TypeSystemDefinition},
};
use serde_json::json;
use tessera::graphql;

use crate::support::{Answer, World, run, socket::Socket};

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
    ("Query", "viewer", Public),
    ("Query", "categories", Public),
    ("Query", "category", Public),
    ("Query", "shops", Public),
    ("Query", "shop", Public),
    ("Query", "venue", Public),
    ("Query", "venues", Public),
    ("Query", "seatMap", Public),
    ("Query", "exportSeatMap", Public),
    ("Query", "events", Public),
    ("Query", "event", Public),
    ("Query", "reservation", Account),
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
    ("Mutation", "createEvent", User),
    ("Mutation", "updateEvent", User),
    ("Mutation", "publishEvent", User),
    ("Mutation", "cancelEvent", User),
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
    ("Mutation", "createProduct", User),
    ("Mutation", "updateProduct", User),
    ("Mutation", "archiveProduct", User),
    ("Mutation", "createCoupon", User),
    ("Mutation", "updateCoupon", User),
    ("Mutation", "publishCoupon", User),
    ("Mutation", "pauseCoupon", User),
    ("Mutation", "resumeCoupon", User),
    ("Mutation", "endCoupon", User),
    ("Mutation", "claimCoupon", Account),
    ("Mutation", "releaseClaim", Account),
    ("Mutation", "reserveCoupon", Account),
    ("Mutation", "shareClaim", Account),
    ("Mutation", "acceptClaim", Account),
    ("Mutation", "redeemClaim", User),
    ("Mutation", "claimCode", Account),
    ("Mutation", "importCouponCodes", User),
    ("Mutation", "generateCouponCodes", User),
    ("Subscription", "seatAvailability", Public),
    ("Subscription", "couponAvailability", Public),
    ("Subscription", "couponStages", User),
    ("Subscription", "bag", Account),
    ("Subscription", "reservation", Account),
    ("Subscription", "order", Public),
];

#[test]
fn every_root_field_keeps_its_policy() {
    run(async |world: &World| {
        let stage = world.stage().await;
        let user = world.user("plain").await;
        let ids = BTreeMap::from([
            ("eventId", stage.event.clone()),
            ("shopId", stage.shop.clone()),
            ("venueId", stage.venue.clone()),
            ("seatMapId", stage.map.clone()),
            ("categoryId", stage.category.clone()),
        ]);
        let schema = Documents::of(&graphql::sdl(), ids);
        for (root, field) in schema.root_fields() {
            let policy = POLICIES
                .iter()
                .find(|(of, name, _)| *of == root && *name == field.name.node.as_str())
                .unwrap_or_else(|| panic!("{root}.{} has no declared policy", field.name.node))
                .2;
            if root == "Subscription" {
                continue;
            }
            let document = schema.document(&root, &field);
            let name = field.name.node.as_str();
            let anonymous = world.gql(None, &document, json!({})).await;
            // Another guest each time: one of the fields signs out.
            let guest = world.guest().await;
            let as_guest = world.gql(Some(&guest), &document, json!({})).await;
            verdict(name, policy, &anonymous, &as_guest);
            // A user without a role changes nothing of somebody else's.
            let foreign =
                matches!(policy, User | Operator) && !matches!(name, "createShop" | "changePassword");
            if foreign {
                let as_user = world.gql(Some(&user), &document, json!({})).await;
                assert!(refused(name, &as_user), "a stranger may {name}: {}", as_user.body);
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
        let buyer = world.guest().await;
        let reservation = world.reserve(&buyer, &stage.event, &[&stage.seats[0]]).await;
        let order = world.checkout(&buyer, &[&reservation]).await;
        let address = world.listen().await;
        let stranger = world.user("stranger").await;
        for token in [None, Some(stranger.as_str())] {
            let mut socket = Socket::open(&address, token).await;
            let watches = [("reservation", &reservation), ("order", &order)];
            for (name, id) in watches {
                let document = format!("subscription($id: ID!) {{ {name}(id: $id) {{ state }} }}");
                socket.subscribe(name, &document, json!({ "id": id })).await;
                let answer = socket.message().await;
                assert_eq!(answer["type"], "error", "{name}: {answer}");
            }
        }
    });
}

fn verdict(name: &str, policy: Policy, anonymous: &Answer, guest: &Answer) {
    let (anonymous_code, guest_code) = (anonymous.code(), guest.code());
    let told = |answer: &Answer| format!("{name}: {}", answer.body);
    assert_ne!(anonymous_code.as_deref(), Some("GRAPHQL_VALIDATION_FAILED"), "{}", told(anonymous));
    assert_ne!(anonymous_code.as_deref(), Some("INTERNAL"), "{}", told(anonymous));
    assert_ne!(guest_code.as_deref(), Some("INTERNAL"), "{}", told(guest));
    match policy {
        Public => {
            assert_ne!(anonymous_code.as_deref(), Some("UNAUTHENTICATED"), "{}", told(anonymous));
            assert_ne!(anonymous_code.as_deref(), Some("FORBIDDEN"), "{}", told(anonymous));
        }
        Account => {
            assert_eq!(anonymous_code.as_deref(), Some("UNAUTHENTICATED"), "{}", told(anonymous));
            assert_ne!(guest_code.as_deref(), Some("FORBIDDEN"), "{}", told(guest));
        }
        User | Operator => {
            assert_eq!(anonymous_code.as_deref(), Some("UNAUTHENTICATED"), "{}", told(anonymous));
            assert_eq!(guest_code.as_deref(), Some("FORBIDDEN"), "{}", told(guest));
        }
    }
}

fn refused(name: &str, answer: &Answer) -> bool {
    matches!(answer.code().as_deref(), Some("FORBIDDEN" | "NOT_FOUND" | "BAD_USER_INPUT"))
        || answer.refusal(name).is_some()
}

/// Documents that call root fields with whatever their types want.
struct Documents {
    types: BTreeMap<String, TypeDefinition>,
    ids: BTreeMap<&'static str, String>,
}

impl Documents {
    fn of(sdl: &str, ids: BTreeMap<&'static str, String>) -> Self {
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
            // `id` or `slug`: one of them is wanted, and the first will do.
            let wanted = !argument.ty.node.nullable || argument.name.node == "id";
            if wanted {
                let value = self.value(argument.name.node.as_str(), &argument.ty.node);
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

    fn value(&self, name: &str, ty: &Type) -> String {
        match &ty.base {
            BaseType::List(of) => format!("[{}]", self.value(name, of)),
            BaseType::Named(of) => self.named(name, of.as_str()),
        }
    }

    fn named(&self, name: &str, of: &str) -> String {
        match of {
            "ID" => {
                format!("{:?}", self.ids.get(name).map_or("event_01h455vb4pex5vsknk084sn02q", String::as_str))
            }
            "String" => "\"some text\"".to_owned(),
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
                        .filter(|field| one_of || !field.node.ty.node.nullable)
                        .take(if one_of { 1 } else { usize::MAX })
                        .map(|field| {
                            let field = &field.node;
                            format!(
                                "{}: {}",
                                field.name.node,
                                self.value(field.name.node.as_str(), &field.ty.node)
                            )
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
