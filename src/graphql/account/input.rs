//! Inputs and payloads of account mutations.

use async_graphql::{InputObject, MaybeUndefined, SimpleObject};

use super::{Account, AccountError, Session, UpdateProfileError};
use crate::{
    account::Refusal,
    error::Result,
    graphql::{
        error::{ApiResult, outcome},
        scalar::Long,
    },
};

/// Input of `signUp`.
#[derive(InputObject)]
pub struct SignUpInput {
    /// The e-mail address to sign in with, such as `ada@example.org`. Case is ignored. The address stands alone,
    /// without a name, angle brackets or `mailto:`.
    pub email: String,
    /// The password: 8 to 128 characters. It must differ from the e-mail address.
    pub password: String,
    /// The display name as plain text, at most 200 characters. If a guest omits it, the guest's name is kept.
    #[graphql(default)]
    pub name: String,
    /// The telephone number, at most 32 characters: digits, an optional `+` before them, and blanks, `-`, `(`, `)`,
    /// `.` and `/` between them. If a guest omits it, the guest's number is kept.
    pub phone: Option<String>,
}

/// Input of `signIn`.
#[derive(InputObject)]
pub struct SignInInput {
    /// The e-mail address of the account. Case is ignored.
    pub email: String,
    /// The password of the account.
    pub password: String,
    /// The `deviceToken` of an earlier session of this account. An invalid token is ignored.
    pub device_token: Option<String>,
}

/// Input of `refreshSession`.
#[derive(InputObject)]
pub struct RefreshSessionInput {
    /// The most recent refresh token of the session.
    pub refresh_token: String,
}

/// Input of `updateProfile`. Omitted fields stay unchanged.
#[derive(Debug, InputObject)]
pub struct UpdateProfileInput {
    /// The display name as plain text, at most 200 characters.
    pub name: Option<String>,
    /// The telephone number, at most 32 characters, by the rules of `SignUpInput.phone`. Null removes it.
    pub phone: MaybeUndefined<String>,
    /// The account's `version` when you last read it. If it has changed since, nothing is stored and the error is
    /// `STALE`.
    pub expected_version: Long,
}

/// Input of `changePassword`.
#[derive(InputObject)]
pub struct ChangePasswordInput {
    /// The current password.
    pub current_password: String,
    /// The new password: 8 to 128 characters. It must differ from the e-mail address.
    pub new_password: String,
}

/// The result of `updateProfile`.
#[derive(SimpleObject)]
pub struct UpdateProfilePayload {
    /// The account after the change. With the error `STALE`, the current account. Null with other errors.
    pub account: Option<Account>,
    /// Why the mutation failed. Empty if it succeeded.
    pub errors: Vec<UpdateProfileError>,
}

/// Declares mutation payloads with one object and the errors.
macro_rules! payloads {
    ($($(#[$doc:meta])* $name:ident { $(#[$field_doc:meta])* $field:ident: $ty:ty })*) => {$(
        $(#[$doc])*
        #[derive(SimpleObject)]
        pub struct $name {
            $(#[$field_doc])*
            pub $field: Option<$ty>,
            /// Why the mutation failed. Empty if it succeeded.
            pub errors: Vec<AccountError>,
        }

        impl $name {
            pub(super) fn of<T: Into<$ty>>(result: Result<T, Refusal>) -> ApiResult<Option<Self>> {
                let (done, errors) = outcome(result)?;
                Ok(Some(Self { $field: done.map(Into::into), errors }))
            }
        }
    )*};
}

payloads! {
    /// The result of `signUp`.
    SignUpPayload {
        /// Your new session. Null if `errors` is not empty.
        session: Session
    }
    /// The result of `signIn`.
    SignInPayload {
        /// Your new session. Null if `errors` is not empty.
        session: Session
    }
    /// The result of `createGuestSession`.
    CreateGuestSessionPayload {
        /// The guest's session. Null if `errors` is not empty.
        session: Session
    }
    /// The result of `refreshSession`.
    RefreshSessionPayload {
        /// The session with new tokens. Null if `errors` is not empty.
        session: Session
    }
    /// The result of `signOut`.
    SignOutPayload {
        /// The account whose session ended. Null if `errors` is not empty.
        account: Account
    }
    /// The result of `changePassword`.
    ChangePasswordPayload {
        /// The account after the change. Null if `errors` is not empty.
        account: Account
    }
}
