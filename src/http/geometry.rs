//! The geometry of seat maps as files. It is separate from GraphQL because it never changes, so browsers and caches
//! keep it.
//!
//! Access is the same as for `SeatMap`: public after an event on the map was published, and until then for members of
//! the shop. A public geometry stays public, so this fact is cached.
//!
//! The bytes are made once, plain and compressed, and cached. Each encoding has its own entity tag.

use std::{
    io::Write,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use aws_lc_rs::digest::{SHA256, digest};
use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Path, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use entity::SeatMapId;
use flate2::{Compression, write::GzEncoder};
use moka::future::Cache;

use super::{
    answer::{self, MediaType},
    bearer::authenticate,
    door::Door,
};
use crate::{
    app::App,
    auth::Viewer,
    error::{Fault, FaultResult, Object},
    graphql::seat_map::{geometry, named},
    venue::{self, find},
};

/// Bytes of all cached geometries. That of a stadium with 20,000 seats has about two million.
const BYTES_MAX: u64 = 128 * 1024 * 1024;
/// The caching of a public geometry: a year, which is the longest time that caches accept.
const PUBLIC: &str = "public, max-age=31536000, immutable";
/// The caching of a geometry that is not public.
const PRIVATE: &str = "private, max-age=31536000, immutable";

/// The cache of geometries.
#[derive(Clone)]
pub(super) struct Geometries(Cache<SeatMapId, Arc<Geometry>>);

struct Geometry {
    plain: Form,
    gzip: Form,
    /// Whether an event on the map was published.
    is_public: AtomicBool,
}

/// A geometry in one encoding.
struct Form {
    bytes: Bytes,
    tag: HeaderValue,
}

impl Default for Geometries {
    fn default() -> Self {
        let weigh = |_: &SeatMapId, geometry: &Arc<Geometry>| {
            u32::try_from(geometry.plain.bytes.len() + geometry.gzip.bytes.len()).unwrap_or(u32::MAX)
        };
        Self(Cache::builder().max_capacity(BYTES_MAX).weigher(weigh).build())
    }
}

pub(super) fn routes() -> Router<Door> {
    Router::new().route("/seat-maps/{id}", get(seat_map))
}

async fn seat_map(State(door): State<Door>, Path(id): Path<String>, headers: HeaderMap) -> Response {
    let Some(id) = named(id) else { return refused(&Fault::NotFound(Object::SeatMap)) };
    match find_for(&door, id, &headers).await {
        Ok((geometry, cache)) => geometry.answer(&headers, cache),
        Err(failure) => failure,
    }
}

/// Returns the geometry with its `Cache-Control` header, if the caller may see it.
async fn find_for(
    door: &Door,
    id: SeatMapId,
    headers: &HeaderMap,
) -> Result<(Arc<Geometry>, &'static str), Response> {
    let (app, kept) = (&door.engine.app, &door.geometries.0);
    if let Some(geometry) = kept.get(&id).await
        && geometry.is_public.load(Relaxed)
    {
        return Ok((geometry, PUBLIC));
    }
    let is_public = match find::revision(app, &Viewer::ANONYMOUS, id).await {
        Ok(_) => true,
        Err(Fault::NotFound(_)) => {
            let viewer = authenticate(&door.engine.app, headers)
                .await
                .map_err(|failure| failure.answer(MediaType::Json))?;
            find::revision(app, &viewer, id).await.map_err(|fault| refused(&fault))?;
            false
        }
        Err(fault) => return Err(refused(&fault)),
    };
    let made = kept.try_get_with(id, Geometry::make(app, id)).await;
    let geometry = made.map_err(|fault| refused(&fault))?;
    geometry.is_public.fetch_or(is_public, Relaxed);
    Ok((geometry, if is_public { PUBLIC } else { PRIVATE }))
}

impl Geometry {
    async fn make(app: &App, id: SeatMapId) -> FaultResult<Arc<Self>> {
        let map = venue::seat_map(app, id).await?;
        tokio::task::spawn_blocking(move || Self::of(&map)).await.map_err(Fault::internal)?
    }

    fn of(map: &venue::SeatMap) -> FaultResult<Arc<Self>> {
        let text = geometry(map).map_err(Fault::internal)?;
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(text.as_bytes()).map_err(Fault::internal)?;
        let gzip = encoder.finish().map_err(Fault::internal)?;
        let name = BASE64_URL_SAFE_NO_PAD.encode(&digest(&SHA256, text.as_bytes()).as_ref()[..16]);
        let tag = |end: &str| HeaderValue::from_str(&format!("\"{name}{end}\"")).map_err(Fault::internal);
        Ok(Arc::new(Self {
            plain: Form { tag: tag("")?, bytes: text.into() },
            gzip: Form { tag: tag("-gzip")?, bytes: gzip.into() },
            is_public: AtomicBool::new(false),
        }))
    }

    fn answer(&self, headers: &HeaderMap, cache: &'static str) -> Response {
        let gzip = accepts_gzip(headers);
        let form = if gzip { &self.gzip } else { &self.plain };
        let about = [
            (header::ETAG, form.tag.clone()),
            (header::CACHE_CONTROL, HeaderValue::from_static(cache)),
            (header::VARY, HeaderValue::from_static("accept-encoding")),
        ];
        if [&self.plain, &self.gzip].iter().any(|form| is_known(headers, &form.tag)) {
            return (StatusCode::NOT_MODIFIED, about).into_response();
        }
        let json = (header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let mut response = (about, [json], Body::from(form.bytes.clone())).into_response();
        if gzip {
            response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        response
    }
}

/// Returns whether the client has the content with this tag. A weak tag matches too.
fn is_known(headers: &HeaderMap, tag: &HeaderValue) -> bool {
    items(headers, &header::IF_NONE_MATCH)
        .any(|known| known == "*" || known.strip_prefix("W/").unwrap_or(known).as_bytes() == tag.as_bytes())
}

/// Returns whether the client accepts gzip, by name or by `*`, with a quality above zero.
fn accepts_gzip(headers: &HeaderMap) -> bool {
    let mut everything = false;
    for item in items(headers, &header::ACCEPT_ENCODING) {
        let (coding, parameters) = item.split_once(';').unwrap_or((item, ""));
        let quality = parameters.trim().strip_prefix("q=").map_or(Ok(1.0), str::parse::<f32>);
        let wanted = quality.is_ok_and(|quality| quality > 0.0);
        match coding.trim() {
            coding if coding.eq_ignore_ascii_case("gzip") => return wanted,
            "*" => everything = wanted,
            _ => {}
        }
    }
    everything
}

fn items<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    headers
        .get_all(name)
        .iter()
        .flat_map(|value| value.to_str().unwrap_or_default().split(','))
        .map(str::trim)
}

/// Returns the response to a fault. The map may become public later, so a 404 must not be cached.
fn refused(fault: &Fault) -> Response {
    ([(header::CACHE_CONTROL, "no-store")], answer::fault(fault)).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gzip_is_sent_only_if_accepted() {
        let cases = [
            ("gzip", true),
            ("GZIP;q=0.5", true),
            ("deflate, gzip;q=1.0, *;q=0.5", true),
            ("*", true),
            ("gzip;q=0", false),
            ("*, gzip;q=0", false),
            ("*;q=0", false),
            ("br, deflate", false),
            ("identity", false),
            ("", false),
        ];
        for (accept, expected) in cases {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static(accept));
            assert_eq!(accepts_gzip(&headers), expected, "{accept}");
        }
        assert!(!accepts_gzip(&HeaderMap::new()));
    }

    #[test]
    fn known_tag_is_recognised_in_any_list() {
        let tag = HeaderValue::from_static("\"abc\"");
        for (known, expected) in [
            ("\"abc\"", true),
            ("W/\"abc\"", true),
            ("\"x\", \"abc\"", true),
            ("*", true),
            ("\"abc-gzip\"", false),
            ("abc", false),
            ("", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::IF_NONE_MATCH, HeaderValue::from_static(known));
            assert_eq!(is_known(&headers, &tag), expected, "{known}");
        }
    }
}
