//! Tests of the contract: the schema, its errors, rights and costs.

mod authorisation;
mod cost;
mod errors;
mod idempotency;
mod inputs;
mod nodes;
mod odd_inputs;
mod operations;
mod published_limits;
mod schema;
mod specification;
mod statements;
