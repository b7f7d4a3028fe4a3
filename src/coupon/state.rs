//! The life of a coupon, DRAFT → PUBLISHED ⇄ PAUSED → ENDED, and where a claim stands at a time.
//!
//! Invariant: pure and synchronous; the time is an argument.

use chrono::{DateTime, Utc};
use entity::{
    claim::{self, ClaimState},
    coupon::CouponState,
};

use super::rules::Refusal;

/// Something that a vendor does to a coupon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Move {
    /// Everybody may see and claim it.
    Publish,
    /// Nobody claims it for now.
    Pause,
    /// It goes on.
    Resume,
    /// It is over for ever; what was claimed stays valid.
    End,
}

/// Where a coupon stands after the move.
pub fn after(state: CouponState, step: Move) -> Result<CouponState, Refusal> {
    match (state, step) {
        (CouponState::Draft, Move::Publish) | (CouponState::Paused, Move::Resume) => {
            Ok(CouponState::Published)
        }
        (CouponState::Published, Move::Pause) => Ok(CouponState::Paused),
        (CouponState::Published | CouponState::Paused, Move::End) => Ok(CouponState::Ended),
        (CouponState::Ended, _) => Err(Refusal::Ended),
        (CouponState::Published | CouponState::Paused, Move::Publish) => Err(Refusal::NotDraft),
        (CouponState::Published, Move::Resume) => Err(Refusal::NotPaused),
        (CouponState::Draft, Move::Pause | Move::Resume | Move::End) | (CouponState::Paused, Move::Pause) => {
            Err(Refusal::NotPublished)
        }
    }
}

/// Where a claim stands: past its time a claimed one is expired, whether or not somebody wrote that down.
pub fn claim_status(claim: &claim::Model, now: DateTime<Utc>) -> ClaimState {
    let is_over = claim.valid_until.is_some_and(|until| until <= now);
    match claim.state {
        ClaimState::Claimed if is_over => ClaimState::Expired,
        state @ (ClaimState::Claimed
        | ClaimState::Reserved
        | ClaimState::Redeemed
        | ClaimState::Expired
        | ClaimState::Revoked
        | ClaimState::Released) => state,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_coupon_lives_as_the_table_says() {
        use CouponState::{Draft, Ended, Paused, Published};
        use Move::{End, Pause, Publish, Resume};
        let table = [
            (Draft, Publish, Ok(Published)),
            (Draft, Pause, Err(Refusal::NotPublished)),
            (Draft, Resume, Err(Refusal::NotPublished)),
            (Draft, End, Err(Refusal::NotPublished)),
            (Published, Publish, Err(Refusal::NotDraft)),
            (Published, Pause, Ok(Paused)),
            (Published, Resume, Err(Refusal::NotPaused)),
            (Published, End, Ok(Ended)),
            (Paused, Publish, Err(Refusal::NotDraft)),
            (Paused, Pause, Err(Refusal::NotPublished)),
            (Paused, Resume, Ok(Published)),
            (Paused, End, Ok(Ended)),
            (Ended, Publish, Err(Refusal::Ended)),
            (Ended, Pause, Err(Refusal::Ended)),
            (Ended, Resume, Err(Refusal::Ended)),
            (Ended, End, Err(Refusal::Ended)),
        ];
        for (state, step, expected) in table {
            assert_eq!(after(state, step), expected, "{state:?} {step:?}");
        }
    }
}
