//! A minimal HTTP/1.1 client: one keep-alive connection, complete requests and responses, and one buffer.

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::Outcome;

/// A connection for sequential requests.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    /// Connects to `host:port`.
    pub(crate) async fn open(address: &str) -> Outcome<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Vec::with_capacity(4 * 1024) })
    }

    /// Sends the request and reads the response. Returns the status and the body.
    pub(crate) async fn ask(&mut self, request: &[u8]) -> Outcome<(u16, &[u8])> {
        self.stream.write_all(request).await?;
        self.buffer.clear();
        loop {
            if let Some(head) = head(&self.buffer)? {
                while self.buffer.len() < head.length + head.body {
                    self.read().await?;
                }
                return Ok((head.status, &self.buffer[head.length..]));
            }
            self.read().await?;
        }
    }

    /// Runs an operation that prepares a measurement. Returns its `data`, which must have no errors.
    pub(crate) async fn gql(
        &mut self,
        token: Option<&str>,
        document: &str,
        variables: Value,
    ) -> Outcome<Value> {
        let body = json!({ "query": document, "variables": variables }).to_string();
        let mut request = post_head(token);
        finish(&mut request, body.as_bytes());
        let (status, answer) = self.ask(&request).await?;
        let mut answer: Value = serde_json::from_slice(answer)?;
        let refused = answer["data"].as_object().is_some_and(|data| {
            data.values().any(|field| field["errors"].as_array().is_some_and(|e| !e.is_empty()))
        });
        if status != 200 || !answer["errors"].is_null() || refused {
            let document: String = document.split_whitespace().take(4).collect::<Vec<_>>().join(" ");
            let mut text = answer.to_string();
            text.truncate(600);
            return Err(format!("`{document} …` was answered {status}: {text}").into());
        }
        Ok(answer["data"].take())
    }

    async fn read(&mut self) -> Outcome<()> {
        if self.stream.read_buf(&mut self.buffer).await? == 0 {
            return Err("the server closed the connection".into());
        }
        Ok(())
    }
}

/// Returns the start of a request to the API, for [`finish`].
pub(crate) fn post_head(token: Option<&str>) -> Vec<u8> {
    let mut head = b"POST /graphql HTTP/1.1\r\nhost: tessera\r\ncontent-type: application/json\r\n".to_vec();
    if let Some(token) = token {
        head.extend_from_slice(format!("authorization: Bearer {token}\r\n").as_bytes());
    }
    head
}

/// Appends the rest of a request.
pub(crate) fn finish(request: &mut Vec<u8>, body: &[u8]) {
    request.extend_from_slice(b"content-length: ");
    request.extend_from_slice(body.len().to_string().as_bytes());
    request.extend_from_slice(b"\r\n\r\n");
    request.extend_from_slice(body);
}

/// The contents of a complete response head.
#[derive(Debug, PartialEq, Eq)]
struct Head {
    status: u16,
    /// The number of bytes of the head.
    length: usize,
    /// The number of bytes of the body.
    body: usize,
}

fn head(bytes: &[u8]) -> Outcome<Option<Head>> {
    let Some(end) = find(bytes, b"\r\n\r\n") else { return Ok(None) };
    let text = std::str::from_utf8(&bytes[..end])?;
    let mut lines = text.split("\r\n");
    let status = lines.next().and_then(|line| line.get(9..12)?.parse().ok()).ok_or("no status")?;
    let body = lines
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .ok_or("an answer without content-length")?
        .1
        .trim()
        .parse()?;
    Ok(Some(Head { status, length: end + 4, body }))
}

/// Returns the position of `needle`.
pub(crate) fn find(bytes: &[u8], needle: &[u8]) -> Option<usize> {
    bytes.windows(needle.len()).position(|window| window == needle)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_once_it_is_whole() {
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\nvary: accept\r\n\r\nhello";
        assert_eq!(head(answer).unwrap(), Some(Head { status: 200, length: answer.len() - 5, body: 12 }));
        assert_eq!(head(&answer[..30]).unwrap(), None);
        assert!(head(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").is_err());
    }
}
