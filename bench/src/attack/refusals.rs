//! Row 12, the rest: look-alike addresses, malformed requests, names in messages, old tokens, guessed ticket codes.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::{
    Outcome,
    attack::{
        documents::{body, text},
        props::{self, GUEST, SCANNER},
        report::Report,
        sockets,
        target::{Camp, Start, Target},
    },
    caller::{Caller, source},
};

/// The leeway of an access token in seconds, as the server documents it.
const LEEWAY: u64 = 5;

/// Row 12.
pub(crate) async fn row_12(camp: &Camp, report: &mut Report) -> Outcome<()> {
    let target = camp.start(Start::default()).await?;
    look_alikes(report, &target).await?;
    hosts(report, &target).await?;
    documents(report, &target).await?;
    sockets::foreign(report, &target).await?;
    sockets::floods(report, &target).await?;
    sockets::orphans(report, &target).await?;
    sockets::crowds(report, &target).await?;
    check_in(report, &target).await?;
    names(camp, report).await?;
    old_token(camp, report).await
}

/// Addresses that look like the vendor's.
async fn look_alikes(report: &mut Report, target: &Target) -> Outcome<()> {
    let cases = [
        ("Cyrillic е", "v\u{435}ndor@tessera.example"),
        ("Cyrillic е in the domain", "vendor@t\u{435}ssera.example"),
        ("zero-width space", "ven\u{200b}dor@tessera.example"),
        ("zero-width joiner", "vendor\u{200d}@tessera.example"),
        ("soft hyphen", "ven\u{ad}dor@tessera.example"),
        ("full-width letters", "\u{ff56}endor@tessera.example"),
        ("right-to-left override", "\u{202e}vendor@tessera.example"),
        // An accent that makes a letter of some alphabet is another address, as `müller` and `muller` are two.
        ("combining stroke", "ven\u{336}dor@tessera.example"),
        ("combining circle", "vendor\u{20dd}@tessera.example"),
    ];
    let document = "mutation($email: String!) {
        signUp(input: { email: $email, password: \"correct horse battery\" }) {
            session { account { email } } errors { code } } }";
    for (number, (case, email)) in (10..).zip(cases) {
        let answer = target.caller(number).gql(document, json!({ "email": email })).await;
        let made = text(&answer.json(), "/data/signUp/session/account/email").is_ok();
        report.judged(&format!("sign-up with a {case}"), !made, answer.summary(), "refused");
    }
    Ok(())
}

/// Requests whose Host header is missing, double or foreign.
async fn hosts(report: &mut Report, target: &Target) -> Outcome<()> {
    let own = target.address;
    let body = String::from_utf8(body("{__typename}"))?;
    let cases = [
        ("no Host", String::new()),
        ("two Hosts", format!("host: {own}\r\nhost: evil.example\r\n")),
        ("two equal Hosts", format!("host: {own}\r\nhost: {own}\r\n")),
        ("an empty Host", "host: \r\n".to_owned()),
        ("a foreign Host", "host: evil.example\r\n".to_owned()),
        ("a Host with a path", format!("host: {own}/x\r\n")),
        ("a Host with user information", format!("host: a@{own}\r\n")),
    ];
    for (number, (case, lines)) in (20..).zip(cases) {
        let request = format!(
            "POST /graphql HTTP/1.1\r\n{lines}content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        let answer = Caller::new(own, source(number)).raw(request.as_bytes()).await;
        let refused = answer.status == 0 || (400..500).contains(&answer.status);
        report.judged(&format!("HTTP/1.1 with {case}"), refused, answer.summary(), "4xx");
    }
    Ok(())
}

/// Documents that validation must refuse.
async fn documents(report: &mut Report, target: &Target) -> Outcome<()> {
    let cases = [
        ("an unknown directive on a field", "{__typename @nope}"),
        ("an unknown directive on the operation", "query @nope {__typename}"),
        ("an unknown directive on a fragment", "{...F @nope} fragment F on Query {__typename}"),
        ("an unknown directive on a variable", "query($x:Int @nope){__typename}"),
        ("`@skip` on an operation", "query @skip(if:true) {__typename}"),
        ("`@include` twice", "{__typename @include(if:true) @include(if:true)}"),
        (
            "a duplicate input field",
            "mutation{signIn(input:{email:\"a@b.c\",email:\"d@e.f\",password:\"12345678\"}){errors{code}}}",
        ),
        ("a duplicate field of a nested input", "{events(filter:{search:\"a\",search:\"b\"}){nodes{id}}}"),
        ("a duplicate argument", "{events(first:1,first:2){nodes{id}}}"),
        ("a duplicate variable", "query($x:Int,$x:Int){events(first:$x){nodes{id}}}"),
    ];
    for (number, (case, document)) in (30..).zip(cases) {
        let answer = target.caller(number).gql(document, json!({})).await;
        let refused = !answer.json()["errors"].is_null() || answer.status >= 400;
        report.judged(case, refused, answer.summary(), "refused");
    }
    Ok(())
}

/// Wrong ticket codes, as a stolen scanner guesses them.
async fn check_in(report: &mut Report, target: &Target) -> Outcome<()> {
    const GUESSES: u32 = 500;
    let token = props::sign_in(target, 90, SCANNER).await?;
    let mut scanner = target.caller(90).with_token(&token);
    let document =
        "mutation($code: String!) { checkIn(input: { code: $code }) { ticket { id } errors { code } } }";
    let begun = Instant::now();
    let mut answered = 0;
    for number in 0..GUESSES {
        let code = format!("TSR1:{number:0158}");
        let answer = scanner.gql(document, json!({ "code": code })).await;
        let code =
            answer.json().pointer("/data/checkIn/errors/0/code").and_then(Value::as_str).map(str::to_owned);
        answered +=
            u32::from(code.is_some_and(|code| matches!(code.as_str(), "INVALID" | "FORGED" | "NOT_FOUND")));
    }
    let answer = format!("{answered} of {GUESSES} answered in {} ms", begun.elapsed().as_millis());
    report.judged("500 wrong ticket codes at `checkIn`", answered <= 100, answer, "≤ 100 answered");
    Ok(())
}

/// What validation says of the schema when introspection is off.
async fn names(camp: &Camp, report: &mut Report) -> Outcome<()> {
    const NAMES: [&str; 14] = [
        "Query",
        "Mutation",
        "EventConnection",
        "EventFilter",
        "EventSort",
        "SignInInput",
        "PickInput",
        "\"Event\"",
        "`Event`",
        "Viewer",
        "DateTime",
        "password",
        "ShopRole",
        "Did you mean",
    ];
    let target = camp.start(Start { arguments: &["--introspection", "false"], ..Start::default() }).await?;
    let cases = [
        ("an unknown root field", "{nope}"),
        ("an unknown field", "{events{nope}}"),
        ("an unknown argument", "{events(nope:1){nodes{id}}}"),
        ("an argument of a wrong type", "{events(first:\"x\"){nodes{id}}}"),
        ("a wrong enum value", "{events(sort:{field:NOPE}){nodes{id}}}"),
        ("a missing selection", "{events}"),
        ("a selection on a leaf", "{events{nodes{id{x}}}}"),
        ("an unknown input field", "{events(filter:{nope:1}){nodes{id}}}"),
        ("a missing input field", "mutation{signIn(input:{email:\"a\"}){errors{code}}}"),
        ("a variable of a wrong type", "query($x:Int){event(slug:$x){id}}"),
        ("an unknown variable type", "query($x:Nope){__typename}"),
        ("a variable of an output type", "query($x:Event){__typename}"),
        ("a fragment on an impossible type", "{events{nodes{...on Shop{id}}}}"),
        ("a fragment on an unknown type", "{...on Nope{id}}"),
        ("`__typename` of an unknown field", "{eventz{__typename}}"),
        (
            "a pick with two members",
            "mutation{reserveSeats(input:{eventId:\"x\",idempotencyKey:\"12345678\",\
          pick:{seatIds:[],admission:null}}){errors{code}}}",
        ),
    ];
    for (number, (case, document)) in (10..).zip(cases) {
        let answer = target.caller(number).gql(document, json!({})).await;
        let message: Vec<String> = match answer.json()["errors"].as_array() {
            Some(errors) => errors.iter().map(|error| error["message"].to_string()).collect(),
            None => Vec::new(),
        };
        let message = message.join(" ");
        // What the document itself says is no news.
        let leaks: Vec<&str> =
            NAMES.into_iter().filter(|name| message.contains(name) && !document.contains(name)).collect();
        let answer =
            format!("{} tells {leaks:?}: {}", answer.status, message.chars().take(110).collect::<String>());
        report.judged(
            &format!("introspection off: {case}"),
            leaks.is_empty(),
            answer,
            "no name of the schema",
        );
    }
    Ok(())
}

/// A token that is used all the time until it is refused.
async fn old_token(camp: &Camp, report: &mut Report) -> Outcome<()> {
    let target = camp.start(Start { arguments: &["--access-seconds", "30"], ..Start::default() }).await?;
    let mut guest = target.caller(10);
    let begun = Instant::now();
    let data = guest.data(GUEST, json!({})).await?;
    let token = text(&data, "/createGuestSession/session/accessToken")?.to_owned();
    let mut guest = guest.with_token(&token);
    let query = body("{viewer{account{id}}}");
    let mut socket = sockets::session_as(target.address, source(11), Some(&token)).await?;
    let (mut last, mut last_over_socket, mut asked) = (Duration::ZERO, Duration::ZERO, 0);
    while begun.elapsed() < Duration::from_secs(30 + LEEWAY + 8) {
        let at = begun.elapsed();
        let answer = guest.post(&query).await;
        asked += 1;
        if answer.status == 200 && text(&answer.json(), "/data/viewer/account/id").is_ok() {
            last = at;
        }
        let at = begun.elapsed();
        if sockets::is_known(&mut socket, asked).await {
            last_over_socket = at;
        }
        sleep(Duration::from_millis(200)).await;
    }
    for (what, last) in [("over HTTP", last), ("over a WebSocket that was open before", last_over_socket)] {
        // Times in a token are whole seconds.
        let passed = last <= Duration::from_secs(30 + LEEWAY + 1);
        let answer = format!("last accepted after {:.1} s of {asked} requests", last.as_secs_f64());
        report.judged(&format!("an access token of 30 s with 5 s leeway, {what}"), passed, answer, "≤ 36 s");
    }
    Ok(())
}
