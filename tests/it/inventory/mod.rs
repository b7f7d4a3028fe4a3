//! Tests of reservations, the desk and fairness.

mod buyer_requirement;
mod desk;
mod fairness;
mod fairness_rule;
mod feed;
mod history;
mod hoarding;
mod pick;
mod race;
mod reservation;
mod skew;
mod watch;
