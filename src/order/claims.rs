//! Operations of claims that an order may still reserve although it is overdue. Such an order is ended first, so that
//! callers need not wait for the worker.

use entity::{ClaimId, claim, order::OrderState};

use super::{by_id, expiry::expire_or_prolong};
use crate::{
    app::App,
    auth::Viewer,
    coupon::{
        claim::{self as claims, Refusal},
        redeem::{self, Redeem, Redeemed},
        share::{self, Offer},
    },
    error::{Error, FaultResult, Result},
};

/// Releases an unused free claim of the viewer. See [`claims::release`].
pub async fn release_claim(app: &App, viewer: &Viewer, id: ClaimId) -> Result<claim::Model, Refusal> {
    let released = claims::release(app, viewer, id).await;
    if has_freed(app, &released).await? { claims::release(app, viewer, id).await } else { released }
}

/// Offers a claim of the viewer to another account. See [`share::share`].
pub async fn share_claim(app: &App, viewer: &Viewer, id: ClaimId) -> Result<Offer, Refusal> {
    let offered = share::share(app, viewer, id).await;
    if has_freed(app, &offered).await? { share::share(app, viewer, id).await } else { offered }
}

/// Accepts an offered claim. See [`share::accept`].
pub async fn accept_claim(app: &App, viewer: &Viewer, token: &str) -> Result<claim::Model, Refusal> {
    let accepted = share::accept(app, viewer, token).await;
    if has_freed(app, &accepted).await? { share::accept(app, viewer, token).await } else { accepted }
}

/// Redeems a claim at a counter. See [`redeem::redeem`].
pub async fn redeem_claim(app: &App, viewer: &Viewer, input: Redeem) -> Result<Redeemed, Refusal> {
    let redeemed = redeem::redeem(app, viewer, input.clone()).await;
    if has_freed(app, &redeemed).await? { redeem::redeem(app, viewer, input).await } else { redeemed }
}

/// If the call was refused because an order reserves the claim, ends that order if it is overdue. Returns whether it has
/// ended, so that the caller tries again.
async fn has_freed<T>(app: &App, answer: &Result<T, Refusal>) -> FaultResult<bool> {
    let Err(Error::Refused(Refusal::InOrder { order: Some(order) })) = answer else {
        return Ok(false);
    };
    expire_or_prolong(app, *order).await?;
    Ok(by_id(app, *order).await?.state != OrderState::AwaitingPayment)
}
