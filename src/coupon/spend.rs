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
    claim_code::{Grant, claim_of, prospect, unclaimed},
    code::Code,
    discount::{DiscountRefusal, Offer},
    offer_terms,
    terms::Terms,
    throttle,
};
use crate::{
    app::App,
    auth::Viewer,
    error::{Error, Fault, FaultResult, Object, Result},
    inventory,
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
    /// The claim as it was read, or as the order's transaction makes it.
    pub claim: claim::Model,
    /// How the transaction makes it; `None` if the claim exists.
    pub grant: Option<Grant>,
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
/// shareable claim of another account, or an unclaimed one of a free coupon's list, which becomes a claim only in the
/// transaction of the order. Each claim is returned once, even if it is named twice.
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
        found.push(Found { named: Named::Id(index), claim, grant: None });
    }
    let mut refused = Vec::new();
    for (index, code) in codes.iter().enumerate() {
        let named = Named::Code(index);
        match claim_by_code(app, viewer, (shop, code), CodePolicy::Spend).await {
            Ok(ClaimByCode { claim, grant }) => found.push(Found { named, claim, grant }),
            Err(Error::Refused(why)) => refused.push(RefusedClaim { named, why }),
            Err(Error::Fault(fault)) => return Err(fault.into()),
        }
    }
    if !refused.is_empty() {
        return Err(Error::Refused(refused));
    }
    // The codes of a shop are unique. The id of a claim that does not exist yet differs in each look-up.
    let mut seen = BTreeSet::new();
    found.retain(|found| seen.insert(found.claim.code.clone()));
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
    /// The code of a shareable claim may be spent. An unclaimed code of a list becomes a claim in the caller's
    /// transaction.
    Spend,
    /// An unclaimed code of a list becomes a claim in the caller's transaction. Codes of other accounts are refused.
    Claim,
    /// The code is refused.
    ReadOnly,
}

/// The claim of a code.
pub(super) struct ClaimByCode {
    /// The claim as it was read, or as the caller's transaction makes it.
    pub(super) claim: claim::Model,
    /// How the transaction makes it; `None` if the claim exists.
    pub(super) grant: Option<Grant>,
}

/// Returns the shop's claim with this code if the account may use it. All other codes get the same answer, so that a
/// client cannot find out which codes exist. A text that cannot be a code does not count as a wrong one.
pub(super) async fn claim_by_code(
    app: &App,
    viewer: &Viewer,
    (shop, text): (ShopId, &str),
    policy: CodePolicy,
) -> Result<ClaimByCode, ClaimRefusal> {
    let account = viewer.account()?;
    let too_many = |exceeded: Exceeded| ClaimRefusal::TooManyCodes {
        retry_after_seconds: exceeded.retry_after_seconds(),
    };
    let code = Code::parse(text).ok_or(Error::Refused(ClaimRefusal::UnknownCode))?;
    let guess = throttle::begin(app, viewer).await.map_err(|error| error.map_refusal(too_many))?;
    let found = usable(app, account, (shop, &code), policy).await;
    guess.judge(&found).await;
    found
}

async fn usable(
    app: &App,
    account: AccountId,
    (shop, code): (ShopId, &Code),
    policy: CodePolicy,
) -> Result<ClaimByCode, ClaimRefusal> {
    let unknown = || Error::Refused(ClaimRefusal::UnknownCode);
    // Race: read the list before the claims. A code that is claimed in between is then found as a claim.
    let free = unclaimed(app, shop, code).await?;
    if let Some(claim) = claim_of(app, shop, code).await? {
        let is_live = matches!(claim.state, ClaimState::Claimed | ClaimState::Reserved);
        let is_spendable =
            policy == CodePolicy::Spend && is_live && Terms::from_json(&claim.terms)?.shareable;
        let is_usable = claim.account_id == account || is_spendable;
        return if is_usable { Ok(ClaimByCode { claim, grant: None }) } else { Err(unknown()) };
    }
    let coupon = free.filter(|_| policy != CodePolicy::ReadOnly).ok_or_else(unknown)?;
    let (claim, grant) = prospect(app, account, (coupon, code)).await?.ok_or_else(unknown)?;
    Ok(ClaimByCode { claim, grant: Some(grant) })
}

/// What a desk's refusal of a transaction means for the claims that the transaction would have made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GrantRefusal {
    /// The refusal is not about them.
    Unrelated,
    /// A code or a coupon has changed: look the codes up again.
    Changed,
    /// The coupon is closed, or something else of the transaction is. Look the codes up again to find out.
    Unclear,
    /// The account may not claim them.
    Refused,
}

/// Judges a desk's refusal, and drops the cached terms of the coupons, because they may have changed.
pub(crate) fn judge_refusal(app: &App, grants: &[Grant], refusal: &inventory::Refusal) -> GrantRefusal {
    use inventory::Refusal as Desk;
    if grants.is_empty() {
        return GrantRefusal::Unrelated;
    }
    for grant in grants {
        offer_terms::forget(app, grant.coupon);
    }
    match refusal {
        Desk::TermsChanged | Desk::CodeTaken => GrantRefusal::Changed,
        Desk::NotOpen => GrantRefusal::Unclear,
        Desk::SalesNotStarted { .. }
        | Desk::SalesEnded
        | Desk::UnknownPlaces
        | Desk::NotForSale { .. }
        | Desk::AreaFull { .. }
        | Desk::LimitExceeded { .. } => GrantRefusal::Refused,
        Desk::SeatsTaken { .. }
        | Desk::LeavesOrphans { .. }
        | Desk::NotEnoughTogether { .. }
        | Desk::NotEnoughLeft { .. }
        | Desk::CoolingDown { .. }
        | Desk::TooManyUnpaid { .. }
        | Desk::Crowded { .. }
        | Desk::RegistrationRequired
        | Desk::VerifiedEmailRequired
        | Desk::ProofRequired
        | Desk::ProofInvalid
        | Desk::ReservationNotFound
        | Desk::ReservationEnded
        | Desk::AlreadyOrdered
        | Desk::BeingPaid
        | Desk::NoMoreTime
        | Desk::PlacesChanged => GrantRefusal::Unrelated,
    }
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
