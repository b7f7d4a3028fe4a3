//! Access codes: claims that open hidden price levels to their holders.
//!
//! The code is looked at before any place is, so that nobody loses the places that they chose to a code that does not
//! open them. A code is not used up by it: it is good until its time is up, within the event's limit per buyer. But it
//! leaves a trace in the transaction of the first reservation that it opened: from then on it is neither given away nor
//! given back, nor refunded.

use chrono::{DateTime, Utc};
use entity::{
    EventId, TierId,
    claim::{self, ClaimState},
};
use sea_orm::{ActiveValue::Set, EntityTrait, QuerySelect};

use super::{
    claim::change_in_tx,
    discount::{Line, Reason, applies},
    spend::{CodePolicy, Why, claim_by_code},
    state::claim_status,
    terms::{Terms, Worth},
};
use crate::{
    app::App,
    auth::Viewer,
    category,
    error::{Error, Fault, Faulty, Result},
    event,
    inventory::{self, Beside, Reservation, Reserve, deal::Companion},
};

/// Why places were not reserved with an access code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The code opens nothing here.
    Code(Why),
    /// The places cannot be had.
    Places(inventory::Refusal),
}

/// A code of somebody's, and what it opens.
struct Opened {
    claim: claim::Model,
    tiers: Vec<TierId>,
}

/// Reserves places for the viewer, also at the hidden price levels that the code opens.
/// A solved challenge may come with it.
pub async fn reserve(
    app: &App,
    viewer: &Viewer,
    (input, proof): (Reserve, Option<String>),
    code: &str,
) -> Result<Reservation, Refusal> {
    let event = input.event;
    let of_code = |error: Error<Why>| error.map_refusal(Refusal::Code);
    let Opened { claim, tiers } =
        opened(app, viewer, (event, code), CodePolicy::Claim).await.map_err(of_code)?;
    let trace = claim.opened_at.is_none().then(|| trace(&claim, tiers.clone(), app.clock.now()));
    let beside = Beside { opened: tiers, companion: trace, proof };
    match inventory::reserve_with(app, viewer, input, beside).await {
        // Given away, given back or refunded at the same moment: say which.
        Err(Error::Fault(Fault::Stale(_))) => {
            opened(app, viewer, (event, code), CodePolicy::Claim).await.map_err(of_code)?;
            Err(Fault::unavailable().into())
        }
        reserved => reserved.map_err(|error| error.map_refusal(Refusal::Places)),
    }
}

/// The event's hidden price levels that the code opens to the viewer; none where it opens nothing, whatever the reason.
pub async fn opened_to(app: &App, viewer: &Viewer, event: EventId, code: &str) -> Faulty<Vec<TierId>> {
    // Who merely looks claims nothing.
    match opened(app, viewer, (event, code), CodePolicy::ReadOnly).await {
        Ok(opened) => Ok(opened.tiers),
        Err(Error::Refused(Why::TooManyCodes { retry_after_seconds })) => {
            Err(Fault::TooManyGuesses { retry_after_seconds })
        }
        Err(Error::Refused(Why::UnknownCode | Why::InUse | Why::Used | Why::Rule(_))) => Ok(Vec::new()),
        Err(Error::Fault(fault)) => Err(fault),
    }
}

/// Writes down that the claim opened places, beside the reservation of these; nothing where it is of places that anybody may
/// have. Stale: it is no longer what it was when it
/// was looked at.
fn trace(claim: &claim::Model, opened: Vec<TierId>, now: DateTime<Utc>) -> Companion {
    let (id, epoch) = (claim.id, claim.epoch);
    Box::new(move |tx, held| {
        let is_needed = held.iter().flat_map(|held| &held.items).any(|item| opened.contains(&item.tier));
        Box::pin(async move {
            if !is_needed {
                return Ok(());
            }
            let claim = claim::Entity::find_by_id(id).lock_exclusive().one(tx).await?;
            let claim = claim
                .filter(|claim| claim.epoch == epoch && claim.state == ClaimState::Claimed)
                .ok_or(Fault::Stale("claim"))?;
            // Several reservations at once may all be the first.
            if claim.opened_at.is_none() {
                change_in_tx(tx, &claim, now, |row| row.opened_at = Set(Some(now))).await?;
            }
            Ok(())
        })
    })
}

/// The event's hidden price levels that the code opens, at least one.
async fn opened(
    app: &App,
    viewer: &Viewer,
    (event, code): (EventId, &str),
    policy: CodePolicy,
) -> Result<Opened, Why> {
    let event = event::by_id(app, event).await?;
    let claim = claim_by_code(app, viewer, (event.shop_id, code), policy).await?;
    let terms = Terms::from_json(&claim.terms)?;
    let now = app.clock.now();
    if terms.worth != Worth::AccessCode {
        return Err(Error::Refused(Why::Rule(Reason::OtherItems)));
    }
    match claim_status(&claim, now) {
        ClaimState::Claimed if claim.valid_from > now => {
            return Err(Error::Refused(Why::Rule(Reason::NotYetValid { from: claim.valid_from })));
        }
        ClaimState::Claimed => {}
        ClaimState::Expired => return Err(Error::Refused(Why::Rule(Reason::Expired))),
        ClaimState::Reserved | ClaimState::Redeemed | ClaimState::Revoked | ClaimState::Released => {
            return Err(Error::Refused(Why::Used));
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
        return Err(Error::Refused(Why::Rule(Reason::OtherItems)));
    }
    Ok(Opened { claim, tiers })
}
