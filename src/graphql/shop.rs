//! Shops in the API.

use async_graphql::Object;

use super::error::user_error;

user_error! {
    /// Something about shops that could not be done.
    ShopError, ShopErrorCode {}
}

/// Queries.
#[derive(Debug, Default)]
pub struct ShopQuery;

#[Object]
impl ShopQuery {
    /// Placeholder.
    async fn placeholder_shop(&self) -> bool {
        true
    }
}

/// Mutations.
#[derive(Debug, Default)]
pub struct ShopMutation;

#[Object]
impl ShopMutation {
    /// Placeholder.
    async fn placeholder_shop(&self) -> ShopError {
        ShopError::default()
    }
}
