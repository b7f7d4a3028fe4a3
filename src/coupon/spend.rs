//! The claims that a buyer wants to spend in an order: looked up by id or code, as input of the pure rules.

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
    discount::{DiscountRefusal, Offer},
    terms::Terms,
    throttle,
};
use crate::{
    app::App,
    auth::Viewer,
    error::{Error, Fault, FaultResult, Object, Result},
    limits::Exceeded,
};

/// Claims per order.
pub const CLAIMS_MAX: usize = 20;

/// Where the input names a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Named {
    /// By id, at this index of the ids.
    Id(usize),
    /// By code, at this index of the codes.
    Code(usize),
}

/// Why a claim cannot be spent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClaimRefusal {
    /// The shop has no such code that the viewer may use.
    UnknownCode,
    /// The viewer sent too many wrong codes.
    TooManyCodes {
        /// Seconds until the next attempt.
        retry_after_seconds: u32,
    },
    /// Another unpaid order reserves the claim.
    InUse,
    /// The claim is redeemed, revoked or released.
    Used,
    /// The rules refuse it.
    Rule(DiscountRefusal),
}

/// A claim that cannot be spent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RefusedClaim {
    /// Where the input names it.
    pub named: Named,
    /// The reason.
    pub why: ClaimRefusal,
}

/// A claim that the input names.
#[derive(Clone, Debug)]
pub struct Found {
    /// Where the input names it.
    pub named: Named,
    /// The claim as it was read.
    pub claim: claim::Model,
}

/// The claims that a viewer names for an order.
#[derive(Clone, Copy, Debug)]
pub struct NamedClaims<'a> {
    /// Ids of own claims.
    pub ids: &'a [ClaimId],
    /// Codes of the shop.
    pub codes: &'a [String],
}

impl NamedClaims<'_> {
    /// Returns whether the viewer names no claim.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty() && self.codes.is_empty()
    }
}

/// Looks up the claims that a viewer names, by ids of own claims and by codes of the shop. A code may also be of a
/// shareable claim of another account, or of a free coupon's list. Each claim is returned once, even if it is named
/// twice.
pub async fn named(
    app: &App,
    viewer: &Viewer,
    shop: ShopId,
    claims: NamedClaims<'_>,
) -> Result<Vec<Found>, Vec<RefusedClaim>> {
    let account = viewer.account()?;
    let NamedClaims { ids, codes } = claims;
    let rows = by_ids(app, ids.to_vec()).await?;
    let mut found = Vec::with_capacity(ids.len() + codes.len());
    for (index, id) in ids.iter().enumerate() {
        let own = rows.iter().find(|claim| claim.id == *id && claim.account_id == account);
        let claim = own.cloned().ok_or(Fault::NotFound(Object::Claim))?;
        found.push(Found { named: Named::Id(index), claim });
    }
    let mut refused = Vec::new();
    for (index, code) in codes.iter().enumerate() {
        let named = Named::Code(index);
        match claim_by_code(app, viewer, (shop, code), CodePolicy::Spend).await {
            Ok(claim) => found.push(Found { named, claim }),
            Err(Error::Refused(why)) => refused.push(RefusedClaim { named, why }),
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

/// Returns the claims with these ids, in any order.
pub(crate) async fn by_ids(app: &App, ids: Vec<ClaimId>) -> FaultResult<Vec<claim::Model>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    Ok(claim::Entity::find().filter(claim::Column::Id.is_in(ids)).all(app.store.read()).await?)
}

/// What a look-up may do with a code that is not of a claim of the account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CodePolicy {
    /// The code of a shareable claim may be spent. An unclaimed code of a list is claimed for the account, and remains
    /// the account's claim whatever happens to the order.
    Spend,
    /// An unclaimed code of a list is claimed for the account. Codes of other accounts are refused.
    Claim,
    /// The code is refused.
    ReadOnly,
}

/// Returns the shop's claim with this code if the account may use it. All other codes get the same answer, so that a
/// client cannot find out which codes exist.
pub(super) async fn claim_by_code(
    app: &App,
    viewer: &Viewer,
    (shop, text): (ShopId, &str),
    policy: CodePolicy,
) -> Result<claim::Model, ClaimRefusal> {
    let account = viewer.account()?;
    let too_many = |exceeded: Exceeded| ClaimRefusal::TooManyCodes {
        retry_after_seconds: exceeded.retry_after_seconds(),
    };
    let guess = throttle::begin(app, viewer).await.map_err(|error| error.map_refusal(too_many))?;
    let found = match Code::parse(text) {
        Some(code) => usable(app, account, (shop, &code), policy).await,
        None => Err(Error::Refused(ClaimRefusal::UnknownCode)),
    };
    guess.judge(&found).await;
    found
}

async fn usable(
    app: &App,
    account: AccountId,
    (shop, code): (ShopId, &Code),
    policy: CodePolicy,
) -> Result<claim::Model, ClaimRefusal> {
    if let Some(claim) = claim_of(app, shop, code).await? {
        let is_live = matches!(claim.state, ClaimState::Claimed | ClaimState::Reserved);
        let is_spendable =
            policy == CodePolicy::Spend && is_live && Terms::from_json(&claim.terms)?.shareable;
        let is_usable = claim.account_id == account || is_spendable;
        return if is_usable { Ok(claim) } else { Err(Error::Refused(ClaimRefusal::UnknownCode)) };
    }
    if policy == CodePolicy::ReadOnly {
        return Err(Error::Refused(ClaimRefusal::UnknownCode));
    }
    claim_or_find(app, account, (shop, code), None)
        .await
        .map_err(|error| error.without_key().map_refusal(|_| ClaimRefusal::UnknownCode))
}

/// Returns the claims whose state does not allow spending them, with reasons.
pub fn unavailable(found: &[Found]) -> Vec<RefusedClaim> {
    let why = |state: ClaimState| match state {
        ClaimState::Claimed => None,
        ClaimState::Reserved => Some(ClaimRefusal::InUse),
        ClaimState::Expired => Some(ClaimRefusal::Rule(DiscountRefusal::Expired)),
        ClaimState::Redeemed | ClaimState::Revoked | ClaimState::Released => Some(ClaimRefusal::Used),
    };
    found
        .iter()
        .filter_map(|found| Some(RefusedClaim { named: found.named, why: why(found.claim.state)? }))
        .collect()
}

/// Returns the claims as input of the discount rules, with what is left of their coupons' budgets.
pub async fn offers(
    app: &App,
    claims: impl Iterator<Item = &claim::Model> + Clone,
) -> FaultResult<Vec<Offer>> {
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

fn offer(claim: &claim::Model, budget: Option<i64>) -> FaultResult<Offer> {
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

/// Returns whether the claim is past its validity.
pub(super) fn is_over(claim: &claim::Model, now: DateTime<Utc>) -> bool {
    claim.valid_until.is_some_and(|until| until <= now)
}
