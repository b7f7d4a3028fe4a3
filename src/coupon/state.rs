//! The states of a coupon, DRAFT → PUBLISHED ⇄ PAUSED → ENDED, and the status of a claim at a given time.
//!
//! Invariant: pure and synchronous. The time is an argument.

use chrono::{DateTime, Utc};
use entity::{
    claim::{self, ClaimState},
    coupon::CouponState,
};

use super::rules::Refusal;

/// A change of a coupon's state that its vendor requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Move {
    /// Opens a draft to buyers.
    Publish,
    /// Stops claims for now.
    Pause,
    /// Opens a paused coupon again.
    Resume,
    /// Stops claims for ever. Existing claims stay valid.
    End,
}

/// Returns the coupon's next state, or why the move is not allowed in this state.
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

/// Returns the claim's status: its stored state, except that a claimed one past its validity is expired.
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
    fn moves_follow_the_table() {
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
