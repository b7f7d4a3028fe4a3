//! The document guard: refuses GraphQL documents that are too expensive to parse, validate or execute.
//!
//! The library's limits do not protect its parser (a nested literal of 4 KB overflows the stack and aborts the process)
//! or its validator (a chain of fragments of 0.9 KB takes seconds). So the guard has its own checks. [`scan()`] reads
//! the text before the parser. [`check()`] measures the parsed document before validation expands it. Both are linear
//! in its size. Then identical fields are merged, which the library would execute one by one, and [`Costs`] estimates
//! the merged document.
//!
//! Invariant: pure. No I/O and no viewer; no input makes it panic.

mod check;
mod cost;
mod length;
mod merge;
#[cfg(test)]
mod merging;
mod scan;
mod strict;
#[cfg(test)]
mod tests;
mod types;

pub use check::check;
pub use cost::{Cost, Costs, MAX_COST};
pub use scan::scan;

use async_graphql::parser::{
    Error as ParseError, parse_query,
    types::{ExecutableDocument, OperationType},
};
use serde_json::Map;
use std::borrow::Cow;

use crate::error::retry_after_ms;

/// Bytes of one document.
pub const MAX_BYTES: usize = 32 * 1024;
/// Lexical tokens of one document.
pub const MAX_TOKENS: usize = 5_000;
/// Nested brackets of all kinds. The parser recurses once for each.
pub const MAX_NESTING: usize = 48;
/// Selections after fragments are expanded.
pub const MAX_SELECTIONS: u32 = 5_000;
/// Levels of fields after fragments are expanded. The introspection query of `GraphiQL` 5 needs all fifteen.
pub const MAX_DEPTH: u32 = 15;
/// Aliased fields after fragments are expanded.
pub const MAX_ALIASES: u32 = 30;
/// Directives after fragments are expanded.
pub const MAX_DIRECTIVES: u32 = 50;
/// Fragment definitions of one document.
pub const MAX_FRAGMENTS: usize = 50;
/// Root fields of one query.
pub const MAX_QUERY_FIELDS: u32 = 50;
/// Root fields of one mutation.
pub const MAX_MUTATION_FIELDS: u32 = 10;
/// Nested lists of types or fields in an introspection. Each level multiplies the response by the schema's size.
pub const MAX_INTROSPECTION_LISTS: u32 = 2;

/// Why a request is refused before its execution.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The stable code for programs.
    pub code: &'static str,
    /// The sentence for developers.
    pub message: Cow<'static, str>,
    /// Milliseconds until a retry, if a retry may succeed.
    pub retry_after_ms: Option<u64>,
}

impl Refusal {
    /// Returns a refusal with this code and sentence.
    pub fn new(code: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self { code, message: message.into(), retry_after_ms: None }
    }

    /// Returns the refusal for a temporary failure.
    pub fn unavailable(message: &'static str) -> Self {
        Self { retry_after_ms: Some(retry_after_ms()), ..Self::new("UNAVAILABLE", message) }
    }
}

/// Whether introspection is allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Introspection {
    /// `__schema` and `__type` are answered.
    Allowed,
    /// `__schema` and `__type` are refused.
    Refused,
}

/// A document that passed all checks, and the kind of the chosen operation.
#[derive(Debug)]
pub struct Admitted {
    /// The document as it was written, for validation.
    pub document: ExecutableDocument,
    /// The chosen operation only, with each field once, for execution.
    pub merged: ExecutableDocument,
    /// The kind of the chosen operation.
    pub kind: OperationType,
    /// The estimated cost, unless it depends on the variables.
    pub cost: Option<Cost>,
}

/// Scans, parses, checks and merges a document, and chooses the operation.
pub fn admit(
    text: &str,
    operation_name: Option<&str>,
    introspection: Introspection,
    costs: &Costs,
) -> Result<Admitted, Refusal> {
    scan(text)?;
    let document = parse_query(text).map_err(|error| syntax(&error))?;
    check(&document, introspection)?;
    strict::check(&document)?;
    let kind = chosen(&document, operation_name)?;
    let merged = merge::merge(&document, operation_name, &costs.types);
    let cost = if length::asks_variables(&merged, operation_name) {
        None
    } else {
        Some(costs.check(&merged, operation_name, &Map::new())?)
    };
    Ok(Admitted { document, merged, kind, cost })
}

/// Returns the kind of the operation that the request names, or of the only one.
fn chosen(document: &ExecutableDocument, name: Option<&str>) -> Result<OperationType, Refusal> {
    let mut operations = document.operations.iter();
    let found = match name {
        Some(wanted) => operations.find(|(name, _)| name.is_some_and(|name| name.as_str() == wanted)),
        None if operations.len() > 1 => {
            return Err(Refusal::new(
                "OPERATION_NAME_REQUIRED",
                "The document has several operations. Choose one with `operationName`.",
            ));
        }
        None => operations.next(),
    };
    found
        .map(|(_, operation)| operation.node.ty)
        .ok_or_else(|| Refusal::new("OPERATION_UNKNOWN", "The document has no operation of that name."))
}

/// Returns the parser's error in one line. The library's message has several lines and draws the document.
fn syntax(error: &ParseError) -> Refusal {
    const LONGEST_HINT: usize = 160;
    let text = error.to_string();
    let hint = match text.lines().find_map(|line| line.trim().strip_prefix("= ")) {
        Some(hint) => hint,
        None => text.lines().next().unwrap_or_default().trim(),
    };
    let hint: String = hint.chars().take(LONGEST_HINT).collect();
    let message = match error.positions().next() {
        Some(at) => format!("Syntax error at {}:{}: {hint}", at.line, at.column),
        None => format!("Syntax error: {hint}"),
    };
    Refusal::new("GRAPHQL_PARSE_FAILED", message)
}
