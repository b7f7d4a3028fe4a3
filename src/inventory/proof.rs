//! Proofs of work: challenges for events that require them, and their solutions.

use entity::{
    AccountId, EventId,
    event::{self, BuyerRequirement, EventState},
    inventory,
};
use sea_orm::EntityTrait;

use super::origin;
use crate::{
    app::App,
    auth::Viewer,
    error::FaultResult,
    human::{Challenge, Pressure, Proof, Subject, Verdict},
};

/// Creates a challenge for the viewer to reserve places of the event. Returns `None` if the event is not published or
/// requires no proof.
pub async fn challenge(app: &App, viewer: &Viewer, id: EventId) -> FaultResult<Option<Challenge>> {
    let caller = origin::caller(app, viewer, id.into(), false)?;
    let event = event::Entity::find_by_id(id).one(app.store.read()).await?;
    let asks = |event: &event::Model| {
        event.state == EventState::Published && event.buyer_requirement == BuyerRequirement::ProofOfWork
    };
    if !event.is_some_and(|event| asks(&event)) {
        return Ok(None);
    }
    let counts = inventory::Entity::find_by_id(entity::InventoryId::from(id)).one(app.store.read()).await?;
    let unpaid_percent = counts.map_or(0, |counts| {
        let unsold = i64::from(counts.available) + i64::from(counts.reserved);
        u32::try_from(i64::from(counts.reserved) * 100 / unsold.max(1)).unwrap_or_default()
    });
    let pressure = Pressure { unpaid_percent, wasted: caller.wasted };
    app.inventory.human.challenge(subject(caller.buyer, id), pressure).await.map(Some)
}

/// Starts to use a proof with an idempotency key. Returns `None` if the proof is invalid, or used with another key.
/// Never called inside a transaction, because a verifier may ask another server.
pub(super) async fn begin(
    app: &App,
    (account, event): (AccountId, EventId),
    text: &str,
    key: &str,
) -> FaultResult<Option<Proof>> {
    match app.inventory.human.verify(subject(account, event), text).await? {
        Verdict::Human(proof) => Ok(app.inventory.proofs.begin(&proof, key).then_some(proof)),
        Verdict::NotHuman => Ok(None),
    }
}

fn subject(account: AccountId, event: EventId) -> Subject {
    Subject { account: account.0, event: event.0 }
}
