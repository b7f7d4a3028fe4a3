//! Ticket codes as people copy and scanners type them.

use serde_json::{Value, json};

use crate::support::{Answer, World, given::Stage, run};

async fn scan(world: &World, token: &str, code: &str) -> Answer {
    let document = "mutation($code: String!) { checkIn(input: { code: $code }) {
        ticket { id } errors { code kind path hint } } }";
    world.gql(Some(token), document, json!({ "code": code })).await
}

/// Buys a seat. Returns the code of its ticket.
async fn ticket(world: &World, stage: &Stage, seat: usize) -> String {
    let buyer = world.guest().await;
    let order = world.buy(&buyer, &stage.event, &[&stage.seats[seat]]).await;
    let document = "query($id: ID!) { order(id: $id) { tickets { code } } }";
    world.gql(Some(&buyer), document, json!({ "id": order })).await.good().text("order.tickets.0.code")
}

/// Returns the first error: its code and its hint.
fn error(answer: &Answer) -> (Value, Value) {
    let error = answer.data("checkIn.errors.0");
    (error["code"].clone(), error["hint"].clone())
}

#[test]
fn ticket_code_survives_urls_pages_and_keyboards() {
    run(async |world: &World| {
        let stage = world.stage().await;
        let code = ticket(world, &stage, 0).await;
        assert!(code.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit()), "{code}");
        assert!(!code.contains(['I', 'O', 'Y', 'Z']), "{code}");
        assert!(code.len() <= 178, "a small QR code");
        let (begin, end) = code.split_at(70);
        let copies = [
            code.to_lowercase(),
            format!("{code}\r\n"),
            format!("\t {code}\n"),
            format!("{begin}\r\n{end}"),
            format!("{begin}  {end}"),
            format!("{begin}%20{end}%0D%0A"),
            format!("{begin}\u{200b}{end}\u{feff}"),
            format!("{begin}-\n{end}"),
            format!("{begin}&#8203;{end}&nbsp;"),
            format!("„{code}“."),
            format!("<{begin}\u{a0}{end}>"),
            format!("{code}\0"),
        ];
        scan(world, &stage.vendor, &copies[0]).await.good();
        // Each other copy is the same ticket, which is used now.
        for copy in &copies[1..] {
            let answer = scan(world, &stage.vendor, copy).await;
            assert_eq!(error(&answer).0, "USED", "{copy:?}: {}", answer.body);
        }
    });
}

#[test]
fn unreadable_code_is_not_called_forged() {
    run(async |world: &World| {
        let stage = world.stage().await;
        let code = ticket(world, &stage, 0).await;
        let french = code.replace('2', "é").replace('1', "&");
        for (text, hint) in [
            ("https://tickets.example.org/t/123", "NOT_A_TICKET"),
            ("4006381333931", "NOT_A_TICKET"),
            ("BEGIN:VCARD\r\nFN:Ada\r\nEND:VCARD", "NOT_A_TICKET"),
            ("?", "NOT_A_TICKET"),
            (&code[..code.len() - 3], "DAMAGED"),
            (&format!("{code}{code}"), "DAMAGED"),
            (&format!("{}{}", &code[..50], &code[51..]), "DAMAGED"),
            ("TSR1:ABC", "DAMAGED"),
            (&french, "KEYBOARD_LAYOUT"),
        ] {
            let answer = scan(world, &stage.vendor, text).await;
            assert_eq!(error(&answer), (json!("UNREADABLE"), json!(hint)), "{text:?}: {}", answer.body);
            assert_eq!(answer.data("checkIn.errors.0.kind"), "NOT_FOUND");
            assert_eq!(answer.data("checkIn.errors.0.path"), json!(["code"]));
        }
        // The last characters belong to the signature.
        let last = if code.ends_with('0') { "1" } else { "0" };
        let forged = format!("{}{last}", &code[..code.len() - 1]);
        let answer = scan(world, &stage.vendor, &forged).await;
        assert_eq!(error(&answer), (json!("FORGED"), Value::Null), "{}", answer.body);
        scan(world, &stage.vendor, &code).await.good();
    });
}
