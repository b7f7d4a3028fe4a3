//! Access codes: claims that open hidden tiers to their holders.
//!
//! The code is checked before any place is reserved. A reservation does not use the code up: it stays valid until its
//! end, within the event's limit per buyer. The first reservation that needs the code marks the claim as used, in the
//! same transaction. From then on it cannot be given away, released or refunded.

use chrono::{DateTime, Utc};
use entity::{
    EventId, SeatMapId, TierId,
    claim::{self, ClaimState},
};
use sea_orm::{ActiveValue::Set, EntityTrait, QuerySelect};

use super::{
    claim::{TRIES, change_in_tx},
    claim_code::Grant,
    discount::{DiscountRefusal, Line, applies},
    offer_terms,
    spend::{ClaimByCode, ClaimRefusal, CodePolicy, claim_by_code},
    state::claim_status,
    terms::{Terms, Worth},
};
use crate::{
    app::App,
    auth::Viewer,
    category,
    error::{Error, Fault, FaultResult, Result},
    event,
    inventory::{self, Reservation, Reserve, ReserveOptions, ReserveRefusal, transaction::Companion},
};

/// Why no places were reserved with an access code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The code opens no tier of the event.
    Code(ClaimRefusal),
    /// The places cannot be reserved.
    Places(inventory::Refusal),
}

/// The claim of an access code has changed since it was read.
struct ClaimChanged;

/// The claim of a code, and the tiers that it opens.
struct Opened {
    claim: claim::Model,
    tiers: Vec<TierId>,
    /// How the reservation's transaction makes the claim; `None` if it exists.
    grant: Option<Grant>,
}

/// A reservation with an access code.
#[derive(Clone, Debug)]
pub struct CodedReserve {
    /// The places.
    pub input: Reserve,
    /// A solved challenge, as sent by the client.
    pub proof: Option<String>,
    /// The seat map that the places were looked up on.
    pub map: SeatMapId,
}

/// Reserves places for the viewer, including those of hidden tiers that the code opens. An unclaimed code becomes a claim
/// of the viewer together with the reservation, or not at all.
pub async fn reserve(
    app: &App,
    viewer: &Viewer,
    CodedReserve { input, proof, map }: CodedReserve,
    code: &str,
) -> Result<Reservation, Refusal> {
    let event = input.event;
    let of_code = |error: Error<ClaimRefusal>| error.map_refusal(Refusal::Code);
    for _ in 0..TRIES {
        let Opened { claim, tiers, grant } =
            opened(app, viewer, (event, code), CodePolicy::Claim).await.map_err(of_code)?;
        let mark = claim.opened_at.is_none().then(|| mark_opened(&claim, tiers.clone(), app.clock.now()));
        let coupon = claim.coupon_id;
        let grant = grant.map(|grant| (coupon, grant.new_claim));
        let options =
            ReserveOptions { opened: tiers, companion: mark, proof: proof.clone(), grant, map: Some(map) };
        match inventory::reserve_with(app, viewer, input.clone(), options).await {
            Ok(reserved) => return Ok(reserved),
            // Race: the code was claimed, or its coupon has changed.
            Err(Error::Refused(ReserveRefusal::ClaimChanged)) => offer_terms::forget(app, coupon),
            // Race: the claim was given away, released or refunded. Find out which.
            Err(Error::Refused(ReserveRefusal::Companion(ClaimChanged))) => {
                opened(app, viewer, (event, code), CodePolicy::Claim).await.map_err(of_code)?;
                return Err(Fault::unavailable().into());
            }
            Err(Error::Refused(ReserveRefusal::Places(refusal))) => {
                return Err(Error::Refused(Refusal::Places(refusal)));
            }
            Err(Error::Fault(fault)) => return Err(fault.into()),
        }
    }
    Err(Fault::unavailable().into())
}

/// Returns the event's hidden tiers that the code opens to the viewer. Empty if the code is refused for any reason,
/// except too many wrong codes.
pub async fn opened_to(app: &App, viewer: &Viewer, event: EventId, code: &str) -> FaultResult<Vec<TierId>> {
    // A query must not claim a code.
    match opened(app, viewer, (event, code), CodePolicy::ReadOnly).await {
        Ok(opened) => Ok(opened.tiers),
        Err(Error::Refused(ClaimRefusal::TooManyCodes { retry_after_seconds })) => {
            Err(Fault::TooManyGuesses { retry_after_seconds })
        }
        Err(Error::Refused(
            ClaimRefusal::UnknownCode | ClaimRefusal::InUse | ClaimRefusal::Used | ClaimRefusal::Rule(_),
        )) => Ok(Vec::new()),
        Err(Error::Fault(fault)) => Err(fault),
    }
}

/// Returns a companion that marks the claim as used if the reservation has a place of a hidden tier. It refuses if the
/// claim has another holder or state since it was read.
fn mark_opened(claim: &claim::Model, opened: Vec<TierId>, now: DateTime<Utc>) -> Companion<ClaimChanged> {
    let (id, epoch) = (claim.id, claim.epoch);
    Box::new(move |tx, reservations| {
        let is_needed = reservations
            .iter()
            .flat_map(|reservation| &reservation.items)
            .any(|item| opened.contains(&item.tier));
        Box::pin(async move {
            if !is_needed {
                return Ok(());
            }
            let claim = claim::Entity::find_by_id(id).lock_exclusive().one(tx).await?;
            let claim = claim
                .filter(|claim| claim.epoch == epoch && claim.state == ClaimState::Claimed)
                .ok_or(Error::Refused(ClaimChanged))?;
            // Race: another reservation may have marked the claim.
            if claim.opened_at.is_none() {
                change_in_tx(tx, &claim, now, |row| row.opened_at = Set(Some(now))).await?;
            }
            Ok(())
        })
    })
}

/// Returns the claim of the code and the event's hidden tiers that it opens, at least one.
async fn opened(
    app: &App,
    viewer: &Viewer,
    (event, code): (EventId, &str),
    policy: CodePolicy,
) -> Result<Opened, ClaimRefusal> {
    let event = event::by_id(app, event).await?;
    let ClaimByCode { claim, grant } = claim_by_code(app, viewer, (event.shop_id, code), policy).await?;
    let terms = Terms::from_json(&claim.terms)?;
    let now = app.clock.now();
    if terms.worth != Worth::AccessCode {
        return Err(Error::Refused(ClaimRefusal::Rule(DiscountRefusal::OtherItems)));
    }
    match claim_status(&claim, now) {
        ClaimState::Claimed if claim.valid_from > now => {
            return Err(Error::Refused(ClaimRefusal::Rule(DiscountRefusal::NotYetValid {
                from: claim.valid_from,
            })));
        }
        ClaimState::Claimed => {}
        ClaimState::Expired => return Err(Error::Refused(ClaimRefusal::Rule(DiscountRefusal::Expired))),
        ClaimState::Reserved | ClaimState::Redeemed | ClaimState::Revoked | ClaimState::Released => {
            return Err(Error::Refused(ClaimRefusal::Used));
        }
    }
    let mut lineages = category::lineages(app, vec![event.category_id]).await?;
    let mut line = Line {
        shop: event.shop_id,
        event: Some(event.id),
        tier: None,
        product: None,
        categories: lineages.remove(&event.category_id).unwrap_or_default(),
        price: 0,
        fee: 0,
        is_gift_card: false,
    };
    let mut tiers = Vec::new();
    for tier in event::tiers_of(app, event.id).await? {
        line.tier = Some(tier.id);
        if tier.hidden && applies(&terms, &line) {
            tiers.push(tier.id);
        }
    }
    if tiers.is_empty() {
        return Err(Error::Refused(ClaimRefusal::Rule(DiscountRefusal::OtherItems)));
    }
    Ok(Opened { claim, tiers, grant })
}
