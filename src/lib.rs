//! Tessera sells coupons and event tickets in real time through GraphQL. This page is the map of the code.
//!
//! # The path of a reservation
//!
//! 1. [`http`] receives `reserveSeats`. The guard checks the document before the library parses it. The bearer token
//!    becomes a [`auth::Viewer`]. The operation runs in a task of its own, so a client that disconnects does not
//!    interrupt it.
//! 2. The resolver in [`graphql`] converts ids to places and calls [`inventory::reserve`]. That function authorises the
//!    viewer, checks the selection, and sends a command to the *desk*.
//! 3. The desk (`inventory/desk.rs`) is one task per inventory in each process. Commands that arrive during a commit
//!    are decided together afterwards. The pure function [`inventory::decide()`] decides each command on the stock in
//!    memory.
//! 4. One transaction commits the batch (`inventory/commit.rs`). The version guard comes first; it also returns the
//!    database's time. Then follow the idempotency keys, the companions (an order that becomes paid, its tickets), and
//!    the changed seats, areas, reservations and buyers, one statement per table ([`store::Rows`]). The last row goes
//!    to the change log. On PostgreSQL, a batch without companions is a single statement (`store/script.rs`).
//! 5. If another instance has committed first, the guard fails. The desk then reads the log and decides the batch
//!    again.
//! 6. After the commit, the desk answers the callers, publishes the change to subscribers ([`inventory::feed`]), and
//!    notifies other instances (`bus.rs`).
//!
//! # The path of a change to its subscribers
//!
//! [`inventory::feed`] gives a reader a snapshot, and then deltas. Each delta follows the version of the message before
//! it. Versions that are committed while the reader is busy are merged into one delta. Subscribers with the same
//! document and variables share one reader, unless the response depends on the viewer
//! ([`graphql::cacheability::shared`]). `http/shared/` executes and serialises each change once, and puts the payload
//! into the queues of all its sockets and event streams (`http/sse.rs`). A subscriber that reads too slowly gets a
//! merged delta or a snapshot later. In the same way, a public query is executed once for all callers between two
//! versions (`http/answers.rs`).
//!
//! # The path of a coupon
//!
//! The copies of a coupon are the stock of an inventory. So `claimCoupon` is a command to a desk, like `reserveSeats`,
//! and the commit of a batch writes its claims. A code belongs to one shop. Either the claim generates it, or it is on
//! the coupon's code list and becomes the claim of the first account that sends it ([`coupon::claim_code`]). At
//! checkout, the pure rules of [`coupon::discount`] compute the discounts. The checkout's transaction stores them in
//! the order, binds the claims to the order by their versions, and reserves the discounts in the coupons' budgets. When
//! the order is paid, the claims are redeemed. When it ends unpaid or is refunded, claims and budgets are released. A
//! coupon with a price is reserved and bought like a seat, and its claims are issued when the order is paid.
//!
//! # The path of an order to its payment
//!
//! [`order::checkout()`] binds reservations to an order. [`payment::pay`] stores the intent in the transaction that
//! keeps the reservations alive, and only then calls the provider. [`payment::settle`] continues from the stored state:
//! it authorises the amount, sells the seats and issues the [`ticket`]s in one commit, and then captures the amount.
//! The buyer's call, the browser's return and the worker all call it, and it can be interrupted anywhere.
//!
//! # Invariants
//!
//! - The `version` of an inventory is its guard and its cursor. Each change raises it by one, in the transaction that
//!   appends the row of that version to the log. No seat changes without it. When an unsold event moves to another seat
//!   map, the log starts anew after a gap of one version, so that all readers read everything again.
//! - Memory is a cache, and the database is the truth. A crash can lose a response, but no fact.
//! - Versioned rows are written by [`store::save_versioned`] or behind the inventory's guard, nowhere else.
//! - No provider is called inside a database transaction, and no desk waits for one.
//! - Nobody is charged without a seat: an amount is captured only after the commit that sold the seats.
//! - A mutation is stopped at its deadline unless it has begun to commit (`call.rs`). Then it continues.
//! - A stored deadline, such as that of a reservation, is compared with the [`clock`], which follows the database's
//!   clock. So correctness does not depend on a sweeper.
//! - Database text never reaches a client: resolvers return [`graphql::error::ApiError`], which has no `Display`.
//! - Absent on purpose: repository and service traits, unbounded channels, `derive` of API types on rows, and global
//!   statics (except the error count in `store/outage.rs`, because an error does not know its store).
//!
//! # Lock order
//!
//! A transaction locks the rows of inventories first, in ascending order of ids (`inventory/multi_inventory.rs`), then
//! the order, then the payment or the tickets.
//!
//! # Glossary
//!
//! | term | meaning |
//! |---|---|
//! | *shop* | a vendor's organisation |
//! | *member* | a user with a role in a shop |
//! | *event* | something that people attend |
//! | *series* | events that were created together from one event |
//! | *venue* | the place of an event |
//! | *seat map* | the geometry of a venue, in immutable revisions |
//! | *tier* | a price level of an event |
//! | *area* | capacity without numbered seats |
//! | *inventory* | the version-guarded stock of one event or coupon |
//! | *desk* | the task that serialises the changes of one inventory in one process |
//! | *companion* | a write that commits together with an inventory change |
//! | *reservation* | a buyer's temporary hold on seats, areas or coupon copies, with a deadline |
//! | *order* | what a buyer buys in one checkout |
//! | *payment* | one attempt to pay an order at the provider |
//! | *refund* | money that goes back for a paid order |
//! | *ticket* | the right to enter, with a signed code |
//! | *admission* | the time in which an event admits tickets, and how often it admits one |
//! | *entry* | an admission that counts; a return after a check-out does not |
//! | *check-in*, *check-out* | a scan that lets the holder of a ticket in or out |
//! | *rights* | what a buyer keeps from the checkout: the refund period and the entries |
//! | *product* | what a shop offers, and what its coupons refer to |
//! | *coupon* | what a shop publishes: terms, stock and validity |
//! | *claim* | one buyer's copy of a coupon, with the terms at the time of the claim |
//! | *bag* | all claims and tickets of an account |
//! | *redemption* | one use of a claim |
//! | *change* | a committed fact in the change log or the outbox |
//! | *refusal* | a business rule that says no |
//! | *fault* | a failure that any operation can have |
//! | *orphan* | a single free seat between taken ones |
//! | *epoch* | the fencing token of a seat or ticket, raised each time it changes hands |
//! | *viewer* | the caller: anonymous, guest or user |
//! | *state*, *status* | a state is stored; a status is computed from a state and the time |
//!
//! # Modules
//!
//! Business slices, each based on those before it: [`account`], [`category`], [`shop`], [`venue`], [`inventory`],
//! [`event`], [`coupon`], [`order`], [`ticket`], [`payment`]. API: [`graphql`], the only module that knows the
//! library's object macros, and [`http`]. Infrastructure: [`app`], [`audit`], [`auth`], [`barcode`], `bus`, `call`,
//! [`clock`], [`config`], [`error`], [`guest_pruning`], [`human`], [`idempotency`], [`input`], `jitter`, [`keys`],
//! [`limits`], [`money`], [`outbox`], [`page`], `readable_code`, `search_text`, [`server`], [`slug`], `slug_owner`,
//! `spelling`, [`store`], [`telemetry`], `threads`, [`transfer_slots`], [`worker`].
//! [`demo`] fills an empty database. Tests check the dependencies between them: `tests/it/layers.rs` the imports,
//! `tests/it/circles.rs` that files do not import each other in a loop, and `tests/it/tables.rs` that each table has one
//! owner, which alone writes it.
//!
//! A slice keeps its caches and other state in its `parts.rs`, which is a field of [`app::Parts`]. That file does not
//! import [`app::App`]. If a slice needs a condition on a table of a higher slice, such as "the order is being paid",
//! the higher slice provides it as a query, and [`app::App::new`] puts it into the lower slice's parts.

pub mod account;
pub mod app;
pub mod audit;
pub mod auth;
pub mod barcode;
mod bus;
mod call;
pub mod category;
pub mod clock;
pub mod config;
pub mod coupon;
pub mod demo;
pub mod error;
pub mod event;
pub mod graphql;
pub mod guest_pruning;
pub mod http;
pub mod human;
pub mod idempotency;
pub mod input;
pub mod inventory;
mod jitter;
pub mod keys;
pub mod limits;
pub mod money;
pub mod order;
pub mod outbox;
pub mod page;
pub mod payment;
mod readable_code;
mod search_text;
pub mod server;
pub mod shop;
pub mod slug;
mod slug_owner;
mod spelling;
pub mod store;
pub mod telemetry;
mod threads;
pub mod ticket;
pub mod transfer_slots;
pub mod venue;
pub mod worker;
