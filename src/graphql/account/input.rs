//! What clients say about accounts, and what they are answered.

use async_graphql::{InputObject, MaybeUndefined, SimpleObject};

use super::{Account, AccountError, Session};
use crate::{
    account::Refusal,
    error::Result,
    graphql::{
        error::{ApiResult, outcome},
        scalar::Long,
    },
};

/// Who wants to sign up.
#[derive(InputObject)]
pub struct SignUpInput {
    /// The e-mail address to sign in with; upper and lower case are the same.
    pub email: String,
    /// 8 to 128 characters; not the e-mail address.
    pub password: String,
    /// The name to show, at most 200 characters. Left out by a guest, the guest's name stays.
    #[graphql(default)]
    pub name: String,
    /// A telephone number. Left out by a guest, the guest's number stays.
    pub phone: Option<String>,
}

/// Who wants to sign in.
#[derive(InputObject)]
pub struct SignInInput {
    /// The e-mail address; upper and lower case are the same.
    pub email: String,
    /// The password.
    pub password: String,
    /// The `deviceToken` of an earlier session of the account. One that is not valid is ignored.
    pub device_token: Option<String>,
}

/// Which session to refresh.
#[derive(InputObject)]
pub struct RefreshSessionInput {
    /// The refresh token that was given last.
    pub refresh_token: String,
}

/// Changes of your profile; what is left out stays as it is.
#[derive(Debug, InputObject)]
pub struct UpdateProfileInput {
    /// The name to show, at most 200 characters.
    pub name: Option<String>,
    /// A telephone number of at most 32 characters; null takes it away.
    pub phone: MaybeUndefined<String>,
    /// The account's `version` as you read it.
    pub expected_version: Long,
}

/// A change of your password.
#[derive(InputObject)]
pub struct ChangePasswordInput {
    /// The password until now.
    pub current_password: String,
    /// The password from now on: 8 to 128 characters; not the e-mail address.
    pub new_password: String,
}

/// Declares the payloads of mutations: one object or errors.
macro_rules! payloads {
    ($($(#[$doc:meta])* $name:ident { $(#[$field_doc:meta])* $field:ident: $ty:ty })*) => {$(
        $(#[$doc])*
        #[derive(SimpleObject)]
        pub struct $name {
            $(#[$field_doc])*
            pub $field: Option<$ty>,
            /// Why it could not be done; empty when it was.
            pub errors: Vec<AccountError>,
        }

        impl $name {
            pub(super) fn of<T: Into<$ty>>(result: Result<T, Refusal>) -> ApiResult<Self> {
                let (done, errors) = outcome(result)?;
                Ok(Self { $field: done.map(Into::into), errors })
            }
        }
    )*};
}

payloads! {
    /// The answer to `signUp`.
    SignUpPayload {
        /// Your new session; null when there are errors.
        session: Session
    }
    /// The answer to `signIn`.
    SignInPayload {
        /// Your new session; null when there are errors.
        session: Session
    }
    /// The answer to `createGuestSession`.
    CreateGuestSessionPayload {
        /// The guest's session; null when there are errors.
        session: Session
    }
    /// The answer to `refreshSession`.
    RefreshSessionPayload {
        /// The session with new tokens; null when there are errors.
        session: Session
    }
    /// The answer to `signOut`.
    SignOutPayload {
        /// Whose session was ended; null when there are errors.
        account: Account
    }
    /// The answer to `updateProfile`.
    UpdateProfilePayload {
        /// The account as it is now; null when there are errors.
        account: Account
    }
    /// The answer to `changePassword`.
    ChangePasswordPayload {
        /// The account as it is now; null when there are errors.
        account: Account
    }
}
