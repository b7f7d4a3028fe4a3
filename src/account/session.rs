//! Opens, refreshes and ends sessions.
//!
//! A session is a family of refresh tokens. Only the newest token is valid. Each refresh extends the session. A session
//! that is not refreshed within the configured time expires.

use std::fmt;

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use entity::{AccountId, SessionId, account, account::AccountKind, session, session::refresh as token};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, sea_query::Expr,
};

use serde_json::json;

use super::{Refusal, of_viewer};
use crate::{
    app::App,
    audit,
    auth::{
        Identity, Viewer,
        token::{
            Kind, Subject,
            refresh::{RefreshToken, digest_of},
        },
    },
    error::{Fault, FaultResult, Object, Result},
    limits::Rule,
    store::Tx,
    telemetry::{Event, Sighting},
};

/// How long an expired session is kept.
const KEPT: TimeDelta = TimeDelta::days(1);
/// Sessions that one run of the worker deletes.
const PRUNE_BATCH: u64 = 500;

/// A session as its owner receives it. Its tokens are readable only then.
#[derive(Clone)]
pub struct Session {
    /// The session.
    pub id: SessionId,
    /// The account.
    pub account: account::Model,
    /// The token for the `Authorization` header.
    pub access_token: String,
    /// When the access token expires.
    pub access_expires_at: DateTime<Utc>,
    /// Can be exchanged once for the next pair of tokens.
    pub refresh_token: RefreshToken,
    /// When the session expires unless it is refreshed.
    pub refresh_expires_at: DateTime<Utc>,
    /// Proves at later sign-ins that this device signed in before. Only sign-ins and sign-ups return it.
    pub device_token: Option<String>,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Session {
    /// Returns its account as a viewer.
    pub fn viewer(&self) -> Viewer {
        let identity = Identity {
            account: self.account.id,
            session: self.id,
            kind: self.account.kind,
            is_operator: self.account.is_operator,
            email_verified: self.account.email_verified_at.is_some(),
            is_member: false,
        };
        Viewer::signed_in(identity, self.access_expires_at)
    }
}

/// Creates a guest with a session.
pub async fn create_guest(app: &App, viewer: &Viewer) -> Result<Session, Refusal> {
    if let Some(network) = app.limits.network_subject(viewer) {
        app.limits.take((Rule::Guests, network), 1).await.map_err(Fault::from)?;
    }
    let now = app.clock.now();
    let guest = account::Model {
        id: AccountId(app.clock.new_uuid()),
        kind: AccountKind::Guest,
        email: None,
        email_skeleton: None,
        name: String::new(),
        phone: None,
        password_hash: None,
        is_operator: false,
        email_verified_at: None,
        version: 1,
        created_at: now,
        updated_at: now,
    };
    let tx = app.store.begin().await?;
    super::sign_up::insert_in_tx(&tx, &guest).await?;
    let session = open_in_tx(app, &tx, guest, now).await?;
    tx.commit().await?;
    Ok(session)
}

/// Exchanges a refresh token for a new pair of tokens. If the token was exchanged before, it or its successor was
/// stolen, and the session ends.
pub async fn refresh(app: &App, text: &str) -> Result<Session, Refusal> {
    let digest = digest_of(text).ok_or(Refusal::SessionEnded)?.to_vec();
    let now = app.clock.now();
    let tx = app.store.begin().await?;
    // Race: if several calls send one token, this statement admits one. The others end the session.
    let used = token::Entity::update_many()
        .col_expr(token::Column::UsedAt, Expr::value(now))
        .filter(token::Column::Digest.eq(digest.clone()))
        .filter(token::Column::UsedAt.is_null())
        .exec(&tx)
        .await?;
    let id = token::Entity::find_by_id(digest).one(&tx).await?.ok_or(Refusal::SessionEnded)?.session_id;
    if used.rows_affected == 0 {
        let ended = end_in_tx(&tx, id, now).await?;
        // The reuse is recorded only once.
        let account = if ended { Some(account_in_tx(&tx, id).await?.id) } else { None };
        if let Some(account) = account {
            let details = json!({ "reason": "refresh token shown twice", "sessionsEnded": 1 });
            let entry = audit::Entry::new(audit::Action::SessionsRevoked, account, details);
            audit::record_in_tx(&tx, app, audit::By::Server, entry).await?;
        }
        tx.commit().await?;
        forget(app, &[id]).await;
        if account.is_some() {
            let reused = Sighting::new(Event::TokenReused, "REFRESH_TOKEN_REUSED");
            app.security.report(&Sighting { account, ..reused }, now);
        }
        return Err(Refusal::SessionEnded.into());
    }
    let expires_at = now + lifetime(app);
    // Race: a session that is ended at the same time stays ended. PostgreSQL checks the condition again after the wait.
    let alive = session::Entity::update_many()
        .col_expr(session::Column::ExpiresAt, Expr::value(expires_at))
        .filter(session::Column::Id.eq(id))
        .filter(session::Column::RevokedAt.is_null())
        .filter(session::Column::ExpiresAt.gt(now))
        .exec(&tx)
        .await?;
    if alive.rows_affected == 0 {
        return Err(Refusal::SessionEnded.into());
    }
    let account = account_in_tx(&tx, id).await?;
    let session = issue_in_tx(app, &tx, (id, expires_at), account).await?;
    if let Err(error) = tx.commit().await {
        // The commit may have succeeded. Then the client must get the new tokens now. Otherwise it would send the old
        // token again, which would count as stolen.
        let digest = session.refresh_token.digest().to_vec();
        token::Entity::find_by_id(digest).one(app.store.read()).await?.ok_or(error)?;
    }
    Ok(session)
}

/// Ends the viewer's session. Its tokens become invalid, on other instances within seconds.
pub async fn sign_out(app: &App, viewer: &Viewer) -> Result<account::Model, Refusal> {
    let identity = viewer.identity()?;
    let account = of_viewer(app, viewer).await?;
    let tx = app.store.begin().await?;
    end_in_tx(&tx, identity.session, app.clock.now()).await?;
    tx.commit().await?;
    forget(app, &[identity.session]).await;
    Ok(account)
}

/// Deletes a batch of sessions that expired more than a day ago, with their refresh tokens. Returns their number.
pub async fn prune_sessions(app: &App) -> FaultResult<u64> {
    let before = app.clock.now() - KEPT;
    let ids: Vec<SessionId> = session::Entity::find()
        .select_only()
        .column(session::Column::Id)
        .filter(session::Column::ExpiresAt.lt(before))
        .order_by_asc(session::Column::ExpiresAt)
        .limit(PRUNE_BATCH)
        .into_tuple()
        .all(app.store.read())
        .await?;
    if ids.is_empty() {
        return Ok(0);
    }
    let tx = app.store.begin().await?;
    // No race: an expired session is never refreshed.
    let deleted = session::Entity::delete_many().filter(session::Column::Id.is_in(ids)).exec(&tx).await?;
    tx.commit().await?;
    Ok(deleted.rows_affected)
}

/// Opens a session.
pub(super) async fn open_in_tx(
    app: &App,
    tx: &Tx,
    account: account::Model,
    now: DateTime<Utc>,
) -> FaultResult<Session> {
    let id = SessionId(app.clock.new_uuid());
    let expires_at = now + lifetime(app);
    let row = session::ActiveModel {
        id: Set(id),
        account_id: Set(account.id),
        created_at: Set(now),
        expires_at: Set(expires_at),
        revoked_at: Set(None),
    };
    session::Entity::insert(row).exec_without_returning(tx).await?;
    issue_in_tx(app, tx, (id, expires_at), account).await
}

/// Issues a new pair of tokens for a session.
async fn issue_in_tx(
    app: &App,
    tx: &Tx,
    (id, refresh_expires_at): (SessionId, DateTime<Utc>),
    account: account::Model,
) -> FaultResult<Session> {
    let now = app.clock.now();
    let refresh_token = RefreshToken::generate(app.random());
    let row = token::ActiveModel {
        digest: Set(refresh_token.digest().to_vec()),
        session_id: Set(id),
        created_at: Set(now),
        used_at: Set(None),
    };
    token::Entity::insert(row).exec_without_returning(tx).await?;
    let kind = match account.kind {
        AccountKind::Guest => Kind::Guest,
        AccountKind::User => Kind::User,
    };
    let subject = Subject { id: account.id.0, session: id.0, kind };
    let lifetime = TimeDelta::seconds(app.config.access_seconds.into());
    let access_token = app.auth.tokens.issue(subject, now, lifetime).map_err(Fault::internal)?;
    let access_expires_at = now.trunc_subsecs(0) + lifetime;
    let device_token = None;
    Ok(Session {
        id,
        account,
        access_token,
        access_expires_at,
        refresh_token,
        refresh_expires_at,
        device_token,
    })
}

/// Ends a session. Returns `false` if it had ended before.
async fn end_in_tx(tx: &Tx, id: SessionId, now: DateTime<Utc>) -> FaultResult<bool> {
    let ended = session::Entity::update_many()
        .col_expr(session::Column::RevokedAt, Expr::value(now))
        .filter(session::Column::Id.eq(id))
        .filter(session::Column::RevokedAt.is_null())
        .exec(tx)
        .await?;
    Ok(ended.rows_affected > 0)
}

/// Ends all sessions of the account except `spared`. Returns those to [`forget`] after the commit.
pub(super) async fn end_all_in_tx(
    tx: &Tx,
    account: AccountId,
    spared: Option<SessionId>,
    now: DateTime<Utc>,
) -> FaultResult<Vec<SessionId>> {
    let mut ended = session::Entity::update_many()
        .col_expr(session::Column::RevokedAt, Expr::value(now))
        .filter(session::Column::AccountId.eq(account))
        .filter(session::Column::RevokedAt.is_null());
    if let Some(spared) = spared {
        ended = ended.filter(session::Column::Id.ne(spared));
    }
    Ok(ended.exec_with_returning(tx).await?.into_iter().map(|session| session.id).collect())
}

/// Removes the sessions from the cache. Must be called after the commit, so that no call caches the old state again.
pub(super) async fn forget(app: &App, ids: &[SessionId]) {
    for id in ids {
        app.auth.sessions.invalidate(id).await;
    }
}

async fn account_in_tx(tx: &Tx, id: SessionId) -> FaultResult<account::Model> {
    let session = session::Entity::find_by_id(id).one(tx).await?.ok_or(Fault::NotFound(Object::Session))?;
    account::Entity::find_by_id(session.account_id).one(tx).await?.ok_or(Fault::NotFound(Object::Account))
}

fn lifetime(app: &App) -> TimeDelta {
    TimeDelta::days(app.config.session_days.into())
}
