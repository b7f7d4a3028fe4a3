//! Check-ins, entries and dates across a downgrade and an upgrade of the schema.

use serde_json::{Value, json};

use crate::support::{World, gate::verdict, run};

/// The first migration of the admission.
const FIRST: &str = "m20261129_000040_admission";

#[test]
fn earlier_schema_keeps_the_last_admission_of_each_ticket() {
    run(async |world: &World| {
        let stage = world.stage().await;
        let rules = json!({ "from": world.in_hours(-1), "maxEntries": 3, "reentry": true });
        let show = world.show(&stage, json!({ "admission": rules })).await;
        let mut tickets = Vec::new();
        for seat in &show.seats[..4] {
            tickets.push(world.bought(&show.event, seat).await);
        }
        let [several, once, undone, unused] = &tickets[..] else { panic!("four tickets") };
        for bought in [several, several, several, once] {
            world.scan(&stage.vendor, &bought.code).await.good();
        }
        world.leave(&stage.vendor, json!({ "code": several.code })).await.good();
        let admitted = world.scan(&stage.vendor, &undone.code).await.good();
        world.undo(&stage.vendor, &undone.ticket, &admitted.data("checkIn.ticket.version")).await;

        loop {
            let step = world.app.store.migrate_down(1).await.expect("down");
            assert_eq!(step.len(), 1, "{FIRST} is not applied");
            if step == [FIRST] {
                break;
            }
        }
        world.app.store.migrate().await.expect("up again");

        // The earlier schema cannot say how often a ticket admits. So the rules are the default again.
        let change = json!({ "admission": { "from": world.in_hours(-1) } });
        let event = world.change_event(&show.event, change).await.good().data("updateEvent.event");
        assert_eq!(event["admission"]["maxEntries"], 1, "{event}");
        for date in ["SALES_START", "SALES_END"] {
            let dates = event["derivedDates"].as_array().expect("dates");
            assert!(dates.contains(&json!(date)), "a date that is equal to its default follows: {event}");
        }
        // The buyer's rights were stored with the lines, which the earlier schema has not.
        for (bought, expected) in
            [(several, "USED"), (once, "USED"), (undone, "ADMITTED"), (unused, "ADMITTED")]
        {
            let scan = world.scan(&stage.vendor, &bought.code).await;
            assert_eq!(verdict(&scan), expected, "{}", scan.body);
            let version = match expected {
                "USED" => scan.data("checkIn.errors.0.ticketVersion"),
                _ => scan.data("checkIn.ticket.version"),
            };
            let undo = world.undo(&stage.vendor, &bought.ticket, &version).await;
            assert_eq!(undo.data("undoCheckIn.ticket.state"), "ISSUED", "{}", undo.body);
            assert_eq!(undo.data("undoCheckIn.ticket.checkedInAt"), Value::Null);
            assert_eq!(verdict(&world.scan(&stage.vendor, &bought.code).await), "ADMITTED");
        }
    });
}
