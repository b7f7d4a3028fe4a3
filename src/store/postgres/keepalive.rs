//! TCP options of the connections to the database: a peer that is gone is noticed within seconds also while nothing is
//! asked, and routers do not forget a connection that is idle.
//!
//! The driver opens its sockets by itself and shows none of them, so they are looked for among the open files of the
//! process, by the port that they lead to. Where that is not allowed they stay as they are: the deadlines of statements
//! and tests find dead connections too, only later.

/// Sets the options of all connections that lead to the port. `None`: the database has no port.
pub(super) async fn set(port: Option<u16>) {
    let Some(port) = port else { return };
    // A process with ten thousand sockets takes a while to look through.
    if let Err(error) = tokio::task::spawn_blocking(move || platform::set(port)).await {
        tracing::debug!(%error, "no keepalive");
    }
}

#[cfg(target_os = "linux")]
mod platform {
    use std::{fs, net::SocketAddr, os::fd::RawFd, time::Duration};

    use rustix::{
        fd::OwnedFd,
        io,
        net::{getpeername, sockopt},
        process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open},
    };

    /// An idle connection is tested after this.
    const IDLE: Duration = Duration::from_secs(10);
    /// Between two tests that are not answered.
    const INTERVAL: Duration = Duration::from_secs(3);
    /// After so many the connection is lost.
    const COUNT: u32 = 3;
    /// For so long sent data may stay without an acknowledgement, in milliseconds.
    const USER_TIMEOUT_MS: u32 = 10_000;

    pub(super) fn set(port: u16) {
        let Ok(process) = pidfd_open(getpid(), PidfdFlags::empty()) else { return };
        let Ok(files) = fs::read_dir("/proc/self/fd") else { return };
        for file in files.flatten() {
            let is_socket = fs::read_link(file.path())
                .is_ok_and(|target| target.to_string_lossy().starts_with("socket:"));
            let number = file.file_name().to_string_lossy().parse::<RawFd>();
            if is_socket
                && let Ok(number) = number
                // A second handle of the same socket.
                && let Ok(socket) = pidfd_getfd(&process, number, PidfdGetfdFlags::empty())
                && is_connected_to(&socket, port)
                && let Err(error) = keep_alive(&socket)
            {
                tracing::debug!(%error, "no keepalive");
            }
        }
    }

    fn is_connected_to(socket: &OwnedFd, port: u16) -> bool {
        let peer = getpeername(socket).ok().flatten();
        peer.and_then(|peer| SocketAddr::try_from(peer).ok()).is_some_and(|peer| peer.port() == port)
    }

    fn keep_alive(socket: &OwnedFd) -> io::Result<()> {
        sockopt::set_socket_keepalive(socket, true)?;
        sockopt::set_tcp_keepidle(socket, IDLE)?;
        sockopt::set_tcp_keepintvl(socket, INTERVAL)?;
        sockopt::set_tcp_keepcnt(socket, COUNT)?;
        sockopt::set_tcp_user_timeout(socket, USER_TIMEOUT_MS)
    }

    #[cfg(test)]
    mod tests {
        use std::net::{TcpListener, TcpStream};

        use super::*;

        #[test]
        fn connections_to_the_port_are_kept_alive_and_others_are_left_alone() {
            let (listener, other) =
                (TcpListener::bind("127.0.0.1:0").unwrap(), TcpListener::bind("127.0.0.1:0").unwrap());
            let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let left_alone = TcpStream::connect(other.local_addr().unwrap()).unwrap();
            set(listener.local_addr().unwrap().port());
            assert!(sockopt::socket_keepalive(&stream).unwrap());
            assert_eq!(sockopt::tcp_keepidle(&stream).unwrap(), IDLE);
            assert_eq!(sockopt::tcp_user_timeout(&stream).unwrap(), USER_TIMEOUT_MS);
            assert!(!sockopt::socket_keepalive(&left_alone).unwrap());
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod platform {
    pub(super) fn set(_: u16) {}
}
