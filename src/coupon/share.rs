//! Transfers of claims between accounts. An offer is a token that can be accepted once. The first account that accepts
//! it gets the claim, with a new code and epoch; the old code becomes invalid.

use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, TimeDelta, Utc};
use entity::{
    AccountId, ClaimId,
    claim::{self, share},
};
use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter, sea_query::Expr};

use super::{
    claim::{Refusal, by_id, change_in_tx, owned, usable},
    code::Code,
    refusal::refused,
    terms::Terms,
};
use crate::{
    app::App,
    auth::Viewer,
    error::{Error, Fault, FaultResult, Result},
    inventory::{
        Command,
        transaction::{Companion, InventoryTransaction, TransactionError, transact},
    },
    limits::Rule,
};

/// How long an offer is valid.
const VALIDITY: TimeDelta = TimeDelta::days(7);
const PREFIX: &str = "co_";
/// Bytes of a token. Longer input is refused without a look-up.
const TOKEN_MAX: usize = 100;

/// An offer of a claim to another account.
#[derive(Clone, Debug)]
pub struct Offer {
    /// The claim.
    pub claim: claim::Model,
    /// The token that the other account sends. It is shown only once.
    pub token: String,
    /// When the offer expires.
    pub expires_at: DateTime<Utc>,
}

/// Offers a claim of the viewer to the account that sends the token. Earlier offers of the claim become invalid.
pub async fn share(app: &App, viewer: &Viewer, id: ClaimId) -> Result<Offer, Refusal> {
    let claim = owned(app, viewer, id).await?;
    let now = app.clock.now();
    usable(&claim, now).map_err(Error::Refused)?;
    if !Terms::from_json(&claim.terms)?.shareable {
        return Err(Error::Refused(Refusal::Personal));
    }
    let token = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(app.random::<32>()));
    let longest = now + VALIDITY;
    let expires_at = claim.valid_until.map_or(longest, |until| until.min(longest));
    let tx = app.store.begin().await?;
    share::Entity::delete_many()
        .filter(share::Column::ClaimId.eq(id))
        .filter(share::Column::AcceptedAt.is_null())
        .exec(&tx)
        .await?;
    let row = share::ActiveModel {
        digest: Set(digest_of(&token)),
        claim_id: Set(id),
        epoch: Set(claim.epoch),
        expires_at: Set(expires_at),
        accepted_at: Set(None),
    };
    share::Entity::insert(row).exec_without_returning(&tx).await?;
    tx.commit().await?;
    Ok(Offer { claim, token, expires_at })
}

/// Accepts an offer. If the viewer has accepted it already, returns the claim. If another account has, or if the viewer
/// would exceed the coupon's limit per buyer, refuses.
pub async fn accept(app: &App, viewer: &Viewer, token: &str) -> Result<claim::Model, Refusal> {
    let account = viewer.account()?;
    let gone = || Error::Refused(Refusal::OfferGone);
    if token.len() > TOKEN_MAX {
        return Err(gone());
    }
    let network = app.limits.network_subject(viewer).map(|network| (Rule::NetworkTokens, network));
    let guess = app.limits.attempt(network).await.map_err(Fault::from)?;
    let key = digest_of(token);
    let offer = share::Entity::find_by_id(key.clone()).one(app.store.read()).await?.ok_or_else(gone)?;
    guess.forgive().await;
    let claim = by_id(app, offer.claim_id).await?;
    if claim.account_id == account && (claim.epoch == offer.epoch || offer.accepted_at.is_some()) {
        return Ok(claim);
    }
    let now = app.clock.now();
    if offer.accepted_at.is_some() || offer.expires_at <= now || offer.epoch != claim.epoch {
        return Err(gone());
    }
    usable(&claim, now).map_err(Error::Refused)?;
    match hand_over(app, &claim, key, account).await {
        Ok(()) => {
            app.outbox.wake();
            Ok(by_id(app, claim.id).await?)
        }
        // Race: the claim was used, released or given to another account.
        Err(TransactionError::Companion(Gone) | TransactionError::Fault(Fault::Stale(_))) => Err(gone()),
        Err(TransactionError::Refused(refusal)) => Err(Error::Refused(refused(&refusal))),
        Err(TransactionError::KeyUsed) => Err(Fault::unavailable().into()),
        Err(TransactionError::Fault(fault)) => Err(fault.into()),
    }
}

/// The offer was accepted by another account.
struct Gone;

/// Gives the claim to the account, with a new code. The coupon's desk counts it towards the account's limit.
async fn hand_over(
    app: &App,
    claim: &claim::Model,
    offer: Vec<u8>,
    account: AccountId,
) -> std::result::Result<(), TransactionError<Gone>> {
    let other = |holder: AccountId| (holder != claim.buyer_id).then_some(holder);
    let command = Command::Transfer { giver: other(claim.account_id), taker: other(account) };
    let (now, code) = (app.clock.now(), Code::generated(app.random()).into_string());
    let seen = claim.clone();
    let companion: Companion<Gone> = Box::new(move |tx, _| {
        let (claim, offer, code) = (seen.clone(), offer.clone(), code.clone());
        Box::pin(async move {
            let marked = share::Entity::update_many()
                .col_expr(share::Column::AcceptedAt, Expr::value(now))
                .filter(share::Column::Digest.eq(offer))
                .filter(share::Column::AcceptedAt.is_null())
                .exec(tx)
                .await?;
            if marked.rows_affected == 0 {
                return Err(Error::Refused(Gone));
            }
            let change = |row: &mut claim::ActiveModel| {
                row.account_id = Set(account);
                row.epoch = Set(claim.epoch + 1);
                row.code = Set(code);
            };
            change_in_tx(tx, &claim, now, change).await?;
            Ok(())
        })
    });
    let parts = vec![(claim.coupon_id.into(), vec![command])];
    let transaction = InventoryTransaction { parts, companion: Some(companion), key: None };
    transact(app, transaction).await.map(|_| ())
}

/// Deletes expired offers. Returns their number.
pub async fn forget_old(app: &App) -> FaultResult<u64> {
    let before = app.clock.now() - VALIDITY;
    let tx = app.store.begin().await?;
    let gone = share::Entity::delete_many().filter(share::Column::ExpiresAt.lt(before)).exec(&tx).await?;
    tx.commit().await?;
    Ok(gone.rows_affected)
}

fn digest_of(token: &str) -> Vec<u8> {
    digest(&SHA256, token.as_bytes()).as_ref().to_vec()
}
