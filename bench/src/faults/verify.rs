//! Compares what was acknowledged with what the API and the database say afterwards.

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
    time::Duration,
};

use serde_json::json;
use tokio::{
    task::JoinSet,
    time::{Instant, sleep},
};

use crate::{
    Outcome,
    faults::{
        buyers::{Memory, Purchase, State},
        client::{Answered, Client, Front},
        laws::Rows,
        scene::Scene,
        watcher::{Shared, View, snapshot},
    },
};

/// What a comparison found.
#[derive(Clone, Debug, Default)]
pub(crate) struct Finding {
    /// Acknowledged facts that are not there.
    pub(crate) lost: u64,
    /// Facts that are there twice, or that no client asked for.
    pub(crate) doubled: u64,
    /// Watchers that missed a version or differ from the snapshot.
    pub(crate) divergent: u64,
    /// Descriptions of all of that, and of broken laws.
    pub(crate) notes: Vec<String>,
}

/// Clients that read at the same time.
const READERS: u32 = 4;
/// The longest time that watchers get to catch up.
const CAUGHT_UP: Duration = Duration::from_secs(20);

const RESERVATION: &str = "query($id: ID!) { reservation(id: $id) { state: status } }";
const ORDER: &str = "query($id: ID!) { order(id: $id) { state tickets { state } } }";
const CLAIM: &str = "query($id: ID!) { claim(id: $id) { id status } }";
const SNAPSHOT: &str =
    "query($event: ID!) { event(id: $event) { availability { version rows { statuses } } } }";

impl Finding {
    fn lose(&mut self, note: &str) {
        self.lost += 1;
        self.notes.push(format!("lost: {note}"));
    }

    /// Takes over what the database says about the whole run.
    pub(crate) fn count(&mut self, memory: &Memory, rows: &Rows) {
        let ids = |all: Vec<&String>| all.into_iter().collect::<HashSet<_>>().len();
        let reservations = ids(memory.purchases.iter().map(|purchase| &purchase.reservation).collect());
        let orders = ids(memory.purchases.iter().filter_map(|purchase| purchase.order.as_ref()).collect());
        let claims = ids(memory.claims.iter().map(|claim| &claim.id).collect());
        // A call that was never answered may have had its effect.
        let unknown = |call: &str| {
            let calls =
                memory.unknown.iter().chain(memory.purchases.iter().filter_map(|p| p.broken.as_ref()));
            calls.filter(|unknown| unknown.starts_with(call)).count()
        };
        for (what, call, acknowledged, found) in [
            ("reservations", "reserveSeats", reservations, rows.reservations),
            ("orders", "checkout", orders, rows.orders),
            ("claims", "claimCoupon", claims, rows.claims),
        ] {
            let most = i64::try_from(acknowledged + unknown(call)).unwrap_or(i64::MAX);
            if found > most {
                self.doubled += u64::try_from(found - most).unwrap_or_default();
                self.notes.push(format!("doubled: {found} {what} for {acknowledged} acknowledged"));
            }
        }
        if rows.twice > 0 {
            self.doubled += u64::try_from(rows.twice).unwrap_or_default();
            self.notes.push(format!("doubled: {} seats, payments or refunds", rows.twice));
        }
        // The same answer to two keys: one call had no effect of its own.
        for (what, count, distinct) in
            [("reservations", memory.purchases.len(), reservations), ("claims", memory.claims.len(), claims)]
        {
            if count != distinct {
                self.lose(&format!("{count} acknowledged {what} have {distinct} ids"));
            }
        }
        self.notes.extend(rows.broken.iter().map(|law| format!("law: {law}")));
        self.notes.extend(memory.unknown.iter().map(|call| format!("never answered: {call}")));
        let broken = memory.purchases.iter().filter_map(|purchase| purchase.broken.as_ref());
        self.notes.extend(broken.map(|broken| format!("broken: {broken}")));
    }
}

/// Reads everything that was acknowledged through the API.
pub(crate) async fn read_all(front: &Arc<Front>, memory: &Memory) -> Outcome<Finding> {
    let mut tasks = JoinSet::new();
    for number in 0..READERS {
        let skip = usize::try_from(number)?;
        let step = usize::try_from(READERS)?;
        let purchases: Vec<Purchase> = memory.purchases.iter().skip(skip).step_by(step).cloned().collect();
        let claims: Vec<_> = memory.claims.iter().skip(skip).step_by(step).cloned().collect();
        let mut client = Client::new(front, 5_000 + number);
        tasks.spawn(async move {
            let mut finding = Finding::default();
            for purchase in purchases {
                client.take(&purchase.token);
                let (document, id) = match &purchase.order {
                    Some(order) => (ORDER, order),
                    None => (RESERVATION, &purchase.reservation),
                };
                let found = client.read(document, json!({ "id": id })).await;
                if let Err(note) = agrees(&purchase, &found) {
                    finding.lose(&note);
                }
            }
            for claim in claims {
                client.take(&claim.token);
                let found = client.read(CLAIM, json!({ "id": claim.id })).await;
                if !matches!(&found, Answered::Data(found) if found["status"] == "CLAIMED") {
                    finding.lose(&format!("claim {}: {found:?}", claim.id));
                }
            }
            finding
        });
    }
    let mut all = Finding::default();
    while let Some(finding) = tasks.join_next().await {
        let finding = finding?;
        all.lost += finding.lost;
        all.notes.extend(finding.notes);
    }
    Ok(all)
}

/// Compares a purchase with the order, or else the reservation, that the API shows. A step that was begun and not
/// acknowledged may be there.
fn agrees(purchase: &Purchase, found: &Answered) -> Result<(), String> {
    let Answered::Data(found) = found else { return Err(format!("{purchase:?}: {found:?}")) };
    let state = found["state"].as_str().unwrap_or("nothing");
    let tickets = |state: &str| {
        let tickets = found["tickets"].as_array();
        tickets.is_some_and(|tickets| {
            !tickets.is_empty() && tickets.iter().all(|ticket| ticket["state"] == state)
        })
    };
    let may_be_more = purchase.broken.is_some() && state != "nothing";
    let good = match purchase.state {
        State::Reserved => state == "ACTIVE" || may_be_more,
        State::Released => state == "RELEASED",
        State::Ordered => state == "AWAITING_PAYMENT" || may_be_more,
        State::Cancelled => state == "CANCELLED",
        State::Paid => {
            (state == "PAID" && tickets("ISSUED")) || (purchase.broken.is_some() && state == "REFUNDED")
        }
        State::Refunded => state == "REFUNDED" && tickets("VOID"),
    };
    if good { Ok(()) } else { Err(format!("{:?} of {}: {found}", purchase.state, purchase.reservation)) }
}

/// Waits until all watchers have the snapshot's version, and compares them with it.
pub(crate) async fn compare_watchers(
    front: &Arc<Front>,
    scene: &Scene,
    watchers: &[Shared],
) -> Outcome<Finding> {
    let mut client = Client::new(front, 6_000);
    let until = Instant::now() + CAUGHT_UP;
    loop {
        let (version, seats) = read_snapshot(&mut client, scene).await?;
        let views: Vec<View> = watchers.iter().map(|watcher| watcher.view().clone()).collect();
        let differs = |view: &View| view.version != Some(version) || view.seats != seats;
        if Instant::now() < until && views.iter().any(differs) {
            sleep(Duration::from_millis(200)).await;
            continue;
        }
        let mut finding = Finding::default();
        for (number, view) in views.iter().enumerate() {
            if differs(view) {
                let seats = seats.iter().filter(|(id, status)| view.seats.get(*id) != Some(*status)).count();
                let text =
                    format!("watcher {number} has {:?} of {version}, {seats} seats differ", view.version);
                finding.notes.push(text);
            }
            finding.notes.extend(view.gaps.iter().take(3).map(|gap| format!("watcher {number}: {gap}")));
            finding.divergent += u64::from(differs(view) || !view.gaps.is_empty());
        }
        return Ok(finding);
    }
}

async fn read_snapshot(client: &mut Client, scene: &Scene) -> Outcome<(i64, BTreeMap<String, char>)> {
    match client.read(SNAPSHOT, json!({ "event": scene.event })).await {
        Answered::Data(event) => {
            let availability = &event["availability"];
            let version = availability["version"].as_i64().ok_or("a snapshot without a version")?;
            let rows = availability["rows"].as_array().ok_or("a snapshot without rows")?;
            Ok((version, snapshot(rows, &scene.seats)))
        }
        Answered::Refused(why) | Answered::Never(why) => Err(format!("no snapshot: {why}").into()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::faults::buyers::Claim;

    fn purchase(state: State) -> Purchase {
        let (token, reservation) = (String::new(), "r".to_owned());
        Purchase { token, reservation, order: None, state, broken: None }
    }

    #[test]
    fn a_paid_order_without_its_ticket_is_lost() {
        let paid = |tickets: Value| Answered::Data(json!({ "state": "PAID", "tickets": tickets }));
        assert!(agrees(&purchase(State::Paid), &paid(json!([{ "state": "ISSUED" }]))).is_ok());
        assert!(agrees(&purchase(State::Paid), &paid(json!([]))).is_err());
        assert!(agrees(&purchase(State::Refunded), &paid(json!([{ "state": "ISSUED" }]))).is_err());
        assert!(agrees(&purchase(State::Reserved), &Answered::Data(Value::Null)).is_err());
    }

    #[test]
    fn more_rows_than_calls_are_doubled() {
        let claim = |id: &str| Claim { token: String::new(), id: id.to_owned() };
        let memory = Memory { claims: vec![claim("a"), claim("b")], ..Memory::default() };
        let mut finding = Finding::default();
        finding.count(&memory, &Rows { claims: 3, twice: 1, ..Rows::default() });
        assert_eq!((finding.lost, finding.doubled), (0, 2));
        let memory = Memory { claims: vec![claim("a"), claim("a")], ..Memory::default() };
        let mut finding = Finding::default();
        finding.count(&memory, &Rows { claims: 1, ..Rows::default() });
        assert_eq!((finding.lost, finding.doubled), (1, 0));
    }
}
