//! The state machine of payments.
//!
//! A provider's answers arrive late, twice and out of order. Each state has a rank, and a lower rank never replaces a
//! higher one. Final states never change.
//!
//! Invariant: pure and synchronous.

use chrono::{DateTime, Duration, Utc};
use entity::payment::PaymentState;

use super::provider::IntentStatus;

/// How long a payment may stay undecided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// Time from its start.
    pub payment: Duration,
    /// Time beyond the hard maximum of its reservations.
    pub grace: Duration,
}

/// Returns when a payment that begins now is cancelled if undecided. `hard_maximum` is the earliest hard maximum of the
/// order's reservations. However often an order is paid, its places are free at `hard_maximum` plus the grace.
pub fn deadline(
    now: DateTime<Utc>,
    hard_maximum: Option<DateTime<Utc>>,
    patience: Patience,
) -> DateTime<Utc> {
    let wanted = now + patience.payment;
    hard_maximum.map_or(wanted, |end| wanted.min(end + patience.grace))
}

/// Returns the payment state for an intent's status.
pub fn state_of(status: IntentStatus) -> PaymentState {
    match status {
        IntentStatus::RequiresPaymentMethod => PaymentState::Failed,
        IntentStatus::RequiresAction => PaymentState::RequiresAction,
        IntentStatus::Processing => PaymentState::Submitted,
        IntentStatus::RequiresCapture => PaymentState::Authorised,
        IntentStatus::Succeeded => PaymentState::Captured,
        IntentStatus::Canceled => PaymentState::Cancelled,
    }
}

/// Returns whether the state is final.
pub fn has_ended(state: PaymentState) -> bool {
    matches!(state, PaymentState::Captured | PaymentState::Failed | PaymentState::Cancelled)
}

/// Returns whether the payment can be cancelled at the provider: it has an intent and nothing is captured.
pub fn is_cancellable(state: PaymentState) -> bool {
    matches!(state, PaymentState::Submitted | PaymentState::RequiresAction | PaymentState::Authorised)
}

/// Returns the state after `observed` was seen at the provider, or `None` if it does not change.
pub fn advance(current: PaymentState, observed: PaymentState) -> Option<PaymentState> {
    // Once the seats are sold, the payment can only be captured; a late decline is outdated.
    let fails_too_late = current == PaymentState::Capturing && observed != PaymentState::Captured;
    let moves = !has_ended(current) && !fails_too_late && rank(observed) > rank(current);
    moves.then_some(observed)
}

fn rank(state: PaymentState) -> u8 {
    match state {
        PaymentState::Created => 0,
        PaymentState::Submitted => 1,
        PaymentState::RequiresAction => 2,
        PaymentState::Authorised => 3,
        PaymentState::Capturing => 4,
        PaymentState::Failed | PaymentState::Cancelled => 5,
        PaymentState::Captured => 6,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [PaymentState; 8] = [
        PaymentState::Created,
        PaymentState::Submitted,
        PaymentState::RequiresAction,
        PaymentState::Authorised,
        PaymentState::Capturing,
        PaymentState::Captured,
        PaymentState::Failed,
        PaymentState::Cancelled,
    ];

    #[test]
    fn final_states_never_change() {
        for ended in [PaymentState::Captured, PaymentState::Failed, PaymentState::Cancelled] {
            for observed in ALL {
                assert_eq!(advance(ended, observed), None, "{ended:?} must not become {observed:?}");
            }
        }
    }

    #[test]
    fn payment_ends_with_the_grace_of_its_reservations() {
        let at = |seconds| DateTime::UNIX_EPOCH + Duration::seconds(seconds);
        let patience = Patience { payment: Duration::seconds(900), grace: Duration::seconds(120) };
        let cases = [
            // Begun at, hard maximum: deadline.
            (0, Some(1_200), 900),
            (420, Some(1_200), 1_320),
            (421, Some(1_200), 1_320),
            (1_199, Some(1_200), 1_320),
            (0, None, 900),
        ];
        for (now, hard_maximum, expected) in cases {
            assert_eq!(deadline(at(now), hard_maximum.map(at), patience), at(expected), "{now}");
        }
    }

    #[test]
    fn lower_rank_never_replaces_a_higher_one() {
        for current in ALL {
            for observed in ALL {
                if let Some(next) = advance(current, observed) {
                    assert!(rank(next) > rank(current), "{current:?} → {next:?}");
                }
            }
        }
    }

    #[test]
    fn failure_after_success_is_ignored() {
        let after_success = advance(PaymentState::Capturing, PaymentState::Captured);
        assert_eq!(after_success, Some(PaymentState::Captured));
        assert_eq!(advance(PaymentState::Capturing, PaymentState::Failed), None);
        assert_eq!(advance(PaymentState::Captured, PaymentState::Failed), None);
    }
}
