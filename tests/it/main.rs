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
mod audit;
mod authorisation;
mod backup;
mod buyer_requirement;
mod caching;
mod checkout_coupons;
mod checkout_coupons_race;
mod claim_code;
mod connection;
mod cost;
mod coupon;
mod coupon_budget;
mod coupon_claim;
mod coupon_code;
mod coupon_list;
mod coupon_race;
mod demo;
mod desk;
mod disk_faults;
mod disk_full;
mod event;
mod fairness;
mod fairness_rule;
mod feed;
mod geometry;
mod guard;
mod harness;
mod hidden_tiers;
mod history;
mod hoarding;
mod http;
mod kill;
mod layers;
mod limits;
mod limits_codes;
mod limits_sign_in;
mod links;
mod metrics;
mod migration;
mod nodes;
mod old_schema;
mod on_sale;
mod outage;
mod outage_codes;
mod outage_locks;
mod outage_server;
mod overdue_orders;
mod paid_coupons;
mod payment;
mod payment_deadline;
mod persisted;
mod pgbouncer;
mod pick;
mod power_cut;
mod power_cut_postgres;
mod prices;
mod primary;
mod production;
mod race;
mod reservation;
mod schema;
mod security_log;
mod shop;
mod skew;
mod socket;
mod socket_limits;
mod sse;
mod start;
mod statements;
mod stop;
mod support;
mod tls;
mod traces;
mod venue;
mod watch;
