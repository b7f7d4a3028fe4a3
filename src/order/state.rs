//! The state machine of orders.
//!
//! An order awaits its payment, and then is paid, expired or cancelled. A paid order can be refunded, as a whole or in
//! part. An order whose payment the server cannot decide is stuck, until an operator acts.
//!
//! Invariant: pure and synchronous.

use entity::order::OrderState;

/// A change of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// A payment begins. The state stays, but the order's version changes.
    BeginPayment,
    /// Its places and coupons are sold.
    Sell,
    /// The buyer cancels it.
    Cancel,
    /// A reservation of it has ended.
    Expire,
    /// The server cannot decide its payment.
    Suspend,
    /// The money of all lines is refunded, or only that of some.
    Refund {
        /// Whether all lines are refunded.
        whole: bool,
    },
}

/// Why a step is not allowed in the order's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Impossible {
    /// The order is paid already.
    AlreadyPaid,
    /// The order has ended, or an operator decides about it.
    Ended,
    /// The order is not paid.
    NotPaid,
    /// The order is refunded already, fully or in part.
    AlreadyRefunded,
}

/// Returns the state after the step, or why the step is not allowed.
pub fn after(state: OrderState, step: Step) -> Result<OrderState, Impossible> {
    match step {
        Step::BeginPayment => unpaid(state).map(|()| OrderState::AwaitingPayment),
        Step::Sell => unpaid(state).and(Ok(OrderState::Paid)),
        Step::Cancel => unpaid(state).map(|()| OrderState::Cancelled),
        Step::Expire => unpaid(state).map(|()| OrderState::Expired),
        Step::Suspend if state == OrderState::Paid => Ok(OrderState::Stuck),
        Step::Suspend => unpaid(state).map(|()| OrderState::Stuck),
        Step::Refund { whole } => refundable(state)
            .map(|()| if whole { OrderState::Refunded } else { OrderState::PartiallyRefunded }),
    }
}

fn unpaid(state: OrderState) -> Result<(), Impossible> {
    match state {
        OrderState::AwaitingPayment => Ok(()),
        OrderState::Paid | OrderState::PartiallyRefunded | OrderState::Refunded => {
            Err(Impossible::AlreadyPaid)
        }
        OrderState::Expired | OrderState::Cancelled | OrderState::RefundDue | OrderState::Stuck => {
            Err(Impossible::Ended)
        }
    }
}

fn refundable(state: OrderState) -> Result<(), Impossible> {
    match state {
        OrderState::Paid => Ok(()),
        OrderState::Refunded | OrderState::PartiallyRefunded => Err(Impossible::AlreadyRefunded),
        OrderState::AwaitingPayment
        | OrderState::Expired
        | OrderState::Cancelled
        | OrderState::RefundDue
        | OrderState::Stuck => Err(Impossible::NotPaid),
    }
}

#[cfg(test)]
mod tests {
    use OrderState::{
        AwaitingPayment, Cancelled, Expired, Paid, PartiallyRefunded, RefundDue, Refunded, Stuck,
    };

    use super::*;

    const STATES: [OrderState; 8] =
        [AwaitingPayment, Paid, PartiallyRefunded, Refunded, Expired, Cancelled, RefundDue, Stuck];
    const STEPS: [Step; 7] = [
        Step::BeginPayment,
        Step::Sell,
        Step::Cancel,
        Step::Expire,
        Step::Suspend,
        Step::Refund { whole: true },
        Step::Refund { whole: false },
    ];

    #[test]
    fn steps_follow_the_table() {
        use Impossible::{AlreadyPaid, AlreadyRefunded, Ended, NotPaid};
        type Outcomes<const N: usize> = [Result<OrderState, Impossible>; N];
        let unsold: Outcomes<4> = [Ok(AwaitingPayment), Ok(Paid), Ok(Cancelled), Ok(Expired)];
        let sold: Outcomes<4> = [Err(AlreadyPaid); 4];
        let over: Outcomes<4> = [Err(Ended); 4];
        let unpaid: Outcomes<2> = [Err(NotPaid); 2];
        let refunded: Outcomes<2> = [Err(AlreadyRefunded); 2];
        // Begin a payment, sell, cancel, expire; suspend; refund all or a part.
        let table: [(OrderState, Outcomes<4>, Outcomes<1>, Outcomes<2>); 8] = [
            (AwaitingPayment, unsold, [Ok(Stuck)], unpaid),
            (Paid, sold, [Ok(Stuck)], [Ok(Refunded), Ok(PartiallyRefunded)]),
            (PartiallyRefunded, sold, [Err(AlreadyPaid)], refunded),
            (Refunded, sold, [Err(AlreadyPaid)], refunded),
            (Expired, over, [Err(Ended)], unpaid),
            (Cancelled, over, [Err(Ended)], unpaid),
            (RefundDue, over, [Err(Ended)], unpaid),
            (Stuck, over, [Err(Ended)], unpaid),
        ];
        assert_eq!(table.map(|row| row.0), STATES);
        for (state, four, suspend, two) in table {
            let expected = [&four[..], &suspend, &two].concat();
            assert_eq!(expected, STEPS.map(|step| after(state, step)), "{state:?} after {STEPS:?}");
        }
    }

    #[test]
    fn every_state_can_be_reached() {
        // The payments of issue 15 make late money due for a refund.
        let expected = [RefundDue];
        let mut reached = vec![AwaitingPayment];
        for step in STEPS {
            reached.extend(STATES.iter().filter_map(|state| after(*state, step).ok()));
        }
        let missing: Vec<_> = STATES.into_iter().filter(|state| !reached.contains(state)).collect();
        assert_eq!(missing, expected);
    }
}
