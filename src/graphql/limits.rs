//! The limits of the server in the API. Each value is the constant or the setting that enforces it.

use async_graphql::{Context, Enum, Object, SimpleObject};

use super::context::ContextExt;
use crate::{
    config::{self, Config},
    coupon::{code_list, rules as coupons, spend},
    event::{pricing::TIERS_MAX, recurrence::dates::EVENTS_MAX},
    inventory,
    limits::{
        Lane, Rule,
        protocol::{self, MAX_ALIASES, MAX_BYTES, MAX_DEPTH, MAX_FRAGMENTS, MAX_TOKENS},
        rule::Bound,
        text,
    },
    order, page,
    venue::plan,
};

/// The limits of this server. Operators can configure some of them.
#[derive(Debug, SimpleObject)]
pub struct Limits {
    /// Maximum number of items on one page of a list.
    page_size: i32,
    /// Number of items on one page if neither `first` nor `last` is given.
    default_page_size: i32,
    /// Limits of documents.
    documents: DocumentLimits,
    /// Limits of HTTP requests.
    requests: RequestLimits,
    /// Limits of WebSocket connections.
    sockets: SocketLimits,
    /// Limits of reservations and orders.
    purchases: PurchaseLimits,
    /// Limits of what vendors upload.
    uploads: UploadLimits,
    /// Maximum lengths of texts.
    texts: TextLimits,
    /// Limits of the rate of operations, one per class.
    rates: Vec<RateLimit>,
}

/// Limits of one GraphQL document. A document that exceeds one is refused before it runs.
#[derive(Debug, SimpleObject)]
pub struct DocumentLimits {
    /// Maximum size in bytes.
    bytes: i32,
    /// Maximum number of lexical tokens.
    tokens: i32,
    /// Maximum number of nested levels of fields, with fragments expanded.
    depth: i32,
    /// Maximum number of aliases, with fragments expanded.
    aliases: i32,
    /// Maximum number of fragment definitions.
    fragments: i32,
    /// Maximum number of root fields of a query.
    query_fields: i32,
    /// Maximum number of root fields of a mutation.
    mutation_fields: i32,
    /// Maximum estimated cost of an operation. To see the estimate, send `"extensions": {"cost": true}` with a request.
    cost: i32,
}

/// Limits of one HTTP request.
#[derive(Debug, SimpleObject)]
pub struct RequestLimits {
    /// Maximum size of the request body in bytes.
    body_bytes: i32,
    /// Maximum size of the request body in bytes for imports by signed-up users, such as `importSeatMap`.
    import_body_bytes: i32,
    /// Maximum size of the response in bytes. A single value, such as a seating plan, may be larger.
    response_bytes: i32,
    /// Time limit of a query in seconds.
    query_seconds: i32,
    /// Time limit of a mutation in seconds. A mutation that is stopped by it has no effect.
    mutation_seconds: i32,
}

/// Limits of WebSocket connections.
#[derive(Debug, SimpleObject)]
pub struct SocketLimits {
    /// Maximum size of one message from the client in bytes.
    message_bytes: i32,
    /// Maximum number of open operations per socket, including subscriptions.
    operations: i32,
    /// Maximum number of queries and mutations of one socket that run at the same time. The others wait.
    running_operations: i32,
    /// Maximum number of open sockets per account.
    per_account: i32,
    /// Maximum number of open sockets per network (an IPv4 address or an IPv6 /64).
    per_network: i32,
}

/// Limits of reservations and orders.
#[derive(Debug, SimpleObject)]
pub struct PurchaseLimits {
    /// Maximum number of places in one reservation. An event's `limitPerBuyer` can be lower.
    places_per_reservation: i32,
    /// Maximum number of reservations in one order.
    reservations_per_order: i32,
    /// Maximum number of claims that one order can use.
    claims_per_order: i32,
}

/// Limits of what vendors upload.
#[derive(Debug, SimpleObject)]
pub struct UploadLimits {
    /// Maximum size of a seating plan in bytes.
    seat_map_bytes: i32,
    /// Maximum number of seats in a seating plan.
    seats_per_seat_map: i32,
    /// Maximum number of general-admission areas in a seating plan.
    areas_per_seat_map: i32,
    /// Maximum number of tiers of an event.
    tiers_per_event: i32,
    /// Maximum number of events that one `createEvents` creates.
    events_per_call: i32,
    /// Maximum number of coupon codes in one upload.
    codes_per_upload: i32,
    /// Maximum size in bytes of a list of coupon codes that is uploaded as a file.
    codes_bytes: i32,
    /// Maximum number of codes of one coupon.
    codes_per_coupon: i32,
}

/// Maximum lengths of texts, in Unicode characters.
#[derive(Debug, SimpleObject)]
pub struct TextLimits {
    /// Maximum length of a name or title.
    name: i32,
    /// Maximum length of a description of an event, a product or a coupon, and of a coupon's small print.
    description: i32,
    /// Maximum length of a description of a shop.
    shop_description: i32,
    /// Maximum length of a street address.
    address: i32,
    /// Maximum length of the reason of a refund.
    reason: i32,
    /// Minimum length of an idempotency key.
    idempotency_key_min: i32,
    /// Maximum length of an idempotency key.
    idempotency_key_max: i32,
}

/// A class of operations. Each class has its own limits, so that many calls of one class do not affect the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "Lane")]
pub enum RateClass {
    /// Payments, and the mutations that follow from them.
    Pay,
    /// Reservations, claims and checkouts.
    Reserve,
    /// Sign-ins, sign-ups, guest sessions, refreshes and changes of the profile.
    SignIn,
    /// Queries and subscriptions. An operation counts in proportion to its cost, at least once.
    Browse,
    /// Mutations by members of shops and by operators.
    Vendor,
}

/// The rate limits of a class of operations, per network and per account. A call that exceeds either fails with
/// `RATE_LIMITED`.
#[derive(Debug, SimpleObject)]
pub struct RateLimit {
    /// The class.
    class: RateClass,
    /// The limit per network (an IPv4 address or an IPv6 /64).
    per_network: Rate,
    /// The limit per account.
    per_account: Rate,
}

/// A rate with a burst.
#[derive(Clone, Copy, Debug, SimpleObject)]
pub struct Rate {
    /// Number of operations that can be sent at once after a pause.
    burst: i32,
    /// Number of operations per minute in the long run.
    per_minute: i32,
}

impl From<config::Rate> for Rate {
    fn from(rate: config::Rate) -> Self {
        Self { burst: number(rate.burst), per_minute: number(rate.per_minute) }
    }
}

impl Limits {
    fn of(config: &Config) -> Self {
        let documents = &config.documents;
        Self {
            page_size: number(page::PAGE_MAX),
            default_page_size: number(page::PAGE_DEFAULT),
            documents: DocumentLimits {
                bytes: number(MAX_BYTES),
                tokens: number(MAX_TOKENS),
                depth: number(MAX_DEPTH),
                aliases: number(MAX_ALIASES),
                fragments: number(MAX_FRAGMENTS),
                query_fields: number(protocol::MAX_QUERY_FIELDS),
                mutation_fields: number(protocol::MAX_MUTATION_FIELDS),
                cost: number(documents.max_cost),
            },
            requests: RequestLimits {
                body_bytes: number(protocol::BODY_BYTES),
                import_body_bytes: number(protocol::LARGE_BODY_BYTES),
                response_bytes: number(documents.max_response_bytes),
                query_seconds: number(documents.query_seconds),
                mutation_seconds: number(documents.mutation_seconds),
            },
            sockets: SocketLimits {
                message_bytes: number(protocol::SOCKET_MESSAGE_BYTES),
                operations: number(protocol::SOCKET_OPERATIONS),
                running_operations: number(protocol::SOCKET_EXECUTING),
                per_account: number(config.network.max_sockets_per_account),
                per_network: number(config.network.max_sockets_per_network),
            },
            purchases: PurchaseLimits {
                places_per_reservation: number(inventory::PLACES_MAX),
                reservations_per_order: number(order::RESERVATIONS_MAX),
                claims_per_order: number(spend::CLAIMS_MAX),
            },
            uploads: UploadLimits {
                seat_map_bytes: number(plan::TEXT_BYTES_MAX),
                seats_per_seat_map: number(plan::SEATS_MAX),
                areas_per_seat_map: number(plan::AREAS_MAX),
                tiers_per_event: number(TIERS_MAX),
                events_per_call: number(EVENTS_MAX),
                codes_per_upload: number(code_list::CODES_MAX),
                codes_bytes: number(protocol::CODES_BODY_BYTES),
                codes_per_coupon: coupons::CODES_MAX,
            },
            texts: TextLimits {
                name: number(text::NAME),
                description: number(text::DESCRIPTION),
                shop_description: number(text::SHOP_DESCRIPTION),
                address: number(text::ADDRESS),
                reason: number(text::REASON),
                idempotency_key_min: number(text::KEY_MIN),
                idempotency_key_max: number(text::KEY_MAX),
            },
            rates: Lane::ALL.into_iter().filter_map(|lane| rate_limit(config, lane)).collect(),
        }
    }
}

fn rate_limit(config: &Config, lane: Lane) -> Option<RateLimit> {
    let rate = |rule: Rule| match rule.bound(&config.limits) {
        Bound::Rate(rate) => Some(Rate::from(rate)),
        Bound::Window(_) => None,
    };
    let (per_network, per_account) = (rate(Rule::Network(lane))?, rate(Rule::Account(lane))?);
    Some(RateLimit { class: lane.into(), per_network, per_account })
}

/// Converts a limit to a GraphQL `Int`.
fn number(limit: impl TryInto<i32>) -> i32 {
    limit.try_into().unwrap_or(i32::MAX)
}

/// The queries of this module.
#[derive(Debug, Default)]
pub struct LimitsQuery;

#[Object]
impl LimitsQuery {
    /// The limits of this server, such as page sizes, text lengths and rates.
    async fn limits(&self, ctx: &Context<'_>) -> Limits {
        Limits::of(&ctx.app().config)
    }
}
