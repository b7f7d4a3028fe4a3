//! Rate limits of operations: what an operation counts, and the form of a refusal.

use async_graphql::parser::types::{
    DocumentOperations, ExecutableDocument, OperationType, Selection, SelectionSet,
};
use axum::{
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::Response,
};
use serde_json::{Value, json};

use super::answer::{MediaType, reply};
use crate::{
    graphql::code::ApiCode,
    limits::{Charges, Exceeded, Lane},
};

/// The largest cost of a query of weight 1, in microseconds.
const COST_PER_WEIGHT: u64 = 2_000;
/// Levels of fragments at the root of an operation that are followed. The guard refuses cycles.
const FRAGMENTS_DEEP: usize = 32;

/// The rule's limit: the burst of a bucket, or the count of a window.
const LIMIT: HeaderName = HeaderName::from_static("ratelimit-limit");
/// The remaining calls: 0.
const REMAINING: HeaderName = HeaderName::from_static("ratelimit-remaining");
/// Seconds until the next call is allowed.
const RESET: HeaderName = HeaderName::from_static("ratelimit-reset");
/// The rule's name and limit, as `"name";q=limit`.
const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// The headers that pages of other origins may read.
pub(super) const HEADERS: [HeaderName; 4] = [LIMIT, REMAINING, RESET, POLICY];

/// Returns the weight of a query by its estimated cost.
pub(super) fn weight_of(cost: u64) -> u32 {
    u32::try_from(cost / COST_PER_WEIGHT).unwrap_or(u32::MAX).max(1)
}

/// Returns what the operation counts: a query its weight, a mutation 1 per root field.
pub(super) fn charges_of(document: &ExecutableDocument, name: Option<&str>, weight: u32) -> Charges {
    let mut operations = document.operations.iter();
    let chosen = match (&document.operations, name) {
        (DocumentOperations::Multiple(operations), Some(name)) => operations.get(name),
        (_, _) => operations.next().map(|(_, operation)| operation),
    };
    let Some(operation) = chosen.map(|operation| &operation.node) else { return Charges::default() };
    match operation.ty {
        OperationType::Query | OperationType::Subscription => Charges::of(Lane::Browse, weight),
        OperationType::Mutation => {
            let mut charges = Charges::default();
            add_roots(document, &operation.selection_set.node, FRAGMENTS_DEEP, &mut charges);
            charges
        }
    }
}

fn add_roots(document: &ExecutableDocument, set: &SelectionSet, deep: usize, charges: &mut Charges) {
    let Some(deep) = deep.checked_sub(1) else { return };
    for selection in &set.items {
        match &selection.node {
            Selection::Field(field) => charges.add(Lane::of_mutation(field.node.name.node.as_str()), 1),
            Selection::InlineFragment(fragment) => {
                add_roots(document, &fragment.node.selection_set.node, deep, charges);
            }
            Selection::FragmentSpread(spread) => {
                if let Some(fragment) = document.fragments.get(&spread.node.fragment_name.node) {
                    add_roots(document, &fragment.node.selection_set.node, deep, charges);
                }
            }
        }
    }
}

/// Returns the refusal as GraphQL errors.
pub(super) fn errors(exceeded: &Exceeded) -> Value {
    json!([{
        "message": "Too many calls; nothing was done. Wait.",
        "extensions": {
            "code": ApiCode::RateLimited.as_str(),
            "retryable": true,
            "retryAfterMs": exceeded.retry_after_ms(),
        },
    }])
}

/// Returns the response 429 to an operation that was refused as a whole because it exceeds a rate limit.
pub(super) fn answer(media: MediaType, exceeded: &Exceeded) -> Response {
    let body = json!({ "errors": errors(exceeded) }).to_string();
    let mut response = reply(media, StatusCode::TOO_MANY_REQUESTS, body);
    let headers = response.headers_mut();
    let seconds = exceeded.retry_after_seconds();
    headers.insert(header::RETRY_AFTER, seconds.into());
    headers.insert(LIMIT, exceeded.limit.into());
    headers.insert(REMAINING, 0.into());
    headers.insert(RESET, seconds.into());
    let policy = format!("\"{}\";q={}", exceeded.rule.name(), exceeded.limit);
    if let Ok(policy) = HeaderValue::from_str(&policy) {
        headers.insert(POLICY, policy);
    }
    response
}

#[cfg(test)]
mod tests {
    use async_graphql::parser::parse_query;

    use super::*;

    fn charges(text: &str, name: Option<&str>) -> Vec<(Lane, u32)> {
        charges_of(&parse_query(text).expect("a document"), name, 7).each().collect()
    }

    #[test]
    fn each_root_field_of_a_mutation_is_charged_to_its_lane() {
        assert_eq!(charges("{ a b c }", None), [(Lane::Browse, 7)]);
        assert_eq!(charges("subscription { eventChanged }", None), [(Lane::Browse, 7)]);
        let aliases = "mutation { a: signIn b: signIn c: signIn payOrder }";
        assert_eq!(charges(aliases, None), [(Lane::Pay, 1), (Lane::SignIn, 3)]);
        let fragments =
            "mutation { ...F ... on Mutation { ...F createShop } } fragment F on Mutation { claimCode }";
        assert_eq!(charges(fragments, None), [(Lane::Reserve, 2), (Lane::Vendor, 1)]);
        let several = "query A { a } mutation B { signUp }";
        assert_eq!(charges(several, Some("A")), [(Lane::Browse, 7)]);
        assert_eq!(charges(several, Some("B")), [(Lane::SignIn, 1)]);
    }

    #[test]
    fn every_mutation_of_a_lane_is_in_the_schema() {
        let sdl = crate::graphql::sdl();
        let mutations =
            sdl.split("type Mutation {").nth(1).expect("mutations").split("\n}").next().expect("them");
        let names = mutations.lines().filter_map(|line| line.strip_prefix('\t'));
        let names = names.filter(|line| line.starts_with(|letter: char| letter.is_ascii_lowercase()));
        let buyers = names.filter(|line| {
            let name = line.split(['(', ':']).next().unwrap_or_default();
            Lane::of_mutation(name) != Lane::Vendor
        });
        assert_eq!(buyers.count(), 22, "a renamed mutation would fall into the vendors' lane");
    }
}
