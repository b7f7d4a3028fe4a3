//! Tessera's behaviour, through its API, on real databases; and the house's own rules.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on says where it stopped"
)]

mod access_code;
mod account;
mod answers;
mod arrival;
mod authorisation;
mod checkout_coupons;
mod checkout_coupons_race;
mod claim_code;
mod connection;
mod coupon;
mod coupon_budget;
mod coupon_claim;
mod coupon_code;
mod coupon_list;
mod coupon_race;
mod demo;
mod desk;
mod event;
mod fairness;
mod fairness_rule;
mod feed;
mod geometry;
mod guard;
mod harness;
mod hidden_tiers;
mod history;
mod http;
mod kill;
mod layers;
mod migration;
mod overdue_orders;
mod paid_coupons;
mod payment;
mod pick;
mod race;
mod reservation;
mod schema;
mod shop;
mod skew;
mod socket;
mod socket_limits;
mod statements;
mod support;
mod tls;
mod venue;
mod watch;
