//! The timeouts of a socket.

use std::time::Duration;

/// The timeouts of a socket.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// The time until `connection_init`.
    pub init: Duration,
    /// The time between two pings. A client that is silent for two and a half of these is gone.
    pub ping: Duration,
    /// The longest time for a write that the client does not read.
    pub write: Duration,
    /// The time for the client's close frame.
    pub farewell: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            init: Duration::from_secs(5),
            ping: Duration::from_secs(25),
            write: Duration::from_secs(10),
            farewell: Duration::from_secs(1),
        }
    }
}
