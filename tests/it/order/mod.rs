//! Tests of orders, payments and check-in.

mod check_in;
mod overdue;
mod payment;
mod payment_deadline;
