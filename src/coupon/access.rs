//! Access codes: claims that open hidden price levels to whoever reserves with them.
//!
//! The code is looked at before any place is, so that nobody loses the places that they chose to a code that does not
//! open them. A code is not used up by it: it is good until its time is up, within the event's limit per buyer.

use entity::{AccountId, EventId, TierId, claim::ClaimState};

use super::{
    discount::{Line, Reason, applies},
    spend::{Why, by_code},
    state::standing,
    terms::{Terms, Worth},
};
use crate::{
    app::App,
    auth::Viewer,
    category,
    error::{Error, Result},
    event,
    inventory::{self, Reservation, Reserve},
};

/// Why places were not reserved with an access code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The code opens nothing here.
    Code(Why),
    /// The places cannot be had.
    Places(inventory::Refusal),
}

/// Reserves places for the viewer, also at the hidden price levels that the code opens.
pub async fn reserve(app: &App, viewer: &Viewer, input: Reserve, code: &str) -> Result<Reservation, Refusal> {
    let account = viewer.account()?;
    let opened =
        opened(app, account, input.event, code).await.map_err(|error| error.map_refusal(Refusal::Code))?;
    let reserved = inventory::reserve_opened(app, viewer, input, opened).await;
    reserved.map_err(|error| error.map_refusal(Refusal::Places))
}

/// The event's hidden price levels that the code opens, at least one.
async fn opened(app: &App, account: AccountId, event: EventId, code: &str) -> Result<Vec<TierId>, Why> {
    let event = event::by_id(app, event).await?;
    let claim = by_code(app, account, event.shop_id, code).await?;
    let terms = Terms::from_json(&claim.terms)?;
    let now = app.clock.now();
    if terms.worth != Worth::AccessCode {
        return Err(Error::Refused(Why::Rule(Reason::OtherItems)));
    }
    match standing(&claim, now) {
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
    let mut opened = Vec::new();
    for tier in event::tiers_of(app, event.id).await? {
        line.tier = Some(tier.id);
        if tier.hidden && applies(&terms, &line) {
            opened.push(tier.id);
        }
    }
    if opened.is_empty() { Err(Error::Refused(Why::Rule(Reason::OtherItems))) } else { Ok(opened) }
}
