//! Accounts in the API.

use async_graphql::Object;

use super::error::user_error;

user_error! {
    /// Something about accounts that could not be done.
    AccountError, AccountErrorCode {}
}

/// Queries.
#[derive(Debug, Default)]
pub struct AccountQuery;

#[Object]
impl AccountQuery {
    /// Placeholder.
    async fn placeholder_account(&self) -> bool {
        true
    }
}

/// Mutations.
#[derive(Debug, Default)]
pub struct AccountMutation;

#[Object]
impl AccountMutation {
    /// Placeholder.
    async fn placeholder_account(&self) -> AccountError {
        AccountError::default()
    }
}
