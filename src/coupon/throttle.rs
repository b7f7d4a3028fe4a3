//! How many wrong codes are allowed, independently per account and per network: a new guest has no new guesses.
//!
//! A code is 80 random bits, so this is against codes that vendors chose, and against noise.

use std::net::IpAddr;

use entity::CouponId;

use crate::{
    app::App,
    auth::Viewer,
    error::{Error, Fault, Faulty},
    limits::{Attempt, Exceeded, Rule, Subject},
};

/// A code being tried. It counts as wrong until it is judged otherwise.
#[must_use]
pub(super) struct Guess(Attempt);

/// Begins to try a buyer's code, or refuses if too many were wrong.
pub(super) async fn begin(app: &App, viewer: &Viewer) -> Result<Guess, Error<Exceeded>> {
    begin_by(app, viewer, (Rule::Codes, Rule::NetworkCodes)).await
}

/// Begins to try a code that a scanner of the shop shows at its counter: wrong ones are more frequent there.
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

/// Begins to claim a free coupon: one network gets only so many of it, however many guests call from there.
pub(super) async fn begin_claim(app: &App, viewer: &Viewer, coupon: CouponId) -> Faulty<Guess> {
    let network: Option<IpAddr> = app.limits.network(viewer).map(|network| network.address());
    let bucket = network.map(|network| (Rule::NetworkClaims, Subject::Pair(network, coupon.0)));
    app.limits.attempt(bucket).await.map(Guess).map_err(Fault::from)
}

impl Guess {
    /// Applies the verdict: a code that was refused goes on counting; one that was right does not, nor one about which
    /// nothing was found out.
    pub(super) async fn judge<T, R>(self, outcome: &Result<T, Error<R>>) {
        match outcome {
            Err(Error::Refused(_)) => {}
            Ok(_) | Err(Error::Fault(_)) => self.forgive().await,
        }
    }

    /// Takes this one back.
    pub(super) async fn forgive(self) {
        self.0.forgive().await;
    }
}
