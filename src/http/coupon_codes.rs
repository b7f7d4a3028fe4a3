//! Lists of coupon codes as CSV files: an upload of up to 100,000 codes, and a download of all codes.
//!
//! They are separate from GraphQL because they are files. They require the right to edit the coupon. Uploads follow the
//! rules of the mutation `importCouponCodes`. Its options are parameters of the URL: `dryRun`, `firstLine` and `column`. A
//! shop has one transfer at a time.
//!
//! An upload ends with its client: if the client disconnects before the commit begins, nothing is stored.

use std::{num::NonZeroUsize, time::Duration};

use axum::{
    Json, Router,
    extract::{Path, Query, Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use entity::{CouponId, ShopId};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    answer::{self, Failure, MediaType},
    bearer,
    body::{self, Limits},
    door::Door,
    files::{admit, stream_export},
    request_id::RequestId,
};
use crate::{
    auth::Viewer,
    call::Call,
    coupon::{
        code_list::{FirstLine, Options, SkipReason},
        export::export,
        upload::{self, Imported, Preview, Refusal, Upload},
    },
    error::{Error, Fault, Object, Result as Outcome},
    graphql::{code::ApiCode, coupon::codes::named},
};

/// The header with the caller's idempotency key.
pub(super) const KEY: &str = "idempotency-key";
/// The longest time for the import of an uploaded file.
const UPLOAD_TIME: Duration = Duration::from_mins(2);

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
    let Ok(Query(asked_for)) = Query::<UploadParameters>::try_from_uri(&parts.uri) else {
        let message = "The parameters of the URL are dryRun (true or false), firstLine (HEADING or CODE) and \
            column (from 1).";
        return answer::refused(StatusCode::BAD_REQUEST, ApiCode::BadUserInput, message);
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
    let dry_run = asked_for.dry_run;
    let options = asked_for.options(charset(&parts.headers));
    let upload = Upload { coupon: id, text: text.into(), options, dry_run, key };
    let app = door.engine.app.clone();
    let request = parts.extensions.get::<RequestId>().map_or("", RequestId::as_str);
    let call = Call::new(request, UPLOAD_TIME);
    let _abandoned = AbandonWhenDropped(call.clone());
    // A task of its own: a commit that has begun finishes even if the client disconnects.
    let work = door.engine.app.spawn(call.scope(async move {
        let imported = upload::import(&app, &viewer, upload).await;
        drop(permit);
        imported
    }));
    match work.await {
        Ok(outcome) => uploaded(outcome, dry_run),
        Err(error) => answer::fault(&Fault::internal(error)),
    }
}

/// Abandons an upload whose client has disconnected, unless its commit has begun.
struct AbandonWhenDropped(Call);

impl Drop for AbandonWhenDropped {
    fn drop(&mut self) {
        self.0.abandon();
    }
}

/// The parameters of an upload's URL.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct UploadParameters {
    dry_run: bool,
    first_line: Option<FirstLineParameter>,
    column: Option<NonZeroUsize>,
}

/// What the sender says about the first line.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum FirstLineParameter {
    Heading,
    Code,
}

impl UploadParameters {
    fn options(&self, charset: Option<String>) -> Options {
        let first_line = self.first_line.map(|first_line| match first_line {
            FirstLineParameter::Heading => FirstLine::Heading,
            FirstLineParameter::Code => FirstLine::Code,
        });
        Options { first_line, column: self.column.map(NonZeroUsize::get), charset }
    }
}

/// Returns the `charset` of the request's media type.
fn charset(headers: &HeaderMap) -> Option<String> {
    let media = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    let parameters = media.split(';').skip(1).filter_map(|parameter| parameter.split_once('='));
    let charset = parameters.filter(|(name, _)| name.trim().eq_ignore_ascii_case("charset")).last();
    charset.map(|(_, value)| value.trim().trim_matches('"').to_owned())
}

fn uploaded(outcome: Outcome<Imported, Refusal>, dry_run: bool) -> Response {
    match outcome {
        Ok(Imported { added, preview }) => {
            let mut body = json!({ "imported": added.count, "stock": added.coupon.stock });
            let warnings: Vec<String> = preview.reading.warnings.iter().map(ToString::to_string).collect();
            if dry_run {
                body["preview"] = previewed(&preview);
            }
            if !warnings.is_empty() {
                body["warnings"] = json!(warnings);
            }
            Json(body).into_response()
        }
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

fn previewed(preview: &Preview) -> Value {
    let Preview { count, first_codes, reading } = preview;
    let skipped: Vec<Value> = reading
        .skipped
        .iter()
        .map(|line| json!({ "line": line.line, "why": reason(line.why), "text": line.text }))
        .collect();
    json!({
        "codeCount": count, "firstCodes": first_codes, "encoding": reading.encoding,
        "delimiter": reading.delimiter, "column": reading.column, "skipped": skipped,
        "skippedCount": reading.skipped_count,
    })
}

fn reason(why: SkipReason) -> &'static str {
    match why {
        SkipReason::Blank => "BLANK",
        SkipReason::Comment => "COMMENT",
        SkipReason::Heading => "HEADING",
        SkipReason::Delimiter => "DELIMITER",
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
