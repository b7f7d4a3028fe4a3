//! Accounts and sessions in the API.

mod input;

use async_graphql::{Context, Enum, ID, Object, SimpleObject};
use chrono::{DateTime, Utc};
use entity::account as row;

pub use self::input::{
    ChangePasswordInput, ChangePasswordPayload, CreateGuestSessionPayload, RefreshSessionInput,
    RefreshSessionPayload, SignInInput, SignInPayload, SignOutPayload, SignUpInput, SignUpPayload,
    UpdateProfileInput, UpdateProfilePayload,
};
use crate::{
    account::{self, Refusal},
    error::{Error, Result},
    graphql::{
        context::ContextExt,
        coupon::Bag,
        error::{ApiResult, user_error},
        id::encode,
        order::{OrderConnection, order_connection},
        page::PageArgs,
        reservation::Reservation,
        scalar::Long,
        shop::ShopMembership,
        ticket::{TicketConnection, tickets_of_viewer},
    },
    inventory, order as orders, shop,
    telemetry::{Event, Sighting},
};

user_error! {
    /// Something about accounts or sessions that could not be done.
    AccountError, AccountErrorCode {
        /// Another account has this e-mail address.
        EmailTaken,
        /// You are signed up already. Sign out first to make another account.
        AlreadySignedUp,
        /// No account has this e-mail address and password. Which of the two is wrong is not told.
        WrongCredentials,
        /// Too many wrong passwords were tried for this e-mail address, or from your network. Come back after
        /// `retryAfterSeconds`. With a `deviceToken` of an earlier session, only your own wrong passwords count.
        TooManyAttempts,
        /// The refresh token is unknown, has expired or was used before, or the session was ended. Sign in again.
        SessionEnded,
    }
    {
        /// After how many seconds to try again, with `TOO_MANY_ATTEMPTS`.
        retry_after_seconds: u32,
    }
}

impl From<Refusal> for AccountError {
    fn from(refusal: Refusal) -> Self {
        let told = |code, message: &str, path: &[&str]| Self {
            code,
            message: message.to_owned(),
            path: path.iter().map(|&field| field.to_owned()).collect(),
            retryable: false,
            retry_after_seconds: None,
        };
        match refusal {
            Refusal::EmailTaken => {
                told(AccountErrorCode::EmailTaken, "another account has this e-mail address", &["email"])
            }
            Refusal::AlreadySignedUp => {
                told(AccountErrorCode::AlreadySignedUp, "you are signed up already", &[])
            }
            Refusal::WrongCredentials => told(
                AccountErrorCode::WrongCredentials,
                "no account has this e-mail address and password",
                &[],
            ),
            Refusal::TooManyAttempts { retry_after_seconds } => Self {
                retryable: true,
                retry_after_seconds: Some(retry_after_seconds),
                ..told(AccountErrorCode::TooManyAttempts, "too many wrong passwords were tried", &[])
            },
            Refusal::SessionEnded => {
                told(AccountErrorCode::SessionEnded, "the session has ended; sign in again", &[])
            }
        }
    }
}

/// What kind of account it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "row::AccountKind")]
pub enum AccountKind {
    /// Made without signing up; may do everything that a buyer may. Becomes a user by `signUp`, and keeps what it has.
    Guest,
    /// Signed up with an e-mail address and a password.
    User,
}

/// Your own account.
#[derive(Clone, Debug, SimpleObject)]
pub struct Account {
    /// Identifies the account.
    pub id: ID,
    /// Guest or user.
    pub kind: AccountKind,
    /// The e-mail address to sign in with, in lower case, an international domain in its ASCII form. Guests have none.
    pub email: Option<String>,
    /// The name to show; may be empty.
    pub name: String,
    /// A telephone number, as you gave it.
    pub phone: Option<String>,
    /// Whether the account belongs to the platform's operators, who keep the categories.
    pub is_operator: bool,
    /// Raised by each change. Give it as `expectedVersion` to change only what you have seen.
    pub version: Long,
    /// When the account was made.
    pub created_at: DateTime<Utc>,
}

impl From<row::Model> for Account {
    fn from(account: row::Model) -> Self {
        Self {
            id: encode(account.id),
            kind: account.kind.into(),
            email: account.email,
            name: account.name,
            phone: account.phone,
            is_operator: account.is_operator,
            version: Long(account.version),
            created_at: account.created_at,
        }
    }
}

/// A session with its tokens, which are shown this once.
#[derive(SimpleObject)]
pub struct Session {
    /// For the header `Authorization: Bearer …`, and for the `connection_init` of a WebSocket.
    pub access_token: String,
    /// When the access token ends. Refresh the session shortly before.
    pub access_token_expires_at: DateTime<Utc>,
    /// Give it to `refreshSession`, once: used a second time it ends the session. Keep it secret.
    pub refresh_token: String,
    /// When the session ends unless it is refreshed before.
    pub refresh_token_expires_at: DateTime<Utc>,
    /// Proves that this device signed in before. Give it to later calls of `signIn`: then wrong passwords that strangers
    /// try cannot lock you out. Keep it after signing out; it opens nothing by itself and is valid for a year. Null except
    /// from `signIn` and `signUp`.
    pub device_token: Option<String>,
    /// Whose session it is.
    pub account: Account,
}

impl From<account::Session> for Session {
    fn from(session: account::Session) -> Self {
        Self {
            access_token: session.access_token,
            access_token_expires_at: session.access_expires_at,
            refresh_token: session.refresh_token.expose().to_owned(),
            refresh_token_expires_at: session.refresh_expires_at,
            device_token: session.device_token,
            account: session.account.into(),
        }
    }
}

/// You, and what is yours.
#[derive(Debug)]
pub struct Viewer;

/// You, and what is yours.
#[Object]
impl Viewer {
    /// Your account.
    async fn account(&self, ctx: &Context<'_>) -> ApiResult<Account> {
        Ok(account::of_viewer(ctx.app(), ctx.viewer()).await?.into())
    }

    /// The shops that you are a member of, by name; at most 100.
    async fn shops(&self, ctx: &Context<'_>) -> ApiResult<Vec<ShopMembership>> {
        let memberships = shop::memberships_of(ctx.app(), ctx.viewer()).await?;
        Ok(memberships.into_iter().map(|(role, shop)| ShopMembership::new(role, shop)).collect())
    }

    /// Your reservations that have not ended, oldest first.
    async fn reservations(&self, ctx: &Context<'_>) -> ApiResult<Vec<Reservation>> {
        let live = inventory::live_of(ctx.app(), ctx.viewer()).await?;
        Ok(live.into_iter().map(Reservation).collect())
    }

    /// Your orders, newest first.
    #[expect(clippy::too_many_arguments, reason = "the four arguments that Relay gives every connection")]
    async fn orders(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "After this cursor.")] after: Option<String>,
        #[graphql(desc = "Before this cursor.")] before: Option<String>,
        #[graphql(desc = "The first so many, 1 to 100.")] first: Option<i32>,
        #[graphql(desc = "The last so many, 1 to 100.")] last: Option<i32>,
    ) -> ApiResult<OrderConnection> {
        let window = PageArgs { after, before, first, last }.window()?;
        let account = ctx.viewer().account()?;
        Ok(order_connection(orders::of_account(ctx.app(), account, window).await?))
    }

    /// What you hold: claims of coupons and tickets.
    async fn bag(&self) -> Bag {
        Bag
    }

    /// Your tickets, newest first.
    #[expect(clippy::too_many_arguments, reason = "the four arguments that Relay gives every connection")]
    async fn tickets(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "After this cursor.")] after: Option<String>,
        #[graphql(desc = "Before this cursor.")] before: Option<String>,
        #[graphql(desc = "The first so many, 1 to 100.")] first: Option<i32>,
        #[graphql(desc = "The last so many, 1 to 100.")] last: Option<i32>,
    ) -> ApiResult<TicketConnection> {
        tickets_of_viewer(ctx, PageArgs { after, before, first, last }).await
    }
}

/// Queries.
#[derive(Debug, Default)]
pub struct AccountQuery;

#[Object]
impl AccountQuery {
    /// You: null without an access token.
    async fn viewer(&self, ctx: &Context<'_>) -> Option<Viewer> {
        ctx.viewer().identity().ok().map(|_| Viewer)
    }
}

/// Reports a refusal that may be an attack on an account.
fn report<T>(ctx: &Context<'_>, result: Result<T, Refusal>) -> Result<T, Refusal> {
    let (event, rule) = match &result {
        Err(Error::Refused(Refusal::WrongCredentials)) => (Event::SignInFailed, "WRONG_CREDENTIALS"),
        Err(Error::Refused(Refusal::TooManyAttempts { .. })) => (Event::Throttled, "TOO_MANY_ATTEMPTS"),
        Err(Error::Refused(Refusal::SessionEnded)) => (Event::TokenRejected, "SESSION_ENDED"),
        Err(Error::Refused(Refusal::EmailTaken | Refusal::AlreadySignedUp) | Error::Fault(_)) | Ok(_) => {
            return result;
        }
    };
    ctx.app().metrics.refused(rule);
    ctx.app().security.report(&Sighting::new(event, rule).by(ctx.viewer()), ctx.app().clock.now());
    result
}

/// Mutations.
#[derive(Debug, Default)]
pub struct AccountMutation;

#[Object]
impl AccountMutation {
    /// Makes you a user, and signs you in. Called with a guest's access token, the guest's own account becomes the
    /// user's, with its reservations, orders and tickets; the guest's sessions end.
    async fn sign_up(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do, and with what.")] input: SignUpInput,
    ) -> ApiResult<SignUpPayload> {
        let SignUpInput { email, password, name, phone } = input;
        let input = account::SignUp { email, password, name, phone };
        SignUpPayload::of(account::sign_up(ctx.app(), ctx.viewer(), input).await)
    }

    /// Opens a session with e-mail address and password. After ten wrong passwords in 15 minutes the e-mail address
    /// has to wait, except on devices that give the `deviceToken` of an earlier session.
    async fn sign_in(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do, and with what.")] input: SignInInput,
    ) -> ApiResult<SignInPayload> {
        let SignInInput { email, password, device_token } = input;
        let input = account::SignIn { email, password, device_token };
        let session = account::sign_in(ctx.app(), ctx.viewer(), input).await;
        SignInPayload::of(report(ctx, session))
    }

    /// Makes a guest and opens its session. A guest may do everything that a buyer may, and can sign up later. The
    /// session is all there is: who loses it before signing up loses the guest's tickets.
    async fn create_guest_session(&self, ctx: &Context<'_>) -> ApiResult<CreateGuestSessionPayload> {
        CreateGuestSessionPayload::of(account::create_guest(ctx.app(), ctx.viewer()).await)
    }

    /// Exchanges the refresh token for new tokens; needs no access token. A refresh token is good once: shown a second
    /// time it ends the session, since one of the two who had it stole it. So never send it twice at once, and sign in
    /// again when the answer was lost.
    async fn refresh_session(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do, and with what.")] input: RefreshSessionInput,
    ) -> ApiResult<RefreshSessionPayload> {
        let session = account::refresh(ctx.app(), &input.refresh_token).await;
        RefreshSessionPayload::of(report(ctx, session))
    }

    /// Ends your session: its tokens are worth nothing any more, and its subscriptions end within seconds.
    async fn sign_out(&self, ctx: &Context<'_>) -> ApiResult<SignOutPayload> {
        SignOutPayload::of(account::sign_out(ctx.app(), ctx.viewer()).await)
    }

    /// Changes your name or telephone number; guests may do so too.
    async fn update_profile(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do, and with what.")] input: UpdateProfileInput,
    ) -> ApiResult<UpdateProfilePayload> {
        let UpdateProfileInput { name, phone, expected_version } = input;
        let input =
            account::UpdateProfile { expected_version: expected_version.0, name, phone: phone.into() };
        UpdateProfilePayload::of(account::update_profile(ctx.app(), ctx.viewer(), input).await)
    }

    /// Changes your password, and ends all your other sessions. After ten wrong passwords in 15 minutes you have to wait.
    async fn change_password(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do, and with what.")] input: ChangePasswordInput,
    ) -> ApiResult<ChangePasswordPayload> {
        let input = account::ChangePassword { current: input.current_password, new: input.new_password };
        let account = account::change_password(ctx.app(), ctx.viewer(), input).await;
        ChangePasswordPayload::of(report(ctx, account))
    }
}
