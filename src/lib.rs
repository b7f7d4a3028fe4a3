//! Tessera sells coupons and event tickets in real time through GraphQL. This page is the map of its house.
//!
//! # How a reservation travels
//!
//! A buyer's `reserveSeats` comes in through [`http`]: the guard looks at the document before the library's parser may,
//! the bearer token becomes a [`auth::Viewer`], and the operation runs in a task of its own, so that a client who goes
//! away cuts nothing in the middle. The resolver in [`graphql`] turns ids into places and calls
//! [`inventory::reserve`], which reads as a sentence: who asks, is the pick sound, and then a command to the *desk*.
//!
//! The desk (`inventory/desk.rs`) is one task per inventory that is being sold here. What is queued while a commit is in
//! flight it decides together, by a pure function ([`inventory::decide()`]) against its memory, and commits in one
//! transaction (`inventory/commit.rs`): the version guard first, which also tells the database's time, then the
//! idempotency keys and what belongs to the jobs (an order becoming paid, its tickets), then all seats, areas,
//! reservations and buyers, each kind in one statement ([`store::Rows`]), and a row in the change log. On PostgreSQL a
//! batch with which nothing else is written is all in all one statement (`store/script.rs`). If another instance was
//! first, the guard fails: the desk follows the log and decides again. Only after the commit is anybody answered,
//! everybody who watches told ([`inventory::feed`]), and a hint given to other instances (`bus.rs`).
//!
//! # How a change reaches those who watch
//!
//! [`inventory::feed`] gives a reader a snapshot and then deltas. Each delta follows the version of the message before.
//! Versions that are committed while the reader is busy are merged into one. Subscribers with the same document, the same
//! variables and nothing of their own in the answer ([`graphql::cacheability::shared`]) share one such reader: `http/shared/` executes
//! and serialises a change once and hands the payload, rank by rank, into the queues of their sockets. Who cannot take it
//! is brought up later by one delta or a snapshot. Event streams (`http/sse.rs`) have such queues too. In the same way a public query is executed once for all who ask it
//! between two versions (`http/answers.rs`).
//!
//! # How a coupon travels
//!
//! Its copies are the stock of one inventory, so `claimCoupon` is a command to a desk as `reserveSeats` is, and the
//! claims of a batch are rows of its commit. A code belongs to one shop. It is generated with the claim, or it is on the
//! coupon's list and becomes the claim of the first account that sends it ([`coupon::claim_code`]). At the checkout the
//! pure rules of [`coupon::discount`] say what claims take off; the checkout's transaction freezes that in the order, binds the
//! claims to it by their versions, and takes the discounts from their budgets where these allow it. Paid, the claims
//! are redeemed; ended unpaid or refunded, they and their budgets come back. A paid coupon is bought as a seat is, and
//! its claims are issued when it is sold.
//!
//! # How an order becomes paid
//!
//! [`order::checkout()`] binds reservations to an order. [`payment::pay`] writes the intent down in the transaction that
//! keeps the seats from running out, and only then calls the provider; [`payment::settle`] carries on from wherever
//! things stand: authorise, sell the seats and issue the [`ticket`]s in one commit, collect. The buyer's call, the
//! browser's return and the worker after a crash all call it, and it may stop anywhere.
//!
//! # Invariants
//!
//! - The `version` of an inventory is guard and cursor: every change of it raises it by one, in the transaction that
//!   appends the row of that version to the log. No seat is taken, given back or sold past it.
//! - Memory is a cache; the database is the truth. A crash loses an answer, never a fact.
//! - Versioned rows are written by [`store::save_versioned`] or behind the inventory's guard, nowhere else.
//! - No provider is called inside a database transaction, and no desk waits for one.
//! - Nobody is charged without a seat: an amount is collected only after the commit that sold the seats.
//! - A mutation is given up at its deadline unless it has begun to commit (`call.rs`). Then it goes on.
//! - A stored deadline, such as a reservation's, is compared with the [`clock`], which follows the database's; no sweeper is
//!   needed for correctness.
//! - Database text never reaches a client: resolvers return [`graphql::error::ApiError`], which has no `Display`.
//! - What is absent on purpose: repository and service traits, global statics (but the count of
//!   an outage, `store/outage.rs`, because an error knows no store), unbounded channels, `derive` of API types
//!   on rows.
//!
//! # Lock order
//!
//! Stocks of several inventories are locked in ascending order of ids (`inventory/multi_inventory.rs`); in a transaction the
//! inventories' rows come first, then the order, then the payment or the tickets.
//!
//! # Words
//!
//! *shop*: a vendor's organisation; *member*: a user with a role in it. *event*: something people attend; *venue*,
//! *seat map*: where, in immutable revisions. *tier*: a price level; *area*: capacity without numbered seats.
//! *inventory*: the version-guarded stock of one event or coupon. *reservation*: places or copies that a buyer has until a deadline. *order*,
//! *payment*, *refund*, *ticket*, *check-in*: as everywhere. *product*: what a shop sells or gives; *coupon*: what it
//! promises to whoever claims one; *claim*: a copy in somebody's hands, with the terms as they were then; *bag*: all claims
//! and tickets of an account; *redemption*: one use of a claim. *change*: a committed fact in the log or the outbox.
//! *state*: what is stored; *status*: what follows from it and the time. *refusal*: the business says no; *fault*: something went wrong. *viewer*: who asks.
//!
//! # The rooms
//!
//! The business, each standing on those before it: [`account`], [`category`], [`shop`], [`venue`], [`inventory`],
//! [`event`], [`coupon`], [`order`], [`ticket`], [`payment`]. The API: [`graphql`] (the one room that knows the library), [`http`].
//! The plumbing: [`app`], [`audit`], [`auth`], [`barcode`], `bus`, `call`, [`clock`], [`config`], [`error`], [`human`], [`idempotency`], `jitter`, [`keys`], [`limits`],
//! [`money`], [`outbox`],
//! [`page`], `search_text`, [`server`], [`slug`], [`store`], [`telemetry`], `threads`, [`transfer_slots`], [`worker`]. [`demo`] fills an empty database.
//! `tests/it/layers.rs` keeps the arrows between them.

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
pub mod http;
pub mod human;
pub mod idempotency;
pub mod inventory;
mod jitter;
pub mod keys;
pub mod limits;
pub mod money;
pub mod order;
pub mod outbox;
pub mod page;
pub mod payment;
mod search_text;
pub mod server;
pub mod shop;
pub mod slug;
pub mod store;
pub mod telemetry;
mod threads;
pub mod ticket;
pub mod transfer_slots;
pub mod venue;
pub mod worker;
