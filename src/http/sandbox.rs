//! The authentication page of the sandbox's bank, for payments with `pm_card_authenticationRequired`.
//!
//! It exists only if the sandbox is the payment provider. It accepts any client that knows the intent's id, because no
//! money moves.

use axum::{
    Form, Router,
    extract::{Path, State},
    http::{HeaderValue, StatusCode, header},
    response::{Html, IntoResponse, Response},
    routing::get,
};
use serde::Deserialize;

use super::{answer::not_found, door::Door};
use crate::payment::sandbox::Sandbox;

const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; \
                      frame-ancestors 'none'";
const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:30rem;margin:15vh auto;padding:0 1rem;color:#1b1b25}\
                     h1{font-size:1.4rem}button{font:inherit;padding:.6rem 1.2rem;margin-right:.6rem;border-radius:.4rem;\
                     border:1px solid #5a4fcf;background:#fff;color:#5a4fcf;cursor:pointer}\
                     button[value=yes]{background:#5a4fcf;color:#fff}";

#[derive(Deserialize)]
struct Answer {
    answer: String,
}

pub(super) fn routes() -> Router<Door> {
    Router::new().route("/sandbox/authenticate/{intent}", get(ask).post(answer))
}

async fn ask() -> Response {
    page(
        StatusCode::OK,
        "<h1>The sandbox's bank</h1><p>Is it you who pays? No money moves.</p><form method=post>\
         <button name=answer value=yes>Complete</button><button name=answer value=no>Fail</button></form>",
    )
}

async fn answer(
    State(door): State<Door>,
    Path(intent): Path<String>,
    Form(Answer { answer }): Form<Answer>,
) -> Response {
    let Some(sandbox) = &door.engine.app.payment.sandbox else { return not_found().await };
    respond(sandbox, &intent, answer == "yes").await
}

async fn respond(sandbox: &Sandbox, intent: &str, yes: bool) -> Response {
    match sandbox.authenticate(intent, yes).await {
        Ok(Some(_)) if yes => page(StatusCode::OK, "<h1>Thank you</h1><p>Go back to the shop.</p>"),
        Ok(Some(_)) => {
            page(StatusCode::OK, "<h1>Declined</h1><p>Go back to the shop and pay another way.</p>")
        }
        Ok(None) => {
            page(StatusCode::CONFLICT, "<h1>Nothing to do</h1><p>This step was taken or given up.</p>")
        }
        Err(_) => page(StatusCode::SERVICE_UNAVAILABLE, "<h1>Not possible right now</h1><p>Try again.</p>"),
    }
}

fn page(status: StatusCode, body: &str) -> Response {
    let html = format!(
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content=\"width=device-width\">\
         <title>Sandbox</title><style>{STYLE}</style>{body}</html>"
    );
    let policy = (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    (status, [policy], Html(html)).into_response()
}
