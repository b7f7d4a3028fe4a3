//! Claims that somebody wants to spend in an order: found by id or code, as the pure rules want them.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use entity::{
    AccountId, ClaimId, CouponId, ShopId,
    claim::{self, ClaimState},
    coupon::budget,
};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};

use super::{
    claim_code::{claim_of, claim_or_find},
    code::Code,
    discount::{Offer, Reason},
    terms::Terms,
    throttle,
};
use crate::{
    app::App,
    auth::Viewer,
    error::{Error, Fault, Faulty, Result},
    limits::Exceeded,
};

/// Claims that one order may spend.
pub const CLAIMS_MAX: usize = 20;

/// Where a claim was named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Named {
    /// By its id, at this place of the input.
    Id(usize),
    /// By its code, at this place of the input.
    Code(usize),
}

/// Why a claim is not spent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// Nobody has such a code; or it is not the viewer's to use, or used.
    UnknownCode,
    /// Too many wrong codes were typed.
    TooManyCodes {
        /// After how many seconds to try again.
        retry_after_seconds: u32,
    },
    /// It is bound to another order that is not paid.
    InUse,
    /// It was used, revoked or given back.
    Used,
    /// The rules say no.
    Rule(Reason),
}

/// A claim that is not spent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Which.
    pub named: Named,
    /// Why.
    pub why: Why,
}

/// A claim to be spent.
#[derive(Clone, Debug)]
pub struct Found {
    /// Where it was named.
    pub named: Named,
    /// As it was read.
    pub claim: claim::Model,
}

/// The claims that an account names: its own, and by the shop's codes also those whose holders may give them away, and
/// those that nobody had. A claim that is named twice is found once.
pub async fn named(
    app: &App,
    viewer: &Viewer,
    shop: ShopId,
    (claims, codes): (&[ClaimId], &[String]),
) -> Result<Vec<Found>, Vec<Refused>> {
    let account = viewer.account()?;
    let rows = by_ids(app, claims.to_vec()).await?;
    let mut found = Vec::with_capacity(claims.len() + codes.len());
    for (index, id) in claims.iter().enumerate() {
        let own = rows.iter().find(|claim| claim.id == *id && claim.account_id == account);
        let claim = own.cloned().ok_or(Fault::NotFound("claim"))?;
        found.push(Found { named: Named::Id(index), claim });
    }
    let mut refused = Vec::new();
    for (index, code) in codes.iter().enumerate() {
        let named = Named::Code(index);
        match claim_by_code(app, viewer, (shop, code), CodePolicy::Spend).await {
            Ok(claim) => found.push(Found { named, claim }),
            Err(Error::Refused(why)) => refused.push(Refused { named, why }),
            Err(Error::Fault(fault)) => return Err(fault.into()),
        }
    }
    if !refused.is_empty() {
        return Err(Error::Refused(refused));
    }
    let mut seen = BTreeSet::new();
    found.retain(|found| seen.insert(found.claim.id));
    Ok(found)
}

/// The claims with these ids, in no order.
pub(crate) async fn by_ids(app: &App, ids: Vec<ClaimId>) -> Faulty<Vec<claim::Model>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    Ok(claim::Entity::find().filter(claim::Column::Id.is_in(ids)).all(app.store.read()).await?)
}

/// What becomes of a code that the account does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CodePolicy {
    /// Whoever has a shareable one may spend it; and one of a coupon's list that nobody has is claimed for the account, and
    /// stays its own whatever becomes of the order.
    Spend,
    /// One of a coupon's list that nobody has is claimed likewise; every other is its holder's.
    Claim,
    /// It is nobody's concern.
    ReadOnly,
}

/// The claim with this code of the shop, if the account may use it. Every other code is answered alike, so that nobody
/// learns which codes there are.
pub(super) async fn claim_by_code(
    app: &App,
    viewer: &Viewer,
    (shop, text): (ShopId, &str),
    policy: CodePolicy,
) -> Result<claim::Model, Why> {
    let account = viewer.account()?;
    let too_many =
        |exceeded: Exceeded| Why::TooManyCodes { retry_after_seconds: exceeded.retry_after_seconds() };
    let guess = throttle::begin(app, viewer).await.map_err(|error| error.map_refusal(too_many))?;
    let found = match Code::parse(text) {
        Some(code) => usable(app, account, (shop, &code), policy).await,
        None => Err(Error::Refused(Why::UnknownCode)),
    };
    guess.judge(&found).await;
    found
}

async fn usable(
    app: &App,
    account: AccountId,
    (shop, code): (ShopId, &Code),
    policy: CodePolicy,
) -> Result<claim::Model, Why> {
    if let Some(claim) = claim_of(app, shop, code).await? {
        let is_live = matches!(claim.state, ClaimState::Claimed | ClaimState::Reserved);
        let is_bearers = policy == CodePolicy::Spend && is_live && Terms::from_json(&claim.terms)?.shareable;
        let is_usable = claim.account_id == account || is_bearers;
        return if is_usable { Ok(claim) } else { Err(Error::Refused(Why::UnknownCode)) };
    }
    if policy == CodePolicy::ReadOnly {
        return Err(Error::Refused(Why::UnknownCode));
    }
    claim_or_find(app, account, (shop, code), None)
        .await
        .map_err(|error| error.map_refusal(|_| Why::UnknownCode))
}

/// Why claims are not free to be spent, whatever is bought.
pub fn unavailable(found: &[Found]) -> Vec<Refused> {
    let why = |state: ClaimState| match state {
        ClaimState::Claimed => None,
        ClaimState::Reserved => Some(Why::InUse),
        ClaimState::Expired => Some(Why::Rule(Reason::Expired)),
        ClaimState::Redeemed | ClaimState::Revoked | ClaimState::Released => Some(Why::Used),
    };
    found
        .iter()
        .filter_map(|found| Some(Refused { named: found.named, why: why(found.claim.state)? }))
        .collect()
}

/// The claims as the rules want them, with what is left of their coupons' budgets.
pub async fn offers(app: &App, claims: impl Iterator<Item = &claim::Model> + Clone) -> Faulty<Vec<Offer>> {
    let coupons: BTreeSet<CouponId> = claims.clone().map(|claim| claim.coupon_id).collect();
    let budgets = budget::Entity::find().filter(budget::Column::CouponId.is_in(coupons));
    let left: BTreeMap<CouponId, i64> = budgets
        .all(app.store.read())
        .await?
        .into_iter()
        .filter_map(|row| Some((row.coupon_id, row.allowed? - row.spent)))
        .collect();
    claims.map(|claim| offer(claim, left.get(&claim.coupon_id).copied())).collect()
}

fn offer(claim: &claim::Model, budget: Option<i64>) -> Faulty<Offer> {
    Ok(Offer {
        claim: claim.id,
        coupon: claim.coupon_id,
        terms: Terms::from_json(&claim.terms)?,
        valid_from: claim.valid_from,
        valid_until: claim.valid_until,
        balance: claim.balance_minor.unwrap_or_default(),
        budget,
    })
}

/// Whether the claim's time is up.
pub(super) fn is_over(claim: &claim::Model, now: DateTime<Utc>) -> bool {
    claim.valid_until.is_some_and(|until| until <= now)
}
