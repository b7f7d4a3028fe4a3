//! Reserving places: input validation, options, and one command to the desk.

use std::{collections::BTreeSet, sync::Arc};

use entity::{CouponId, EventId, InventoryId, ReservationId, SeatMapId, TierId};
use serde::Serialize;

use super::{
    PLACES_MAX, Reservation, by_id,
    command::{AccessibleParty, BestAvailable, Command, NewClaim, Pick, Refusal},
    only,
    origin::caller,
    proof,
    transaction::{Companion, InventoryTransaction, TransactionError, transact},
};
use crate::{
    app::App,
    auth::Viewer,
    error::{Check, Error, FaultResult, Never, Result},
    idempotency::{self, Attempt, AttemptError, Key},
};

/// The input of a reservation.
#[derive(Clone, Debug)]
pub struct Reserve {
    /// The event.
    pub event: EventId,
    /// The places.
    pub pick: Pick,
    /// The caller's idempotency key.
    pub key: String,
}

/// Optional extras of a reservation.
pub(crate) struct ReserveOptions<R> {
    /// Hidden tiers that the caller has unlocked.
    pub(crate) opened: Vec<TierId>,
    /// Writes that commit together with the reservation.
    pub(crate) companion: Option<Companion<R>>,
    /// The solution of a challenge, as sent by the client.
    pub(crate) proof: Option<String>,
    /// A claim that is made together with the reservation, with its coupon.
    pub(crate) grant: Option<(CouponId, Arc<NewClaim>)>,
    /// The seat map that the places were looked up on. If the event has moved to another one, the places are unknown.
    pub(crate) map: Option<SeatMapId>,
}

/// Why places were not reserved together with a companion's writes.
pub(crate) enum ReserveRefusal<R> {
    /// The places cannot be reserved.
    Places(Refusal),
    /// The companion refuses.
    Companion(R),
    /// The code or the coupon of the claim has changed.
    ClaimChanged,
}

/// Reserves places for the viewer, all or nothing, at fixed prices.
pub async fn reserve(app: &App, viewer: &Viewer, input: Reserve) -> Result<Reservation, Refusal> {
    reserve_with_proof(app, viewer, input, None).await
}

/// Like [`reserve`], with the solution of a challenge as the client sent it.
pub async fn reserve_with_proof(
    app: &App,
    viewer: &Viewer,
    input: Reserve,
    proof: Option<String>,
) -> Result<Reservation, Refusal> {
    reserve_on_map(app, viewer, input, proof, None).await
}

/// Like [`reserve_with_proof`], for places that were looked up on this seat map.
pub(crate) async fn reserve_on_map(
    app: &App,
    viewer: &Viewer,
    input: Reserve,
    proof: Option<String>,
    map: Option<SeatMapId>,
) -> Result<Reservation, Refusal> {
    let options = ReserveOptions::<Never> { opened: Vec::new(), companion: None, proof, grant: None, map };
    reserve_with(app, viewer, input, options).await.map_err(|error| {
        error.map_refusal(|refusal| match refusal {
            ReserveRefusal::Places(refusal) => refusal,
            // Nothing is claimed.
            ReserveRefusal::ClaimChanged => Refusal::CodeTaken,
        })
    })
}

/// Reserves places with optional extras.
pub(crate) async fn reserve_with<R: Send + Sync + 'static>(
    app: &App,
    viewer: &Viewer,
    input: Reserve,
    options: ReserveOptions<R>,
) -> Result<Reservation, ReserveRefusal<R>> {
    let buyer = viewer.account()?;
    validate(&input.pick)?;
    let key = Key::new(buyer, "reserveSeats", &input.key, &(input.event, pick_digest(&input.pick)))?;
    let replay = |subject| by_id(app, ReservationId(subject));
    let attempt = Box::pin(attempt(app, viewer, input, options, &key));
    idempotency::attempt_first(app, &key, replay, attempt).await
}

async fn attempt<R: Send + Sync + 'static>(
    app: &App,
    viewer: &Viewer,
    mut input: Reserve,
    ReserveOptions { opened, companion, proof, grant, map }: ReserveOptions<R>,
    key: &Key,
) -> Attempt<Reservation, ReserveRefusal<R>> {
    let proof = match proof {
        Some(text) => {
            let subject = (viewer.account()?, input.event);
            let proof = proof::begin(app, subject, &text, &input.key).await?;
            // If the key was used before, the proof may have expired since.
            Some(proof.ok_or(Error::Refused(ReserveRefusal::Places(Refusal::ProofInvalid)))?)
        }
        None => None,
    };
    let id = ReservationId(app.clock.new_uuid());
    if let Pick::BestAvailable(wish) = &mut input.pick {
        wish.opened.clone_from(&opened);
    }
    let caller = caller(app, viewer, input.event.into(), proof.is_some())?;
    let command = Command::Reserve { id, caller, pick: input.pick, opened, coupon_terms: None, map };
    let mut parts: Vec<(InventoryId, Vec<Command>)> = vec![(input.event.into(), vec![command])];
    let is_granting = grant.is_some();
    parts.extend(grant.map(|(coupon, claim)| (coupon.into(), vec![Command::Claim(claim)])));
    let transaction = InventoryTransaction { parts, companion, key: Some((key.clone(), id.0)) };
    let reserved = only(transact(app, transaction).await, input.event.into());
    let reserved = reserved.map_err(|error| match error {
        TransactionError::Refused(Refusal::TermsChanged | Refusal::CodeTaken) if is_granting => {
            Error::Refused(ReserveRefusal::ClaimChanged).into()
        }
        // Several desks do not look up the key of commands that they refuse.
        TransactionError::Refused(refusal) if is_granting => {
            Error::Refused(ReserveRefusal::Places(refusal)).into()
        }
        TransactionError::Companion(refusal) => Error::Refused(ReserveRefusal::Companion(refusal)).into(),
        TransactionError::Refused(refusal) => AttemptError::RefusedUnused(ReserveRefusal::Places(refusal)),
        TransactionError::KeyUsed => AttemptError::KeyUsed,
        TransactionError::Fault(fault) => fault.into(),
    });
    // Nothing was reserved, so the proof can be used for another pick.
    let is_refused = reserved.as_ref().is_err_and(|error| match error {
        AttemptError::RefusedUnused(_) => true,
        AttemptError::Failed(Error::Refused(_)) => is_granting,
        AttemptError::Failed(Error::Fault(_)) | AttemptError::KeyUsed => false,
    });
    if let (true, Some(proof)) = (is_refused, proof) {
        app.inventory.proofs.give_back(&proof);
    }
    reserved
}

fn validate(pick: &Pick) -> FaultResult<()> {
    let mut check = Check::default();
    match pick {
        Pick::Seats(ordinals) => {
            let distinct: BTreeSet<_> = ordinals.iter().collect();
            check
                .that(!ordinals.is_empty(), "pick.seatIds", "name at least one seat")
                .that(ordinals.len() <= PLACES_MAX, "pick.seatIds", "too many seats in one reservation")
                .that(distinct.len() == ordinals.len(), "pick.seatIds", "names a seat twice");
        }
        Pick::Admission { quantity, .. } => {
            check.that(*quantity > 0, "pick.admission.quantity", "must be at least 1").that(
                *quantity as usize <= PLACES_MAX,
                "pick.admission.quantity",
                "too many places",
            );
        }
        Pick::BestAvailable(wish) => validate_wish(wish, &mut check),
    }
    check.done()
}

fn validate_wish(wish: &BestAvailable, check: &mut Check) {
    check.that(wish.quantity > 0, "pick.bestAvailable.quantity", "must be at least 1").that(
        wish.quantity as usize <= PLACES_MAX,
        "pick.bestAvailable.quantity",
        "too many places",
    );
    let distinct: BTreeSet<_> = wish.tiers.iter().collect();
    check.that(distinct.len() == wish.tiers.len(), "pick.bestAvailable.tierIds", "names a tier twice");
    if let Some(AccessibleParty { wheelchair_places, companions }) = wish.accessible {
        let places = "pick.bestAvailable.accessible.wheelchairPlaces";
        let all = "pick.bestAvailable.accessible";
        check.that(wheelchair_places > 0, places, "must be at least 1").that(
            wheelchair_places.saturating_add(companions) <= wish.quantity,
            all,
            "wheelchair places and companions are part of the quantity, so they cannot be more",
        );
    }
}

/// The part of a pick that an idempotency key is bound to.
#[derive(Serialize)]
#[serde(untagged)]
enum PickDigest<'a> {
    Places(&'static str, Vec<u32>),
    BestAvailable(&'static str, &'a BestAvailable),
}

fn pick_digest(pick: &Pick) -> PickDigest<'_> {
    match pick {
        Pick::Seats(ordinals) => PickDigest::Places("seats", ordinals.clone()),
        Pick::Admission { area, quantity } => PickDigest::Places("admission", vec![*area, *quantity]),
        Pick::BestAvailable(wish) => PickDigest::BestAvailable("bestAvailable", wish),
    }
}
