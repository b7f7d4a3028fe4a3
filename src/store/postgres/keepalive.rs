//! TCP options of the database connections: dead peers are detected within seconds even when idle, and routers keep
//! idle connections in their tables.
//!
//! The driver opens its sockets itself and does not expose them. So this module searches the process's open files for
//! sockets connected to the database's port. If that is not permitted, the options stay unset: statement deadlines and
//! tests still find dead connections, only later.

/// Sets the options of all connections to the port. `None` means that the database has no port.
pub(super) async fn set(port: Option<u16>) {
    let Some(port) = port else { return };
    // Blocking: a process with ten thousand sockets takes a while to scan.
    if let Err(error) = tokio::task::spawn_blocking(move || platform::set(port)).await {
        tracing::debug!(%error, "cannot set the keepalive options");
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

    /// Idle time before the first test of a connection.
    const IDLE: Duration = Duration::from_secs(10);
    /// Time between two unanswered tests.
    const INTERVAL: Duration = Duration::from_secs(3);
    /// Unanswered tests after which the connection is lost.
    const COUNT: u32 = 3;
    /// How long sent data may stay unacknowledged, in milliseconds.
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
                tracing::debug!(%error, "cannot set the keepalive options");
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
