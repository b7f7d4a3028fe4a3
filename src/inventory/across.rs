//! A deal over several inventories: an order with seats of two events, say.
//!
//! Their desks' stocks are locked in ascending order of ids, so that two such deals never wait for each other, and one
//! transaction holds all the version guards.

use std::{sync::Arc, time::Duration};

use tokio::{sync::MutexGuard, time::Instant};

use super::{
    change::Version,
    coupon,
    deal::{Deal, NoDeal, accompany, decide_all},
    desk::{ATTEMPTS, Desk},
    state::{Held, Stock},
    write::{self, Guard},
};
use crate::{app::App, call::Call, error::Fault, store::Unwritten};

/// Makes a deal over several inventories in one transaction, holding their stocks meanwhile.
pub(super) async fn across(app: &App, mut deal: Deal) -> Result<Vec<Held>, NoDeal> {
    deal.legs.sort_by_key(|(id, _)| *id);
    // A stock is locked once, however many legs name it.
    deal.legs.dedup_by(|later, first| {
        let same = later.0 == first.0;
        if same {
            first.1.append(&mut later.1);
        }
        same
    });
    let desks: Vec<Arc<Desk>> = deal.legs.iter().map(|(id, _)| app.desks.get(app, *id)).collect();
    let mut memories = Vec::with_capacity(desks.len());
    for desk in &desks {
        memories.push(desk.stock.lock().await);
    }
    let call = Call::part(app.config.documents.mutation_time());
    let (mut lost, mut expected) = (0, Duration::ZERO);
    for attempt in 0_u32.. {
        if attempt > 0 {
            tokio::time::sleep(Duration::from_millis(app.jitter(0, 2 << attempt.min(7)))).await;
        }
        let begun = Instant::now();
        if !call.has_time_for(expected, begun) {
            return Err(NoDeal::Fault(call.too_late()));
        }
        match attempt_across(app, &deal, &desks, &mut memories).await {
            Ok(Attempt::Committed(held)) => return Ok(held),
            Ok(Attempt::Lost) if lost < ATTEMPTS => lost += 1,
            Ok(Attempt::Lost | Attempt::Unknown) => break,
            Err(NoDeal::Fault(Fault::Unavailable { .. })) => expected = begun.elapsed(),
            Err(no_deal) => return Err(no_deal),
        }
        for (desk, memory) in desks.iter().zip(&mut memories) {
            desk.follow(app, memory).await.map_err(NoDeal::Fault)?;
        }
    }
    Err(NoDeal::Fault(Fault::unavailable()))
}

/// What came of a try.
enum Attempt {
    /// The reservations as they are now.
    Committed(Vec<Held>),
    /// Another instance was first.
    Lost,
    /// The commit failed, but may have happened: it is not tried again.
    Unknown,
}

/// One try.
async fn attempt_across(
    app: &App,
    deal: &Deal,
    desks: &[Arc<Desk>],
    memories: &mut [MutexGuard<'_, Option<Stock>>],
) -> Result<Attempt, NoDeal> {
    let now = app.clock.now();
    let mut drafts = Vec::with_capacity(desks.len());
    let mut all_held = Vec::new();
    for ((desk, memory), (_, commands)) in desks.iter().zip(memories.iter_mut()).zip(&deal.legs) {
        // A refusal must rest upon the current version.
        desk.follow(app, memory).await.map_err(NoDeal::Fault)?;
        let mut stock = desk.loaded(app, memory).await.map_err(NoDeal::Fault)?.clone();
        let (decisions, held) = decide_all(&mut stock, commands, now).map_err(NoDeal::Refused)?;
        let change = stock.change_of(&decisions.iter());
        all_held.extend(held);
        drafts.push((stock, change, decisions));
    }
    let tx = app.store.begin().await.map_err(|error| NoDeal::Fault(error.into()))?;
    for (desk, (stock, change, decisions)) in desks.iter().zip(&drafts) {
        let guard = write::guard_in_tx(&tx, desk.id, stock, now).await.map_err(NoDeal::Fault)?;
        if matches!(guard, Guard::Lost) {
            return Ok(Attempt::Lost);
        }
        write::write_in_tx(&tx, desk.id, stock, change, now).await.map_err(NoDeal::Fault)?;
        coupon::write_claims_in_tx(&tx, desk.id, decisions.iter(), now).await.map_err(NoDeal::Fault)?;
    }
    if let Some(no_deal) = accompany(&tx, deal.key.as_ref(), deal.companion.as_ref(), &all_held, now).await {
        return Err(no_deal);
    }
    match tx.commit().await.map_err(Unwritten::of_commit) {
        Ok(()) => {}
        Err(Unwritten::Unknown(error)) => {
            for memory in memories {
                **memory = None;
            }
            let call = Call::current();
            let request = call.as_ref().and_then(Call::request);
            tracing::error!(
                request.id = request, %error,
                "nobody knows whether a deal over several inventories was committed"
            );
            return Ok(Attempt::Unknown);
        }
        Err(Unwritten::No(error)) => return Err(NoDeal::Fault(error.into())),
        Err(Unwritten::Repeated) => return Ok(Attempt::Lost),
    }
    for ((desk, memory), (mut stock, change, _)) in desks.iter().zip(memories).zip(drafts) {
        stock.version += 1;
        app.bus.announce(desk.id, stock.version);
        desk.tell(app, Version { number: stock.version, change });
        **memory = Some(stock);
    }
    Ok(Attempt::Committed(all_held))
}
