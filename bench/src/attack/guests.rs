//! Row 4: guest accounts are free, so one client can use a thousand of them.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::{task::JoinSet, time::Instant};

use crate::{
    Outcome,
    attack::{
        documents::text,
        props::{self, CHECKOUT, PAY, RESERVE, Vendor, key},
        report::Report,
        target::{Camp, Start, Target},
    },
    caller::{Caller, STAFF},
};

/// The number of guests that hoard a hall of 941 seats, with eight seats each.
const HOARDERS: u32 = 117;

/// Row 4.
pub(crate) async fn row_4(camp: &Camp, report: &mut Report) -> Outcome<()> {
    hoard(camp, report, 1).await?;
    hoard(camp, report, 16).await?;
    coupons(camp, report).await?;
    guesses(camp, report).await?;
    many_guests(camp, report).await
}

/// Reserves eight seats as a guest, and extends the hold by a payment that is never completed.
pub(crate) async fn hold_eight(caller: &mut Caller, event: &str) -> bool {
    let Some(token) = props::guest(caller).await else { return false };
    caller.token = Some(token);
    let input = json!({ "event": event, "quantity": 8, "split": true, "key": key() });
    let answer = caller.gql(RESERVE, input).await.json();
    let Ok(reservation) = text(&answer, "/data/reserveSeats/reservation/id").map(str::to_owned) else {
        return false;
    };
    let answer = caller.gql(CHECKOUT, json!({ "id": reservation, "key": key() })).await.json();
    if let Ok(order) = text(&answer, "/data/checkout/order/id") {
        let input = json!({ "order": order, "method": "pm_card_authenticationRequired", "key": key() });
        drop(caller.gql(PAY, input).await);
    }
    true
}

/// Reserves as many places as possible for guests from this number of addresses.
async fn hoard(camp: &Camp, report: &mut Report, addresses: u32) -> Outcome<()> {
    let target = camp.start(Start::default()).await?;
    let event = props::event(&target, props::MAIN).await?;
    let mut counter = target.caller(STAFF);
    let before = props::reserved(&mut counter, &event.id).await?;
    let begun = Instant::now();
    let mut tasks = JoinSet::new();
    for door in 0..16 {
        let mut caller = target.caller(10 + door % addresses);
        let event = event.id.clone();
        tasks.spawn(async move {
            let mut held = 0;
            for _ in 0..=(HOARDERS / 16) {
                caller.token = None;
                held += u32::from(hold_eight(&mut caller, &event).await);
            }
            held
        });
    }
    let mut holders = 0;
    while let Some(task) = tasks.join_next().await {
        holders += task?;
    }
    let time = begun.elapsed();
    let held = props::reserved(&mut counter, &event.id).await? - before;
    let most = event.capacity * 5 / 100 * i64::from(addresses.min(17));
    let answer =
        format!("{held} of {} seats held by {holders} guests in {} ms", event.capacity, time.as_millis());
    let attack =
        format!("{HOARDERS} guests from {addresses} address(es) hold 8 seats each, payment never finished");
    report.judged(&attack, held <= most, answer, &format!("≤ {most} seats (5 % per address)"));
    Ok(())
}

/// Claims a free coupon as a thousand guests, one copy each.
async fn coupons(camp: &Camp, report: &mut Report) -> Outcome<()> {
    const COPIES: u32 = 1_000;
    let target = camp.start(Start::default()).await?;
    let vendor = Vendor::sign_in(&target, STAFF).await?;
    let coupon = vendor.coupon(&target, COPIES).await?;
    let begun = Instant::now();
    let claimed = swarm(&target, COPIES, move |mut caller| {
        let coupon = coupon.clone();
        async move {
            let Some(token) = props::guest(&mut caller).await else { return (caller, false) };
            caller.token = Some(token);
            let document = "mutation($coupon: ID!, $key: String!) {
                claimCoupon(input: { couponId: $coupon, idempotencyKey: $key }) { claim { id } errors { code } } }";
            let answer = caller.gql(document, json!({ "coupon": coupon, "key": key() })).await.json();
            (caller, text(&answer, "/data/claimCoupon/claim/id").is_ok())
        }
    })
    .await?;
    let answer = format!("{claimed} of {COPIES} coupons in {} ms", begun.elapsed().as_millis());
    let attack = "1,000 guests from one address claim a free coupon, 1 per buyer";
    report.judged(attack, claimed <= 100, answer, "≤ 100 coupons from one address");
    Ok(())
}

/// Sends wrong coupon codes as new guests.
async fn guesses(camp: &Camp, report: &mut Report) -> Outcome<()> {
    const GUESSES: u32 = 2_000;
    let target = camp.start(Start::default()).await?;
    let shop = Vendor::sign_in(&target, STAFF).await?.shop;
    let begun = Instant::now();
    let answered = swarm(&target, GUESSES, move |mut caller| {
        let shop = shop.clone();
        async move {
            let Some(token) = props::guest(&mut caller).await else { return (caller, false) };
            caller.token = Some(token);
            let document = "mutation($shop: ID!, $code: String!, $key: String!) {
                claimCode(input: { shopId: $shop, code: $code, idempotencyKey: $key }) {
                    claim { id } errors { code } } }";
            let code = format!("GUESS-{}", uuid::Uuid::new_v4().simple());
            let input = json!({ "shop": shop, "code": code, "key": key() });
            let answer = caller.gql(document, input).await.json();
            let code = answer.pointer("/data/claimCode/errors/0/code").and_then(Value::as_str);
            (caller, code == Some("UNKNOWN_CODE"))
        }
    })
    .await?;
    let time = begun.elapsed();
    let answer = format!("{answered} of {GUESSES} guesses answered in {} ms", time.as_millis());
    let attack = "2,000 wrong coupon codes from one address, a new guest for each";
    report.judged(attack, answered <= 100, answer, "≤ 100 answered");
    Ok(())
}

/// Creates guests only.
async fn many_guests(camp: &Camp, report: &mut Report) -> Outcome<()> {
    const GUESTS: u32 = 3_000;
    let target = camp.start(Start::default()).await?;
    let meter = target.meter()?;
    let begun = Instant::now();
    let made = swarm(&target, GUESTS, |mut caller| async move {
        let made = props::guest(&mut caller).await.is_some();
        (caller, made)
    })
    .await?;
    let (time, usage) = (begun.elapsed(), meter.read()?);
    let answer =
        format!("{made} of {GUESTS} guests in {} ms, {} ms CPU", time.as_millis(), usage.cpu.as_millis());
    report.judged("3,000 guests from one address", made <= 1_000, answer, "≤ 1,000 made");
    Ok(())
}

/// Runs an attempt this many times over 16 connections of one address. Returns the number of successes.
async fn swarm<F, R>(target: &Target, attempts: u32, attempt: F) -> Outcome<u32>
where
    F: Fn(Caller) -> R + Clone + Send + 'static,
    R: Future<Output = (Caller, bool)> + Send + 'static,
{
    const DOORS: u32 = 16;
    let until = Instant::now() + Duration::from_mins(1);
    let mut tasks = JoinSet::new();
    for door in 0..DOORS {
        let attempt = attempt.clone();
        let mut caller = target.caller(10);
        let share = attempts / DOORS + u32::from(door < attempts % DOORS);
        tasks.spawn(async move {
            let mut succeeded = 0;
            for _ in 0..share {
                if Instant::now() > until {
                    break;
                }
                caller.token = None;
                let (back, success) = attempt(caller).await;
                caller = back;
                succeeded += u32::from(success);
            }
            succeeded
        });
    }
    let mut succeeded = 0;
    while let Some(task) = tasks.join_next().await {
        succeeded += task?;
    }
    Ok(succeeded)
}
