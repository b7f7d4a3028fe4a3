//! Row 9: declined payments, as in a test of stolen cards.

use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use crate::{
    Outcome,
    attack::{
        props::{self, PAY, Vendor, key},
        report::Report,
        sign_in,
        target::{Camp, Start},
    },
    caller::{Caller, STAFF},
};

/// The maximum number of declined payments per order, account or address and hour.
const MOST: u32 = 5;
/// The number of attempts of each attack.
const ATTEMPTS: u32 = 60;

/// Row 9.
pub(crate) async fn row_9(camp: &Camp, report: &mut Report) -> Outcome<()> {
    const REQUIRED: &str = "≤ 5 reach the provider";
    let target = camp.start(Start::default()).await?;
    let event = props::event(&target, props::MAIN).await?;

    let begun = Instant::now();
    let mut buyer = sign_in::buyer(&target, 10).await?;
    let order = props::order(&mut buyer, &event.id, 1).await?;
    let mut declined = 0;
    for _ in 0..ATTEMPTS {
        declined += u32::from(decline(&mut buyer, &order).await);
    }
    let answer = format!("{declined} of {ATTEMPTS} declined in {} ms", begun.elapsed().as_millis());
    report.judged("declined payments of one order", declined <= MOST, answer, REQUIRED);

    let target = camp.start(Start::default()).await?;
    let vendor = Vendor::sign_in(&target, STAFF).await?;
    let mut buyer = sign_in::buyer(&target, 11).await?;
    vendor.many_events(&target, 3, "An event.").await?;
    let mut declined = 0;
    let begun = Instant::now();
    for number in 0..6 {
        // Use a new address for each order, and the same account.
        let mut moved = target.caller(50 + number).with_token(buyer.token.as_deref().unwrap_or_default());
        let Ok(order) = props::order(&mut moved, &event.id, 1).await else { continue };
        for _ in 0..ATTEMPTS / 6 {
            declined += u32::from(decline(&mut moved, &order).await);
        }
        // Cancel the order, so that the next one does not reach another limit.
        let document =
            "mutation($order: ID!) { cancelOrder(input: { orderId: $order }) { errors { code } } }";
        drop(moved.gql(document, json!({ "order": order })).await);
    }
    let answer = format!("{declined} of {ATTEMPTS} declined in {} ms", begun.elapsed().as_millis());
    report.judged(
        "declined payments of one account, 6 orders, 6 addresses",
        declined <= MOST,
        answer,
        REQUIRED,
    );
    drop(buyer.get("/health/live").await);

    let mut declined = 0;
    let begun = Instant::now();
    for _ in 0..6 {
        let mut guest = target.caller(80);
        let Some(token) = props::guest(&mut guest).await else { continue };
        guest.token = Some(token);
        let Ok(order) = props::order(&mut guest, &event.id, 1).await else { continue };
        for _ in 0..ATTEMPTS / 6 {
            declined += u32::from(decline(&mut guest, &order).await);
        }
    }
    let answer = format!("{declined} of {ATTEMPTS} declined in {} ms", begun.elapsed().as_millis());
    report.judged("declined payments of one address, 6 guests", declined <= MOST, answer, REQUIRED);
    tokio::time::sleep(Duration::from_millis(1)).await;
    Ok(())
}

/// Pays with a card that is declined. Returns whether the provider declined it.
pub(crate) async fn decline(caller: &mut Caller, order: &str) -> bool {
    let input = json!({ "order": order, "method": "pm_card_chargeDeclined", "key": key() });
    caller.gql(PAY, input).await.text(2_048).contains("\"FAILED\"")
}
