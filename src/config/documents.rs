//! Settings of GraphQL documents: which are accepted, and what one operation may cost.

use clap::Args;

/// Settings of documents and operations.
#[derive(Args, Clone, Debug, Default)]
pub struct DocumentSettings {}
