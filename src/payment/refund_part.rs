//! The part of an order that a refund returns, and whether the viewer may have it refunded.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Duration, Utc};
use entity::{
    EventId,
    event::{self, EventState},
    order::{self, line},
};

use super::Refusal;
use crate::{
    app::App,
    auth::Viewer,
    coupon::issue,
    error::{Error, Fault, FaultResult, Result},
    event as events,
    order::{self as orders, rights},
    shop::{self, rules::Power},
};

/// Days after the payment in which a buyer may return unused coupons.
const WITHDRAWAL_DAYS: i64 = 14;

/// The part of an order that is refunded.
pub(super) struct RefundPart {
    pub(super) lines: Vec<line::Model>,
    /// Whether it is the whole order.
    pub(super) whole: bool,
    /// The cancelled events in it. Their tickets are refunded even if they were used.
    pub(super) called_off: Vec<EventId>,
}

impl RefundPart {
    /// Returns what was paid for it, in minor units.
    pub(super) fn total(&self) -> i64 {
        self.lines.iter().map(|line| line.price_minor + line.fee_minor - line.discount_minor).sum()
    }

    /// Returns the fees in it, including those that claims paid.
    pub(super) fn fee(&self) -> i64 {
        self.lines.iter().map(|line| line.fee_minor).sum()
    }
}

/// Returns the part of the order to refund. Refuses if the viewer may not have it refunded.
pub(super) async fn part(
    app: &App,
    viewer: &Viewer,
    order: &order::Model,
    leave_used: bool,
) -> Result<RefundPart, Refusal> {
    let lines = orders::lines_of(app, order.id).await?;
    let events = events_of(app, &lines).await?;
    let called_off = events.values().filter(|event| event.state == EventState::Cancelled);
    let called_off = called_off.map(|event| event.id).collect();
    let are_coupons_closed = match shop::has_power(app, viewer, order.shop_id, Power::Sell).await {
        Ok(true) => false,
        Ok(false) | Err(Fault::Forbidden(_) | Fault::Unauthenticated) => {
            in_time(&lines, &events, app.clock.now())?;
            let until = order.paid_at.map(|paid| paid + Duration::days(WITHDRAWAL_DAYS));
            until.is_none_or(|until| until <= app.clock.now())
        }
        Err(fault) => return Err(fault.into()),
    };
    let is_copy = |line: &line::Model| line.coupon_id.is_some();
    if !leave_used {
        let is_closed = are_coupons_closed && lines.iter().any(is_copy);
        return if is_closed {
            Err(Error::Refused(Refusal::RefundClosed))
        } else {
            Ok(RefundPart { lines, whole: true, called_off })
        };
    }
    let used =
        issue::used_of(app, order, lines.iter().filter(|line| is_copy(line)).map(|line| line.id)).await?;
    let stays = |line: &line::Model| is_copy(line) && are_coupons_closed || used.contains(&line.id);
    let (left, lines): (Vec<_>, Vec<_>) = lines.into_iter().partition(stays);
    // A discounted order can only be refunded with all lines that the discount applies to.
    if lines.is_empty() || left.iter().any(|line| line.discount_minor > 0) {
        return Err(Error::Refused(Refusal::CouponUsed));
    }
    Ok(RefundPart { lines, whole: left.is_empty(), called_off })
}

/// Returns the events of the lines.
async fn events_of(app: &App, lines: &[line::Model]) -> FaultResult<BTreeMap<EventId, event::Model>> {
    let ids: BTreeSet<EventId> = lines.iter().filter_map(|line| line.event_id).collect();
    let events = events::by_ids(app, ids.into_iter().collect()).await?;
    Ok(events.into_iter().map(|event| (event.id, event)).collect())
}

/// Refuses if the buyer's refund period for the places is over. The buyer keeps the period of the checkout if the event
/// has a shorter one now. A cancelled event is refunded at any time.
fn in_time(
    lines: &[line::Model],
    events: &BTreeMap<EventId, event::Model>,
    now: DateTime<Utc>,
) -> Result<(), Refusal> {
    for line in lines {
        let Some(event) = line.event_id.and_then(|id| events.get(&id)) else { continue };
        let until = rights::refund_until(line, event)?;
        if event.state != EventState::Cancelled && until.is_none_or(|until| until <= now) {
            return Err(Error::Refused(Refusal::RefundClosed));
        }
    }
    Ok(())
}
