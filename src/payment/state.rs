//! Where payments may go from where they are.
//!
//! Answers of a provider come late, twice and out of order. Each state has a rank, and a lower rank never overwrites a
//! higher one; what has ended stays as it ended.
//!
//! Invariant: pure and synchronous.

use chrono::{DateTime, Duration, Utc};
use entity::payment::PaymentState;

use super::provider::IntentStatus;

/// How long a payment may stay undecided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// From its beginning.
    pub payment: Duration,
    /// Beyond the hard maximum of the reservations that it pays.
    pub grace: Duration,
}

/// Returns when a payment that begins now is cancelled unless it is decided. However often an order is paid, its places
/// are free at `hard_maximum` plus the grace: the earliest of the hard maxima of its reservations.
pub fn deadline(
    now: DateTime<Utc>,
    hard_maximum: Option<DateTime<Utc>>,
    patience: Patience,
) -> DateTime<Utc> {
    let wanted = now + patience.payment;
    hard_maximum.map_or(wanted, |end| wanted.min(end + patience.grace))
}

/// What an intent's status means for the payment.
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

/// Whether nothing more can come.
pub fn has_ended(state: PaymentState) -> bool {
    matches!(state, PaymentState::Captured | PaymentState::Failed | PaymentState::Cancelled)
}

/// Whether the payment can be cancelled at the provider, which has an intent and has collected nothing.
pub fn can_be_given_up(state: PaymentState) -> bool {
    matches!(state, PaymentState::Submitted | PaymentState::RequiresAction | PaymentState::Authorised)
}

/// The state after `observed` was seen at the provider, if it is another one.
pub fn advance(current: PaymentState, observed: PaymentState) -> Option<PaymentState> {
    // Once the seats are sold, the only way is to be collected: a decline seen late is old news.
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
    fn what_has_ended_stays_as_it_ended() {
        for ended in [PaymentState::Captured, PaymentState::Failed, PaymentState::Cancelled] {
            for observed in ALL {
                assert_eq!(advance(ended, observed), None, "{ended:?} must not become {observed:?}");
            }
        }
    }

    #[test]
    fn a_payment_ends_with_the_grace_of_its_reservations() {
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
    fn a_lower_rank_never_overwrites_a_higher_one() {
        for current in ALL {
            for observed in ALL {
                if let Some(next) = advance(current, observed) {
                    assert!(rank(next) > rank(current), "{current:?} → {next:?}");
                }
            }
        }
    }

    #[test]
    fn out_of_order_failed_after_succeeded() {
        let after_success = advance(PaymentState::Capturing, PaymentState::Captured);
        assert_eq!(after_success, Some(PaymentState::Captured));
        assert_eq!(advance(PaymentState::Capturing, PaymentState::Failed), None);
        assert_eq!(advance(PaymentState::Captured, PaymentState::Failed), None);
    }
}
