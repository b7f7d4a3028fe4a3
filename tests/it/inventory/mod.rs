//! Tests of reservations, the desk and fairness.

mod buyer_requirement;
mod desk;
mod fairness;
mod fairness_rule;
mod feed;
mod free_places;
mod history;
mod hoarding;
mod own_reservations;
mod pick;
mod race;
mod reservation;
mod skew;
mod small_refusals;
mod watch;
