//! The handshake of a WebSocket.

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use tokio::{io::AsyncWriteExt, net::TcpStream, time::timeout};

use crate::{
    Outcome,
    caller::{connect, read_answer},
};

/// Opens a WebSocket with these additional header lines. Returns the status and the stream.
pub(crate) async fn upgrade(
    target: SocketAddr,
    from: Ipv4Addr,
    (host, more): (&str, &str),
) -> Outcome<(u16, TcpStream)> {
    let mut stream = connect(target, from).await?;
    let request = format!(
        "GET /graphql HTTP/1.1\r\nhost: {host}\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         sec-websocket-protocol: graphql-transport-ws\r\n{more}\r\n"
    );
    stream.write_all(request.as_bytes()).await?;
    let mut buffer = Vec::new();
    let answer = timeout(Duration::from_secs(10), read_answer(&mut stream, &mut buffer)).await??;
    Ok((answer.status, stream))
}
