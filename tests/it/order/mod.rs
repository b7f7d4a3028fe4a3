//! Tests of orders, payments and check-in.

mod admission;
mod buyers_rights;
mod check_in;
mod check_in_upgrade;
mod copied_tickets;
mod entries;
mod overdue;
mod payment;
mod payment_deadline;
