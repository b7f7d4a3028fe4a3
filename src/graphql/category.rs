//! Categorys in the API.

use async_graphql::Object;

use super::error::user_error;

user_error! {
    /// Something about categorys that could not be done.
    CategoryError, CategoryErrorCode {}
}

/// Queries.
#[derive(Debug, Default)]
pub struct CategoryQuery;

#[Object]
impl CategoryQuery {
    /// Placeholder.
    async fn placeholder_category(&self) -> bool {
        true
    }
}

/// Mutations.
#[derive(Debug, Default)]
pub struct CategoryMutation;

#[Object]
impl CategoryMutation {
    /// Placeholder.
    async fn placeholder_category(&self) -> CategoryError {
        CategoryError::default()
    }
}
