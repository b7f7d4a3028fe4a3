//! Finds queries whose response HTTP caches may share. Without an access token, it does not depend on the caller.
//!
//! These are more queries than in [`super::shared`]: here, a field may show more to members of a shop than to the public.

use async_graphql::parser::types::{ExecutableDocument, Field, OperationType};

use super::shared::{self, operation};
use crate::graphql::null_completion::Shape;

/// Arguments that hold a secret. A response that depends on one belongs to its holder.
const SECRETS: &[&str] = &["accessCode", "accessToken", "code"];

/// The fields whose values depend, for callers without a token, only on committed data and the time. The fields in
/// [`shared::FIELDS`] are cacheable too.
pub const FIELDS: &[(&str, &[&str])] = &[
    ("Query", &["event", "events", "coupon", "coupons", "categories", "category", "shop", "shops"]),
    (
        "Event",
        &[
            "id",
            "slug",
            "name",
            "description",
            "status",
            "startsAt",
            "endsAt",
            "salesStart",
            "salesEnd",
            "refundUntil",
            "refundMinutesBeforeStart",
            "derivedDates",
            "admission",
            "currency",
            "reservationSeconds",
            "reservationSecondsMax",
            "limitPerBuyer",
            "orphanRule",
            "reservationBudgetSeconds",
            "coolDownSeconds",
            "seriesId",
            "version",
            "createdAt",
            "updatedAt",
            "shop",
            "venue",
            "category",
            "seatMap",
            "tiers",
            "priceRange",
            "seatsLeft",
            "capacity",
            "focalPoint",
            "coupons",
        ],
    ),
    ("EventAdmission", &["doorsAt", "from", "until", "maxEntries", "entryPeriod", "reentry"]),
    ("EventConnection", &["pageInfo", "edges", "nodes", "totalCount"]),
    ("EventEdge", &["node", "cursor"]),
    ("PriceRange", &["lowest", "highest"]),
    (
        "Shop",
        &[
            "id",
            "slug",
            "name",
            "description",
            "currency",
            "category",
            "version",
            "events",
            "coupons",
            "products",
            "createdAt",
            "updatedAt",
        ],
    ),
    ("ShopConnection", &["pageInfo", "edges", "nodes", "totalCount"]),
    ("ShopEdge", &["node", "cursor"]),
    (
        "Category",
        &[
            "id",
            "slug",
            "name",
            "depth",
            "position",
            "version",
            "createdAt",
            "updatedAt",
            "parent",
            "children",
            "events",
        ],
    ),
    (
        "Coupon",
        &[
            "id",
            "version",
            "title",
            "description",
            "terms",
            "pictureUrl",
            "kind",
            "amount",
            "basisPoints",
            "cap",
            "price",
            "isFree",
            "taxBasisPoints",
            "currency",
            "state",
            "codes",
            "listed",
            "stock",
            "left",
            "limitPerBuyer",
            "publishFrom",
            "publishUntil",
            "validFrom",
            "validUntil",
            "validDays",
            "shareable",
            "minimumSpend",
            "exclusive",
            "stackingGroup",
            "position",
            "appliesTo",
            "shop",
            "category",
            "product",
            "event",
            "tier",
            "createdAt",
            "updatedAt",
        ],
    ),
    ("CouponConnection", &["pageInfo", "edges", "nodes", "totalCount"]),
    ("CouponEdge", &["node", "cursor"]),
    (
        "Product",
        &[
            "id",
            "version",
            "name",
            "description",
            "pictureUrl",
            "archived",
            "shop",
            "category",
            "createdAt",
            "updatedAt",
        ],
    ),
    ("ProductConnection", &["pageInfo", "edges", "nodes", "totalCount"]),
    ("ProductEdge", &["node", "cursor"]),
    (
        "Venue",
        &[
            "id",
            "name",
            "address",
            "city",
            "country",
            "timeZone",
            "shop",
            "version",
            "createdAt",
            "updatedAt",
            "events",
        ],
    ),
    (
        "SeatMap",
        &[
            "id",
            "revision",
            "name",
            "width",
            "height",
            "seatCount",
            "areaCapacity",
            "categories",
            "areas",
            "url",
            "focalPoint",
            "createdAt",
        ],
    ),
    ("SeatCategory", &["name", "color"]),
    ("FocalPoint", &["x", "y", "source"]),
    (
        "Tier",
        &[
            "id",
            "event",
            "name",
            "price",
            "basePrice",
            "fee",
            "taxBasisPoints",
            "categories",
            "areas",
            "position",
            "hidden",
            "entryRules",
            "version",
            "updatedAt",
        ],
    ),
    ("EntryRules", &["maxEntries", "entryPeriod", "reentry"]),
    ("PageInfo", &["hasPreviousPage", "hasNextPage", "startCursor", "endCursor"]),
];

/// Returns whether caches may share the response of operation `name`, if it is requested without a token. The document
/// must have passed the guard.
pub fn http_cacheable(document: &ExecutableDocument, name: Option<&str>, shape: &Shape) -> bool {
    let Some(operation) = operation(document, name) else { return false };
    let may = |field: &Field, of: &str| {
        let name = field.name.node.as_str();
        let is_listed = is_listed(of, name);
        let has_secret = field.arguments.iter().any(|(name, _)| SECRETS.contains(&name.node.as_str()));
        is_listed && !has_secret
    };
    operation.ty == OperationType::Query
        && shared::consists_of(document, &operation.selection_set.node, "Query", (shape, &may))
}

fn is_listed(of: &str, field: &str) -> bool {
    [FIELDS, shared::FIELDS]
        .iter()
        .any(|list| list.iter().any(|(on, fields)| *on == of && fields.contains(&field)))
}

#[cfg(test)]
mod tests {
    use async_graphql::parser::{
        parse_query, parse_schema,
        types::{TypeKind, TypeSystemDefinition},
    };

    use super::*;

    fn of(query: &str) -> bool {
        let document = parse_query(query).expect("a good document");
        http_cacheable(&document, None, &Shape::of(&crate::graphql::sdl()))
    }

    #[test]
    fn every_cacheable_field_exists() {
        let shape = Shape::of(&crate::graphql::sdl());
        for (on, fields) in FIELDS {
            for field in *fields {
                assert!(shape.type_of(on, field).is_some(), "{on}.{field}");
            }
        }
    }

    #[test]
    fn browsing_queries_are_cacheable() {
        let cases = [
            "{ events(first: 20) { nodes { id name seatsLeft priceRange { lowest { amount } } } pageInfo { endCursor } } }",
            "query($s: String!) { event(slug: $s) { name status shop { name } venue { city } tiers { name price { amount } } } }",
            "query($id: ID!) { event(id: $id) { name availability { asOf version rows { statuses } } } }",
            "{ shops { edges { node { name category { slug } products(first: 3) { totalCount nodes { name } } } } } }",
            "query($s: EventSort) { category(slug: \"x\") { updatedAt events(sort: $s) { nodes { venue { events { totalCount } } } } } }",
            "{ coupons { totalCount nodes { title left appliesTo { __typename ... on Tier { name event { slug } } } event { name } } } categories { slug parent { slug } } }",
            "{ events { ...page } } fragment page on EventConnection { __typename nodes { ...on Event { slug } } }",
        ];
        for query in cases {
            assert!(of(query), "{query}");
        }
    }

    #[test]
    fn queries_that_depend_on_the_caller_or_a_secret_are_not_cacheable() {
        let cases = [
            "{ viewer { account { id } } }",
            "{ events { nodes { id } } viewer { account { id } } }",
            "{ coupons { nodes { viewerTaken } } }",
            "{ coupons { nodes { viewerMayClaim } } }",
            "{ coupons { nodes { viewerClaims { id } } } }",
            "{ coupons { nodes { budget { amount } counts { claimed } } } }",
            "{ shops { nodes { viewerRole } } }",
            "{ shops { nodes { members { name } } } }",
            "{ shops { nodes { orders { nodes { id } } } } }",
            "{ event(id: \"x\") { availability(accessCode: \"x\") { version } } }",
            "query($c: String) { event(id: \"x\") { availability(accessCode: $c) { version } } }",
            "{ event(id: \"x\") { tiersOpenedBy(code: \"x\") { name } } }",
            "{ order(id: \"x\", accessToken: \"x\") { id } }",
            "{ node(id: \"x\") { id } }",
            "{ event(id: \"x\") { ...on Node { id } } }",
            "{ events { nodes { nope } } }",
            "{ __schema { types { name } } }",
            "mutation { signOut { errors { code } } }",
            "subscription { seatAvailability(eventId: \"x\") { __typename } }",
        ];
        for query in cases {
            assert!(!of(query), "{query}");
        }
    }

    /// Fields that are not in the lists but reachable from listed fields. Each one was left out on purpose. A new field
    /// fails this test until it is listed in one of the two places.
    #[test]
    fn other_fields_of_cacheable_types_are_listed_as_left_out() {
        let left_out = [
            "Event.tiersOpenedBy",
            "Shop.viewerRole",
            "Shop.members",
            "Shop.orders",
            "Coupon.budget",
            "Coupon.viewerTaken",
            "Coupon.viewerMayClaim",
            "Coupon.viewerClaims",
            "Coupon.counts",
            "Venue.seatMaps",
            "Event.reservationRules",
            "Shop.auditLog",
            "Venue.latestSeatMap",
            "SeatMap.venue",
            "SeatMap.zones",
            "SeatMap.plan",
        ];
        let mut found = Vec::new();
        for definition in parse_schema(crate::graphql::sdl()).expect("the schema").definitions {
            let TypeSystemDefinition::Type(definition) = definition else { continue };
            let TypeKind::Object(object) = definition.node.kind else { continue };
            let of = definition.node.name.node;
            if !FIELDS.iter().any(|(on, _)| *on == of.as_str() && of != "Query") {
                continue;
            }
            let names = object.fields.iter().map(|field| field.node.name.node.as_str());
            found.extend(names.filter(|name| !is_listed(&of, name)).map(|name| format!("{of}.{name}")));
        }
        found.sort_unstable();
        let mut left_out = left_out.map(str::to_owned);
        left_out.sort_unstable();
        assert_eq!(found, left_out);
    }
}
