//! Row 2: large and deeply nested variables, declared by the document or not.

use crate::{
    Outcome,
    attack::{
        documents::fire,
        props,
        report::Report,
        target::{Camp, Start},
    },
    caller::Caller,
};

/// The size of the variables in bytes, slightly below the limit of signed-in callers before the fix.
const BYTES: usize = 23_000_000;

/// Returns a JSON list of this item, with about this number of bytes.
fn list(item: &str, bytes: usize) -> String {
    let times = (bytes / (item.len() + 1)).max(1);
    format!("[{item}{}]", format!(",{item}").repeat(times - 1))
}

/// Returns a JSON object with about this number of bytes.
fn object(bytes: usize) -> String {
    let members: Vec<String> = (0..bytes / 14).map(|number| format!("\"k{number:07}\":0")).collect();
    format!("{{{}}}", members.join(","))
}

fn body(document: &str, variables: &str) -> Vec<u8> {
    format!("{{\"query\":\"{document}\",\"variables\":{{\"x\":{variables}}}}}").into_bytes()
}

/// Row 2.
pub(crate) async fn row_2(camp: &Camp, report: &mut Report) -> Outcome<()> {
    const PLAIN: &str = "{__typename}";
    const DECLARED: &str = "query($x:[Int!]){__typename}";
    const USED: &str = "query($x:[ID!]){applicableCoupons(reservationIds:$x){saves{amount}}}";
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    let large: [(&str, Vec<u8>); 10] = [
        ("undeclared, 23 MB of `[0,0,…]`", body(PLAIN, &list("0", BYTES))),
        ("undeclared, 23 MB of `[{\"\":0},…]`", body(PLAIN, &list("{\"\":0}", BYTES))),
        ("undeclared, 23 MB of `[[],[],…]`", body(PLAIN, &list("[]", BYTES))),
        ("undeclared, an object of 1.6 M members", body(PLAIN, &object(BYTES))),
        ("undeclared, one string of 23 MB", body(PLAIN, &format!("\"{}\"", "x".repeat(BYTES)))),
        ("declared and unused, 23 MB of `[0,0,…]`", body(DECLARED, &list("0", BYTES))),
        ("declared and used, 23 MB of `[\"\",…]`", body(USED, &list("\"\"", BYTES))),
        ("nested 120 levels, 20,000 times", body(PLAIN, &list(&nested(120), 20_000 * 241))),
        ("`extensions` of 23 MB", {
            format!("{{\"query\":\"{PLAIN}\",\"extensions\":{{\"x\":{}}}}}", list("0", BYTES)).into_bytes()
        }),
        ("unknown member of 23 MB", {
            format!("{{\"query\":\"{PLAIN}\",\"x\":{}}}", list("0", BYTES)).into_bytes()
        }),
    ];
    let mut target = camp.start(Start::default()).await?;
    let mut guest = target.caller(1);
    let token = props::guest(&mut guest).await.ok_or("no guest")?;
    for (number, (attack, body)) in (2..).zip(large) {
        let mut caller = target.caller(number).with_token(&token);
        fire(report, &target, (&mut caller, &format!("guest: {attack}")), &body).await?;
        target = camp.calm(target).await?;
    }
    let vendor = props::sign_in(&target, 19, props::VENDOR).await?;
    let mut caller = target.caller(19).with_token(&vendor);
    let attack = "vendor, another operation than an import: 23 MB of `[0,0,…]`";
    fire(report, &target, (&mut caller, attack), &body(PLAIN, &list("0", BYTES))).await?;
    target = camp.calm(target).await?;
    let small: [(&str, Vec<u8>); 4] = [
        ("256 KB of `[{\"\":0},…]`", body(PLAIN, &list("{\"\":0}", 250_000))),
        ("60 KB of `[0,0,…]`, declared", body(DECLARED, &list("0", 60_000))),
        ("60 KB of `[\"\",…]`, used", body(USED, &list("\"\"", 60_000))),
        ("nested 10,000 levels", body(PLAIN, &nested(10_000))),
    ];
    for (number, (attack, body)) in (20..).zip(small) {
        let mut caller: Caller = target.caller(number);
        fire(report, &target, (&mut caller, &format!("anonymous: {attack}")), &body).await?;
    }
    Ok(())
}
