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
mod coercion;
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
mod variables;

pub use check::check;
pub use cost::{Cost, Costs, MAX_COST};
pub use scan::scan;
pub use variables::{Variables, bind, without_conditions};

use async_graphql::parser::{
    Error as ParseError, parse_query,
    types::{ExecutableDocument, OperationType},
};
use serde_json::Map;
use std::borrow::Cow;

pub use crate::limits::protocol::{
    MAX_ALIASES, MAX_BYTES, MAX_DEPTH, MAX_DIRECTIVES, MAX_FRAGMENTS, MAX_INTROSPECTION_LISTS,
    MAX_MUTATION_FIELDS, MAX_NESTING, MAX_QUERY_FIELDS, MAX_SELECTIONS, MAX_TOKENS,
};
use crate::{error::retry_after_ms, graphql::code::ApiCode};

/// Why a request is refused before its execution.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The stable code for programs.
    pub code: ApiCode,
    /// The sentence for developers.
    pub message: Cow<'static, str>,
    /// Milliseconds until a retry, if a retry may succeed.
    pub retry_after_ms: Option<u64>,
}

impl Refusal {
    /// Returns a refusal with this code and sentence.
    pub fn new(code: ApiCode, message: impl Into<Cow<'static, str>>) -> Self {
        Self { code, message: message.into(), retry_after_ms: None }
    }

    /// Returns the refusal for a temporary failure.
    pub fn unavailable(message: &'static str) -> Self {
        Self { retry_after_ms: Some(retry_after_ms()), ..Self::new(ApiCode::Unavailable, message) }
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
    /// The document with all operations, for validation.
    pub document: ExecutableDocument,
    /// The chosen operation only, with each field once, for execution.
    pub merged: ExecutableDocument,
    /// The variables of the chosen operation.
    pub variables: Variables,
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
    let mut document = parse_query(text).map_err(|error| syntax(&error))?;
    check(&document, introspection)?;
    strict::check(&document)?;
    let kind = chosen(&document, operation_name)?;
    variables::check(&document, &costs.types)?;
    let variables = Variables::of(&document, operation_name);
    variables::promote(&mut document, &costs.types);
    let merged = merge::merge(&document, operation_name, &costs.types);
    let cost = if length::asks_variables(&merged, operation_name) {
        None
    } else {
        Some(costs.check(&merged, operation_name, &Map::new())?)
    };
    Ok(Admitted { document, merged, variables, kind, cost })
}

/// Returns the kind of the operation that the request names, or of the only one.
fn chosen(document: &ExecutableDocument, name: Option<&str>) -> Result<OperationType, Refusal> {
    let mut operations = document.operations.iter();
    let found = match name {
        Some(wanted) => operations.find(|(name, _)| name.is_some_and(|name| name.as_str() == wanted)),
        None if operations.len() > 1 => {
            return Err(Refusal::new(
                ApiCode::OperationNameRequired,
                "The document has several operations. Choose one with `operationName`.",
            ));
        }
        None => operations.next(),
    };
    found
        .map(|(_, operation)| operation.node.ty)
        .ok_or_else(|| Refusal::new(ApiCode::OperationUnknown, "The document has no operation of that name."))
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
    Refusal::new(ApiCode::GraphqlParseFailed, message)
}
