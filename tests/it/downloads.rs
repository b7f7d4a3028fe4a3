//! Downloads: complete in every encoding and at every speed, and without traces when the client leaves.

use std::io::Read;

use axum::{
    body::{Body, to_bytes},
    http::Request,
};
use flate2::read::GzDecoder;
use futures_util::StreamExt;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::support::{World, given::Stage, run};

/// The codes of the list: more than two pages of the export.
const CODES: usize = 5_000;

/// A download: its path, and the token of a viewer who may see it.
struct Download {
    path: String,
    token: Option<String>,
}

/// Returns all downloads of the server.
async fn downloads(world: &World, stage: &Stage) -> Vec<Download> {
    let codes = (0..CODES).fold(String::new(), |codes, code| codes + &format!("CODE-{code:05}\n"));
    let listed = world.published_with(stage, &codes, json!({})).await;
    let generated = world.published(stage, json!({ "limitPerBuyer": 9 })).await;
    world.claim(&world.guest().await, &generated).await;
    let empty = world.published(stage, json!({})).await;
    let map = "query($id: ID!) { event(id: $id) { seatMap { id } } }";
    let map = world.gql(None, map, json!({ "id": stage.event })).await.good().text("event.seatMap.id");
    let codes = |coupon: &str| Download {
        path: format!("/coupons/{coupon}/codes.csv"),
        token: Some(stage.vendor.clone()),
    };
    let public = |path: &str| Download { path: path.to_owned(), token: None };
    vec![
        codes(&listed),
        codes(&generated),
        codes(&empty),
        public(&format!("/seat-maps/{map}")),
        public("/.well-known/jwks.json"),
        public("/graphiql/"),
    ]
}

impl Download {
    fn request(&self, encoding: &str) -> Request<Body> {
        let request =
            Request::get(&self.path).header("host", "tessera.test").header("accept-encoding", encoding);
        let token = self
            .token
            .iter()
            .fold(request, |request, token| request.header("authorization", format!("Bearer {token}")));
        token.body(Body::empty()).expect("a request")
    }

    /// Returns the content, decoded.
    async fn fetch(&self, world: &World, encoding: &str) -> Vec<u8> {
        let response = world.http(self.request(encoding)).await;
        assert!(response.status().as_u16() < 500, "{} {encoding}: {}", self.path, response.status());
        let coding = response.headers().get("content-encoding").cloned();
        let body = to_bytes(response.into_body(), usize::MAX).await.expect("a complete body");
        decoded(coding.as_ref().and_then(|coding| coding.to_str().ok()), &body)
    }
}

fn decoded(coding: Option<&str>, body: &[u8]) -> Vec<u8> {
    match coding {
        None | Some("identity") => body.to_vec(),
        Some("gzip") => {
            let mut plain = Vec::new();
            GzDecoder::new(body).read_to_end(&mut plain).expect("gzip");
            plain
        }
        Some(other) => panic!("an encoding that the client did not ask for: {other}"),
    }
}

#[test]
fn downloads_are_the_same_in_every_encoding() {
    run(async |world: &World| {
        let stage = world.stage().await;
        for download in downloads(world, &stage).await {
            let plain = download.fetch(world, "identity").await;
            for encoding in [
                "gzip",
                "gzip, deflate, br, zstd",
                "br;q=1.0, gzip;q=0.8, *;q=0.1",
                "deflate",
                "GZIP",
                "*",
                "identity;q=0, gzip",
                "",
            ] {
                let other = download.fetch(world, encoding).await;
                assert!(other == plain, "{} differs in {encoding:?}", download.path);
            }
        }
    });
}

#[test]
fn slow_reader_gets_the_whole_file() {
    run(async |world: &World| {
        let stage = world.stage().await;
        for download in downloads(world, &stage).await {
            let plain = download.fetch(world, "identity").await;
            for encoding in ["identity", "gzip"] {
                let response = world.http(download.request(encoding)).await;
                let coding = response.headers().get("content-encoding").cloned();
                let mut parts = response.into_body().into_data_stream();
                let mut read = Vec::new();
                while let Some(part) = parts.next().await {
                    // The server's other tasks run between two reads.
                    pause().await;
                    read.extend(part.expect("a part"));
                }
                assert!(parts.next().await.is_none(), "a body that is polled after its end has ended");
                let coding = coding.as_ref().and_then(|coding| coding.to_str().ok());
                assert!(decoded(coding, &read) == plain, "{} {encoding}", download.path);
            }
        }
    });
}

#[test]
fn dropped_download_frees_its_slot() {
    run(async |world: &World| {
        let stage = world.stage().await;
        for download in downloads(world, &stage).await {
            for encoding in ["identity", "gzip"] {
                // Unread, and after the first part.
                drop(world.http(download.request(encoding)).await);
                free(world, &download).await;
                let mut parts = world.http(download.request(encoding)).await.into_body().into_data_stream();
                parts.next().await.expect("a part").expect("bytes");
                drop(parts);
                free(world, &download).await;
            }
        }
    });
}

async fn pause() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
}

/// Waits until the download can start again. The task of an abandoned export notices it at the next part.
async fn free(world: &World, download: &Download) {
    for _ in 0..10_000 {
        if world.http(download.request("identity")).await.status() != 429 {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("{} keeps its slot", download.path);
}

#[test]
fn browsers_download_over_a_connection() {
    run(async |world: &World| {
        let stage = world.stage().await;
        let all = downloads(world, &stage).await;
        let address = world.listen().await;
        for download in &all {
            let plain = download.fetch(world, "identity").await;
            let token = download
                .token
                .iter()
                .fold(String::new(), |_, token| format!("authorization: Bearer {token}\r\n"));
            let head = format!(
                "GET {} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\naccept-encoding: gzip, deflate, br\r\n{token}\r\n",
                download.path
            );
            for is_slow in [false, true] {
                let mut stream = TcpStream::connect(&address).await.expect("a connection");
                stream.write_all(head.as_bytes()).await.expect("sent");
                let mut answer = Vec::new();
                let mut buffer = [0; 512];
                loop {
                    let count = stream.read(&mut buffer).await.expect("an answer");
                    if count == 0 {
                        break;
                    }
                    answer.extend(&buffer[..count]);
                    if is_slow {
                        pause().await;
                    }
                }
                let body = content(&answer);
                assert!(body == plain, "{}: {} bytes, not {}", download.path, body.len(), plain.len());
                free(world, download).await;
            }
        }
    });
}

/// Returns the content of a response of HTTP/1.1, without its transfer coding and its content coding.
fn content(answer: &[u8]) -> Vec<u8> {
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").expect("a head");
    let head = String::from_utf8_lossy(&answer[..end]).to_lowercase();
    let mut rest = &answer[end + 4..];
    let mut body = Vec::new();
    if head.contains("transfer-encoding: chunked") {
        loop {
            let line = rest.windows(2).position(|two| two == b"\r\n").expect("a complete body");
            let size = std::str::from_utf8(&rest[..line]).expect("a size");
            let size = usize::from_str_radix(size, 16).expect("a size");
            rest = &rest[line + 2..];
            body.extend(&rest[..size]);
            rest = &rest[size + 2..];
            if size == 0 {
                break;
            }
        }
    } else {
        body.extend(rest);
    }
    decoded(head.contains("content-encoding: gzip").then_some("gzip"), &body)
}
