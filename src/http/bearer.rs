//! Bearer tokens in the `Authorization` header.

use super::{answer::Failure, guard::Refusal};
use crate::{
    app::App,
    auth::{self, Rejected, Viewer},
    graphql::code::ApiCode,
};
use axum::http::{HeaderMap, header};

/// Authenticates the caller by the `Authorization` header.
pub(super) async fn authenticate(app: &App, headers: &HeaderMap) -> Result<Viewer, Failure> {
    let token = match headers.get(header::AUTHORIZATION) {
        None => None,
        Some(value) => Some(value.to_str().ok().and_then(bearer).ok_or_else(token_refused)?),
    };
    auth::authenticate(app, token).await.map_err(|rejected| match rejected {
        Rejected::Token => token_refused(),
        // The token may be valid. A client that is told otherwise would discard its session.
        Rejected::Unavailable => {
            Failure::unavailable("Your session cannot be looked up now. Try again in a moment.")
        }
    })
}

/// Returns the refusal of a token that is not valid.
pub(super) fn token_refused() -> Failure {
    Failure::Token(Refusal::new(ApiCode::Unauthenticated, "The token is not valid: sign in again."))
}

/// Returns the token of an `Authorization` header, or `None` for another scheme.
pub(super) fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.trim().split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim()).filter(|token| !token.is_empty())
}
