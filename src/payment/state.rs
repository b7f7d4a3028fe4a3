//! The state machines of payments and refunds.
//!
//! A provider's answers arrive late, twice and out of order. Each state has a rank, and a lower rank never replaces a
//! higher one. Final states never change.
//!
//! Invariant: pure and synchronous.

use chrono::{DateTime, Duration, Utc};
use entity::payment::{PaymentState, RefundState};

use super::provider::{IntentStatus, ProviderError, RefundStatus};

/// Calls of the provider for one refund after which an operator must act.
pub const REFUND_ATTEMPTS_MAX: i32 = 20;

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

/// Returns the state after the payment's places were sold, or `None` if they cannot be sold for this payment.
pub fn after_sale(current: PaymentState) -> Option<PaymentState> {
    (rank(current) < rank(PaymentState::Capturing)).then_some(PaymentState::Capturing)
}

/// Returns whether the refund's state is final.
pub fn has_refund_ended(state: RefundState) -> bool {
    matches!(state, RefundState::Succeeded | RefundState::Manual)
}

/// Returns the state of a refund after the provider's answer to call number `attempts`, or `None` if the refund has
/// ended. A failed refund is tried again, and after [`REFUND_ATTEMPTS_MAX`] calls an operator must act.
pub fn refund_after(
    current: RefundState,
    answer: Result<RefundStatus, &ProviderError>,
    attempts: i32,
) -> Option<RefundState> {
    if has_refund_ended(current) {
        return None;
    }
    Some(match answer {
        Ok(RefundStatus::Succeeded) => RefundState::Succeeded,
        Ok(RefundStatus::Pending) => RefundState::Pending,
        Ok(RefundStatus::Failed) | Err(ProviderError::Refused(_)) if attempts >= REFUND_ATTEMPTS_MAX => {
            RefundState::Manual
        }
        Ok(RefundStatus::Failed) | Err(ProviderError::Refused(_)) => RefundState::Failed,
        Err(ProviderError::Unknown) => RefundState::Submitted,
    })
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
    fn places_are_sold_once_and_only_for_a_live_payment() {
        use PaymentState::{Authorised, Capturing, Created, RequiresAction, Submitted};
        for current in ALL {
            let expected = [Created, Submitted, RequiresAction, Authorised].contains(&current);
            assert_eq!(after_sale(current), expected.then_some(Capturing), "{current:?}");
        }
    }

    #[test]
    fn every_state_of_a_payment_can_be_reached() {
        let statuses = [
            IntentStatus::RequiresPaymentMethod,
            IntentStatus::RequiresAction,
            IntentStatus::Processing,
            IntentStatus::RequiresCapture,
            IntentStatus::Succeeded,
            IntentStatus::Canceled,
        ];
        let mut reached = vec![PaymentState::Created];
        for current in ALL {
            reached.extend(statuses.iter().filter_map(|status| advance(current, state_of(*status))));
            reached.extend(after_sale(current));
        }
        for state in ALL {
            assert!(reached.contains(&state), "no step leads to {state:?}");
        }
    }

    const REFUND_STATES: [RefundState; 6] = [
        RefundState::Requested,
        RefundState::Submitted,
        RefundState::Pending,
        RefundState::Succeeded,
        RefundState::Failed,
        RefundState::Manual,
    ];

    #[test]
    fn refunds_follow_the_table() {
        let refused = ProviderError::Refused("insufficient_funds".to_owned());
        let last = REFUND_ATTEMPTS_MAX;
        let table = [
            (Ok(RefundStatus::Succeeded), 1, RefundState::Succeeded),
            (Ok(RefundStatus::Pending), 1, RefundState::Pending),
            (Ok(RefundStatus::Failed), 1, RefundState::Failed),
            (Ok(RefundStatus::Failed), last, RefundState::Manual),
            (Err(&refused), last - 1, RefundState::Failed),
            (Err(&refused), last, RefundState::Manual),
            (Err(&ProviderError::Unknown), 1, RefundState::Submitted),
            (Err(&ProviderError::Unknown), last, RefundState::Submitted),
        ];
        let mut reached = vec![RefundState::Requested];
        for (answer, attempts, expected) in table {
            for current in REFUND_STATES {
                let is_final = matches!(current, RefundState::Succeeded | RefundState::Manual);
                let expected = (!is_final).then_some(expected);
                assert_eq!(refund_after(current, answer, attempts), expected, "{current:?} {answer:?}");
                reached.extend(expected);
            }
        }
        for state in REFUND_STATES {
            assert!(reached.contains(&state), "no answer leads to {state:?}");
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
