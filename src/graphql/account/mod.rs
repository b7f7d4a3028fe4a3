//! Accounts and sessions in the API.

mod error;
mod input;

use std::collections::HashMap;

use async_graphql::{Context, Enum, ID, Object, SimpleObject, dataloader::Loader};
use entity::{AccountId, account as row};

pub use self::{
    error::{AccountError, UpdateProfileError},
    input::{
        ChangePasswordInput, ChangePasswordPayload, CreateGuestSessionPayload, RefreshSessionInput,
        RefreshSessionPayload, SignInInput, SignInPayload, SignOutPayload, SignUpInput, SignUpPayload,
        UpdateProfileInput, UpdateProfilePayload,
    },
};
use crate::{
    account::{self, Refusal},
    error::{Error, Result as Outcome},
    graphql::{
        context::ContextExt,
        coupon::Bag,
        error::{ApiResult, edited},
        id::encode,
        loader::{Batch, Shared},
        order::{OrderConnection, order_connection},
        page::PageArgs,
        reservation::Reservation,
        scalar::{Instant, Long},
        shop::ShopMembership,
        ticket::{TicketConnection, tickets_of_viewer},
    },
    inventory, order as orders, shop,
    telemetry::{Event, Sighting},
};

/// The kind of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "row::AccountKind")]
pub enum AccountKind {
    /// An account without sign-up. A guest can buy like any user. `signUp` turns it into a user and keeps its
    /// reservations, orders and tickets.
    Guest,
    /// An account that signed up with an e-mail address and a password.
    User,
}

/// Your own account.
#[derive(Clone, Debug)]
pub struct Account(row::Model);

impl From<row::Model> for Account {
    fn from(row: row::Model) -> Self {
        Self(row)
    }
}

/// Your own account.
#[Object]
impl Account {
    /// The global id of the account.
    pub async fn id(&self) -> ID {
        encode(self.0.id)
    }

    /// Whether the account is a guest or a user.
    async fn kind(&self) -> AccountKind {
        self.0.kind.into()
    }

    /// The e-mail address for signing in, in lower case. International domains are in ASCII form. Null for guests.
    async fn email(&self) -> Option<&str> {
        self.0.email.as_deref()
    }

    /// The display name as plain text. May be empty.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// The telephone number as entered. Null if none was given.
    async fn phone(&self) -> Option<&str> {
        self.0.phone.as_deref()
    }

    /// Whether the account belongs to a platform operator. Operators maintain the categories.
    async fn is_operator(&self) -> bool {
        self.0.is_operator
    }

    /// Increases with every change. Send it as `expectedVersion` when you edit the object.
    async fn version(&self) -> Long {
        Long(self.0.version)
    }

    /// When the account was created.
    async fn created_at(&self) -> Instant {
        self.0.created_at.into()
    }

    /// When the account was last changed.
    async fn updated_at(&self) -> Instant {
        self.0.updated_at.into()
    }
}

/// Loader key: an account, if it is the viewer's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct OwnAccount(pub(crate) AccountId);

impl Loader<OwnAccount> for Batch {
    type Value = row::Model;
    type Error = Shared;

    async fn load(&self, keys: &[OwnAccount]) -> Result<HashMap<OwnAccount, row::Model>, Shared> {
        let own = self.viewer.account().ok().map(OwnAccount).filter(|own| keys.contains(own));
        let Some(own) = own else { return Ok(HashMap::new()) };
        Ok(HashMap::from([(own, account::of_viewer(&self.app, &self.viewer).await?)]))
    }
}

/// A session with its tokens. The tokens are shown only in this response.
#[derive(SimpleObject)]
pub struct Session {
    /// The access token. Send it in the header `Authorization: Bearer …`, or in the `connection_init` of a WebSocket.
    pub access_token: String,
    /// When the access token expires. Call `refreshSession` shortly before.
    pub access_token_expires_at: Instant,
    /// The token for `refreshSession`. It works once; a second use ends the session. Keep it secret.
    pub refresh_token: String,
    /// When the session ends if it is not refreshed.
    pub refresh_token_expires_at: Instant,
    /// Proves that this device signed in before. Send it with later `signIn` calls, so that wrong passwords from other
    /// devices cannot lock you out. Keep it after signing out. It is valid for one year and grants no access by itself.
    /// Null except in the results of `signIn` and `signUp`.
    pub device_token: Option<String>,
    /// The account of the session.
    pub account: Account,
}

impl From<account::Session> for Session {
    fn from(session: account::Session) -> Self {
        Self {
            access_token: session.access_token,
            access_token_expires_at: session.access_expires_at.into(),
            refresh_token: session.refresh_token.expose().to_owned(),
            refresh_token_expires_at: session.refresh_expires_at.into(),
            device_token: session.device_token,
            account: session.account.into(),
        }
    }
}

/// Your account and everything that belongs to it.
#[derive(Debug)]
pub struct Viewer;

/// Your account and everything that belongs to it.
#[Object]
impl Viewer {
    /// Your account.
    async fn account(&self, ctx: &Context<'_>) -> ApiResult<Account> {
        Ok(account::of_viewer(ctx.app(), ctx.viewer()).await?.into())
    }

    /// The shops that you are a member of, at most 100, sorted by name.
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
        #[graphql(desc = "Returns only items after this cursor.")] after: Option<String>,
        #[graphql(desc = "Returns only items before this cursor.")] before: Option<String>,
        #[graphql(desc = "Number of items from the start, 1 to 100. Defaults to 20.")] first: Option<i32>,
        #[graphql(desc = "Number of items from the end, 1 to 100. Do not combine with `first`.")]
        last: Option<i32>,
    ) -> ApiResult<OrderConnection> {
        let window = PageArgs { after, before, first, last }.window()?;
        let account = ctx.viewer().account()?;
        Ok(order_connection(orders::of_account(ctx.app(), account, window).await?))
    }

    /// Your bag: your claims and your tickets.
    async fn bag(&self, ctx: &Context<'_>) -> ApiResult<Bag> {
        Ok(Bag(ctx.viewer().account()?))
    }

    /// Your tickets, newest first.
    #[expect(clippy::too_many_arguments, reason = "the four arguments that Relay gives every connection")]
    async fn tickets(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Returns only items after this cursor.")] after: Option<String>,
        #[graphql(desc = "Returns only items before this cursor.")] before: Option<String>,
        #[graphql(desc = "Number of items from the start, 1 to 100. Defaults to 20.")] first: Option<i32>,
        #[graphql(desc = "Number of items from the end, 1 to 100. Do not combine with `first`.")]
        last: Option<i32>,
    ) -> ApiResult<TicketConnection> {
        tickets_of_viewer(ctx, PageArgs { after, before, first, last }).await
    }
}

/// The queries of this slice.
#[derive(Debug, Default)]
pub struct AccountQuery;

#[Object]
impl AccountQuery {
    /// Your own data. Null without an access token.
    async fn viewer(&self, ctx: &Context<'_>) -> Option<Viewer> {
        ctx.viewer().identity().ok().map(|_| Viewer)
    }
}

/// Reports refusals that may be attacks on an account to the metrics and the security log.
fn report<T>(ctx: &Context<'_>, result: Outcome<T, Refusal>) -> Outcome<T, Refusal> {
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

/// The mutations of this slice.
#[derive(Debug, Default)]
pub struct AccountMutation;

#[Object]
impl AccountMutation {
    /// Creates a user account and signs it in. With a guest's access token, the guest's account becomes the user's. It
    /// keeps its reservations, orders and tickets, and the guest's sessions end. So an access token that is not valid any
    /// more is refused, not ignored: refresh the guest's session first.
    async fn sign_up(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Parameters of `signUp`.")] input: SignUpInput,
    ) -> ApiResult<Option<SignUpPayload>> {
        let SignUpInput { email, password, name, phone } = input;
        let input = account::SignUp { email, password, name, phone };
        SignUpPayload::of(account::sign_up(ctx.app(), ctx.viewer(), input).await)
    }

    /// Creates a session from an e-mail address and a password. After ten wrong passwords within 15 minutes, the e-mail
    /// address is blocked for a while. Devices that send a `deviceToken` of an earlier session are not affected. An
    /// access token that is not valid any more is ignored.
    async fn sign_in(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Parameters of `signIn`.")] input: SignInInput,
    ) -> ApiResult<Option<SignInPayload>> {
        let SignInInput { email, password, device_token } = input;
        let input = account::SignIn { email, password, device_token };
        let session = account::sign_in(ctx.app(), ctx.viewer(), input).await;
        SignInPayload::of(report(ctx, session))
    }

    /// Creates a guest account and its session. A guest can buy like any user and can sign up later. The session is the
    /// guest's only credential: if it is lost before `signUp`, the guest's tickets are lost too. An access token that is
    /// not valid any more is ignored.
    async fn create_guest_session(&self, ctx: &Context<'_>) -> ApiResult<Option<CreateGuestSessionPayload>> {
        CreateGuestSessionPayload::of(account::create_guest(ctx.app(), ctx.viewer()).await)
    }

    /// Exchanges a refresh token for new tokens. Needs no access token, and ignores one that is not valid any more. Each
    /// refresh token works once. A second use ends the session, because the token may have been stolen. Never send it
    /// twice in parallel. If you lose the response, sign in again.
    async fn refresh_session(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Parameters of `refreshSession`.")] input: RefreshSessionInput,
    ) -> ApiResult<Option<RefreshSessionPayload>> {
        let session = account::refresh(ctx.app(), &input.refresh_token).await;
        RefreshSessionPayload::of(report(ctx, session))
    }

    /// Ends your session. Its tokens become invalid, and its subscriptions end within seconds.
    async fn sign_out(&self, ctx: &Context<'_>) -> ApiResult<Option<SignOutPayload>> {
        SignOutPayload::of(account::sign_out(ctx.app(), ctx.viewer()).await)
    }

    /// Changes your name or telephone number. Guests can call it too.
    async fn update_profile(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Parameters of `updateProfile`.")] input: UpdateProfileInput,
    ) -> ApiResult<Option<UpdateProfilePayload>> {
        let UpdateProfileInput { name, phone, expected_version } = input;
        let input =
            account::UpdateProfile { expected_version: expected_version.0, name, phone: phone.into() };
        let updated = account::update_profile(ctx.app(), ctx.viewer(), input).await;
        let current = async { account::of_viewer(ctx.app(), ctx.viewer()).await.map(Account::from) };
        let (account, errors) = edited(updated.map(Account::from), current).await?;
        Ok(Some(UpdateProfilePayload { account, errors }))
    }

    /// Changes your password and ends all your other sessions. After ten wrong passwords within 15 minutes, you must
    /// wait.
    async fn change_password(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Parameters of `changePassword`.")] input: ChangePasswordInput,
    ) -> ApiResult<Option<ChangePasswordPayload>> {
        let input = account::ChangePassword { current: input.current_password, new: input.new_password };
        let account = account::change_password(ctx.app(), ctx.viewer(), input).await;
        ChangePasswordPayload::of(report(ctx, account))
    }
}
