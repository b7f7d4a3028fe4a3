//! Lists of coupon codes as CSV files: an upload of up to 100,000 codes, and a download of all codes.
//!
//! They are separate from GraphQL because they are files. They require the right to edit the coupon. Uploads follow the
//! rules of the mutation `importCouponCodes`. A shop has one transfer at a time.

use axum::{
    Json, Router,
    extract::{Path, Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use entity::{CouponId, ShopId};
use serde_json::json;

use super::{
    answer::{self, Failure, MediaType},
    bearer,
    body::{self, Limits},
    door::Door,
    files::{admit, stream_export},
};
use crate::{
    auth::Viewer,
    coupon::{
        export::export,
        upload::{self, Added, Refusal, Upload},
    },
    error::{Error, Fault, Object, Result as Outcome},
    graphql::{code::ApiCode, coupon::named},
};

/// The header with the caller's idempotency key.
pub(super) const KEY: &str = "idempotency-key";

pub(super) fn routes() -> Router<Door> {
    Router::new()
        .route("/coupons/{id}/codes", post(upload_codes))
        .route("/coupons/{id}/codes.csv", get(codes))
}

/// Imports a CSV file. If a line is wrong, imports nothing.
async fn upload_codes(State(door): State<Door>, Path(id): Path<String>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let (id, shop, viewer) = match asked(&door, id, &parts.headers).await {
        Ok(asked) => asked,
        Err(response) => return *response,
    };
    if !is_csv(&parts.headers) {
        let message = "Send the codes as text/csv.";
        return answer::refused(StatusCode::UNSUPPORTED_MEDIA_TYPE, ApiCode::UnsupportedMediaType, message);
    }
    // Refuse before the body is read.
    let permit = match admit(&door.engine.app, shop) {
        Ok(permit) => permit,
        Err(response) => return *response,
    };
    let text = match body::read(&parts.headers, body, Limits::CODES).await {
        Ok(text) => text,
        Err((status, refusal)) => return Failure::Http(status, refusal).answer(MediaType::Json),
    };
    let key = parts.headers.get(KEY).map(|key| String::from_utf8_lossy(key.as_bytes()).into_owned());
    let app = door.engine.app.clone();
    // A task of its own: it finishes even if the client disconnects.
    let work = door.engine.app.spawn(async move {
        let imported = upload::import(&app, &viewer, Upload { coupon: id, text: text.into(), key }).await;
        drop(permit);
        imported
    });
    match work.await {
        Ok(outcome) => uploaded(outcome),
        Err(error) => answer::fault(&Fault::internal(error)),
    }
}

fn uploaded(outcome: Outcome<Added, Refusal>) -> Response {
    match outcome {
        Ok(added) => Json(json!({ "imported": added.count, "stock": added.coupon.stock })).into_response(),
        Err(Error::Refused(Refusal::Lines(faults))) => {
            let lines: Vec<_> = faults
                .reported
                .iter()
                .map(|fault| json!({ "line": fault.line, "why": fault.why.to_string() }))
                .collect();
            let body = json!({ "code": ApiCode::InvalidCodes.as_str(), "faultCount": faults.count, "faults": lines });
            (StatusCode::UNPROCESSABLE_ENTITY, Json(body)).into_response()
        }
        Err(Error::Refused(Refusal::Coupon(_))) => {
            answer::refused(StatusCode::CONFLICT, ApiCode::Ended, "The coupon has ended.")
        }
        Err(Error::Fault(fault)) => answer::fault(&fault),
    }
}

/// Sends all codes of the coupon as a CSV file.
async fn codes(State(door): State<Door>, Path(id): Path<String>, headers: HeaderMap) -> Response {
    let (id, shop, viewer) = match asked(&door, id, &headers).await {
        Ok(asked) => asked,
        Err(response) => return *response,
    };
    let permit = match admit(&door.engine.app, shop) {
        Ok(permit) => permit,
        Err(response) => return *response,
    };
    match export(&door.engine.app, &viewer, id).await {
        Ok(export) => {
            let about = [
                (header::CONTENT_TYPE, HeaderValue::from_static("text/csv; charset=utf-8; header=present")),
                (header::CONTENT_DISPOSITION, HeaderValue::from_static("attachment; filename=\"codes.csv\"")),
                (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
            ];
            (about, stream_export(&door.engine.app, export, permit)).into_response()
        }
        Err(fault) => answer::fault(&fault),
    }
}

/// Returns the coupon, its shop and the viewer, if the viewer may edit the coupon.
async fn asked(
    door: &Door,
    id: String,
    headers: &HeaderMap,
) -> Result<(CouponId, ShopId, Viewer), Box<Response>> {
    let id = named(id).ok_or_else(not_found)?;
    let viewer = bearer::authenticate(&door.engine.app, headers).await;
    let viewer = viewer.map_err(|failure| failure.answer(MediaType::Json))?;
    let shop =
        upload::authorise(&door.engine.app, &viewer, id).await.map_err(|fault| answer::fault(&fault))?;
    Ok((id, shop, viewer))
}

fn is_csv(headers: &HeaderMap) -> bool {
    let media = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    media.split(';').next().is_some_and(|media| media.trim().eq_ignore_ascii_case("text/csv"))
}

fn not_found() -> Response {
    answer::fault(&Fault::NotFound(Object::Coupon))
}
