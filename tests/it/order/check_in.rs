//! Check-in at the gate: repeated scans, and what an error tells.

use serde_json::{Value, json};

use crate::support::{World, run};

#[test]
fn removed_scanner_cannot_repeat_a_check_in() {
    run(async |world: &World| {
        let stage = world.stage().await;
        let buyer = world.guest().await;
        let order = world.buy(&buyer, &stage.event, &[&stage.seats[0]]).await;
        let tickets = "query($id: ID!) { order(id: $id) { tickets { code } } }";
        let tickets = world.gql(Some(&buyer), tickets, json!({ "id": order })).await.good();
        let scanner = world.user("scanner").await;
        let set = "mutation($shop: ID!, $version: Long!) { setShopMember(input: { shopId: $shop,
            expectedVersion: $version, email: \"scanner@tessera.test\", role: SCANNER }) { errors { code } } }";
        let version = world.shop_version(&stage.shop).await;
        world.gql(Some(&stage.vendor), set, json!({ "shop": stage.shop, "version": version })).await.good();
        let document =
            "mutation($input: CheckInInput!) { checkIn(input: $input) { ticket { id } errors { code } } }";
        let input = json!({ "input": { "code": tickets.text("order.tickets.0.code"),
            "idempotencyKey": "the-only-scan" } });
        world.gql(Some(&scanner), document, input.clone()).await.good();
        world.gql(Some(&scanner), document, input.clone()).await.good();
        let account = "{ viewer { account { id } } }";
        let account = world.gql(Some(&scanner), account, json!({})).await.text("viewer.account.id");
        let remove = "mutation($shop: ID!, $version: Long!, $account: ID!) { removeShopMember(input: {
            shopId: $shop, expectedVersion: $version, accountId: $account }) { errors { code } } }";
        let version = world.shop_version(&stage.shop).await;
        let member = json!({ "shop": stage.shop, "version": version, "account": account });
        world.gql(Some(&stage.vendor), remove, member).await.good();
        let repeated = world.gql(Some(&scanner), document, input).await;
        assert_eq!(repeated.code().as_deref(), Some("FORBIDDEN"), "{}", repeated.body);
        assert_eq!(repeated.data("checkIn"), Value::Null);
    });
}

#[test]
fn repeated_check_in_admits_the_guest_and_an_error_names_the_earlier_one() {
    run(async |world: &World| {
        let stage = world.stage().await;
        let buyer = world.guest().await;
        let order = world.buy(&buyer, &stage.event, &[&stage.seats[0]]).await;
        let tickets = "query($id: ID!) { order(id: $id) { tickets { id code label } } }";
        let ticket = world.gql(Some(&buyer), tickets, json!({ "id": order })).await.good();
        let code = ticket.text("order.tickets.0.code");
        let document =
            "mutation($input: CheckInInput!) { checkIn(input: $input) { ticket { id state checkedInAt }
            errors { code kind path ticketId ticketLabel eventId earlierCheckIn { at accountId } } } }";
        let scan = async |token: &str, input: Value| {
            world.gql(Some(token), document, json!({ "input": input })).await
        };
        let first = json!({ "code": code, "idempotencyKey": "the-first-scan" });
        let admitted = scan(&stage.vendor, first.clone()).await.good();
        world.advance(std::time::Duration::from_mins(1));
        // The answer was lost: the same key admits the guest again.
        assert_eq!(scan(&stage.vendor, first).await.good().body, admitted.body);
        let account = "{ viewer { account { id } } }";
        let scanner = world.gql(Some(&stage.vendor), account, json!({})).await.text("viewer.account.id");
        for input in [json!({ "code": code }), json!({ "code": code, "idempotencyKey": "another-scan" })] {
            let used = scan(&stage.vendor, input).await;
            let error = used.data("checkIn.errors.0");
            assert_eq!(
                (&error["code"], &error["kind"]),
                (&json!("USED"), &json!("CONFLICT")),
                "{}",
                used.body
            );
            assert_eq!(error["ticketId"], ticket.data("order.tickets.0.id"));
            assert_eq!(error["ticketLabel"], ticket.data("order.tickets.0.label"));
            assert_eq!(error["eventId"], *stage.event);
            assert_eq!(error["earlierCheckIn"]["at"], admitted.data("checkIn.ticket.checkedInAt"));
            assert_eq!(error["earlierCheckIn"]["accountId"], *scanner);
        }
        let misused =
            scan(&stage.vendor, json!({ "code": "TSR1:OTHER", "idempotencyKey": "the-first-scan" })).await;
        assert_eq!(misused.refusal("checkIn").as_deref(), Some("IDEMPOTENCY_MISMATCH"), "{}", misused.body);
        // Another shop learns nothing about the ticket.
        let other = world.user("other-vendor").await;
        let foreign = scan(&other, json!({ "code": code })).await;
        let expected = json!({ "code": "WRONG_EVENT", "kind": "REFUSED", "path": [], "ticketId": null,
            "ticketLabel": null, "eventId": null, "earlierCheckIn": null });
        assert_eq!(foreign.data("checkIn.errors.0"), expected, "{}", foreign.body);
    });
}
