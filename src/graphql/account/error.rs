//! Error types of accounts and sessions.

use crate::{
    account::Refusal,
    graphql::user_error::{Explain, Explanation, millis, user_error},
};

user_error! {
    /// An error of a mutation about sign-up, sessions or passwords.
    AccountError, AccountErrorCode (Invalid) from Refusal {
        /// Another account uses this e-mail address. Ask the user to sign in or to use a different address.
        EmailTaken: Conflict,
        /// You are already signed up. Call `signOut` before you create another account.
        AlreadySignedUp: Refused,
        /// No account has this e-mail address and password. The error does not reveal which of the two is wrong.
        WrongCredentials: Refused,
        /// Too many wrong passwords for this e-mail address, or from your network. Wait `retryAfterMs`, then try again.
        /// If you send a `deviceToken` of an earlier session, only wrong passwords from that device count.
        TooManyAttempts: Limited,
        /// The refresh token is unknown, expired or already used, or the session ended. Call `signIn` again.
        SessionEnded: Refused,
    }
    {
        /// Milliseconds to wait before the next attempt. Set only with `TOO_MANY_ATTEMPTS`.
        retry_after_ms: i32,
    }
}

user_error! {
    /// An error of `updateProfile`.
    UpdateProfileError, UpdateProfileErrorCode (Invalid Stale) from Refusal {}
}

/// The data of account errors.
#[derive(Debug, Default)]
pub(crate) struct AccountData {
    retry_after_ms: Option<i32>,
}

impl Explain for Refusal {
    type Data = AccountData;

    fn explain(self) -> Explanation<AccountData> {
        match self {
            Self::EmailTaken => Explanation::new("another account has this e-mail address").at("email"),
            Self::AlreadySignedUp => Explanation::new("you are already signed up"),
            Self::WrongCredentials => Explanation::new("no account has this e-mail address and password"),
            Self::TooManyAttempts { retry_after_seconds } => {
                Explanation::new("too many wrong passwords were tried")
                    .with(AccountData { retry_after_ms: Some(millis(retry_after_seconds)) })
                    .retryable(true)
            }
            Self::SessionEnded => Explanation::new("the session has ended; sign in again"),
        }
    }
}
