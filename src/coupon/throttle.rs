//! Limits on wrong codes, per account and per network. The limit per network applies to new guests too.
//!
//! A generated code has 80 random bits. The limits protect the codes that vendors choose, and the server's resources.

use std::net::IpAddr;

use entity::CouponId;

use crate::{
    app::App,
    auth::Viewer,
    error::{Error, Fault, FaultResult},
    idempotency,
    limits::{Attempt, Exceeded, Rule, Subject},
};

/// An attempt to use a code. It counts as wrong unless [`Guess::judge`] or [`Guess::forgive`] says otherwise.
#[must_use]
pub(super) struct Guess(Attempt);

/// Starts an attempt by a buyer. Refuses if too many codes were wrong.
pub(super) async fn begin(app: &App, viewer: &Viewer) -> Result<Guess, Error<Exceeded>> {
    begin_by(app, viewer, (Rule::Codes, Rule::NetworkCodes)).await
}

/// Starts an attempt by a shop's scanner at a counter. The limits are higher, because wrong codes are frequent there.
pub(super) async fn begin_scan(app: &App, viewer: &Viewer) -> Result<Guess, Error<Exceeded>> {
    begin_by(app, viewer, (Rule::Scans, Rule::NetworkScans)).await
}

async fn begin_by(
    app: &App,
    viewer: &Viewer,
    (account, network): (Rule, Rule),
) -> Result<Guess, Error<Exceeded>> {
    let own = (account, Subject::Id(viewer.account()?.0));
    let network = app.limits.network_subject(viewer).map(|subject| (network, subject));
    app.limits.attempt([own].into_iter().chain(network)).await.map(Guess).map_err(Error::Refused)
}

/// Starts a claim of a free coupon. The limit of claims per network and coupon includes all accounts of the network.
pub(super) async fn begin_claim(app: &App, viewer: &Viewer, coupon: CouponId) -> FaultResult<Guess> {
    let network: Option<IpAddr> = app.limits.network(viewer).map(|network| network.address());
    let bucket = network.map(|network| (Rule::NetworkClaims, Subject::Pair(network, coupon.0)));
    app.limits.attempt(bucket).await.map(Guess).map_err(Fault::from)
}

impl Guess {
    /// Applies the outcome: only a refused code counts. An accepted code and a fault do not.
    pub(super) async fn judge<T, R>(self, outcome: &Result<T, Error<R>>) {
        match outcome {
            Err(Error::Refused(_)) => {}
            Ok(_) | Err(Error::Fault(_)) => self.forgive().await,
        }
    }

    /// Like [`Guess::judge`], for an attempt under an idempotency key.
    pub(super) async fn judge_attempt<T, R>(self, outcome: &idempotency::Attempt<T, R>) {
        if !outcome.as_ref().is_err_and(idempotency::AttemptError::is_refusal) {
            self.forgive().await;
        }
    }

    /// Removes the attempt from the count.
    pub(super) async fn forgive(self) {
        self.0.forgive().await;
    }
}
