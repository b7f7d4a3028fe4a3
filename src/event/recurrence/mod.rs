//! Recurrence rules of RFC 5545, section 3.3.10, in local time.
//!
//! `rule.rs` reads the text of a rule, `expand.rs` lists its local times, and `zone.rs` converts between local times and
//! instants.
//!
//! The crate `rrule` is not used: its version 0.14 returns nothing for `BYDAY=MO,1FR`, accepts an ordinal in a weekly
//! rule as "every day", misses times of minutely rules, and shifts or repeats the times of a change of the clocks instead
//! of skipping them. In a random comparison of other rules, the only further difference was `BYWEEKNO=-53`.
//!
//! `dates.rs` combines rules and explicit dates.
//!
//! Invariant: pure and synchronous. The work of an expansion is bounded.

pub mod dates;
mod expand;
mod rule;
pub mod zone;

#[cfg(test)]
mod examples;

pub use self::{
    expand::Occurrences,
    rule::{End, Rule, RuleError},
};
