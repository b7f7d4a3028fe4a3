//! Reads the processor time and memory of a process from `/proc`.

use std::{
    collections::{BTreeSet, HashMap},
    fs,
    net::Ipv4Addr,
    time::Duration,
};

use crate::Outcome;

/// The clock ticks per second in `/proc/<pid>/stat`, a constant of Linux's interface.
const TICKS_PER_SECOND: u64 = 100;

/// A reading of a process for comparison with a later one.
#[derive(Clone, Debug)]
pub(crate) struct Meter {
    pid: u32,
    ticks: u64,
    threads: HashMap<String, u64>,
    resident_kib: i64,
}

/// The resources that a process used since a [`Meter`] was started.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Usage {
    /// The processor time.
    pub(crate) cpu: Duration,
    /// The growth of the resident memory, in KiB.
    pub(crate) growth_kib: i64,
    /// The highest resident memory minus the memory at the start, in KiB.
    pub(crate) peak_kib: i64,
}

impl Meter {
    /// Reads the process and resets its peak memory.
    pub(crate) fn start(pid: u32) -> Outcome<Self> {
        // Needs no privilege for a process of the same user.
        fs::write(format!("/proc/{pid}/clear_refs"), "5")?;
        let (ticks, threads) = (ticks(pid)?, threads(pid)?);
        Ok(Self { pid, ticks, threads, resident_kib: status(pid, "VmRSS:")? })
    }

    /// Returns the resources used since the start.
    pub(crate) fn read(&self) -> Outcome<Usage> {
        let now = threads(self.pid)?;
        let precise: u64 = now
            .iter()
            .map(|(thread, time)| time.saturating_sub(*self.threads.get(thread).unwrap_or(&0)))
            .sum();
        let ticked = (ticks(self.pid)?.saturating_sub(self.ticks)) * 1_000_000_000 / TICKS_PER_SECOND;
        // Only the ticks include threads that have ended, so they are the larger number in this case.
        let ended = self.threads.keys().any(|thread| !now.contains_key(thread));
        let nanos = if ended { precise.max(ticked) } else { precise };
        Ok(Usage {
            cpu: Duration::from_nanos(nanos),
            growth_kib: status(self.pid, "VmRSS:")? - self.resident_kib,
            peak_kib: status(self.pid, "VmHWM:")? - self.resident_kib,
        })
    }
}

/// Returns the resident memory of a process, in KiB.
pub(crate) fn resident_kib(pid: u32) -> Outcome<i64> {
    status(pid, "VmRSS:")
}

/// Returns the user and system time, in ticks.
fn ticks(pid: u32) -> Outcome<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name in parentheses may contain spaces, so count the fields after it, starting with the third.
    let fields: Vec<&str> = stat.rsplit_once(')').ok_or("no name in stat")?.1.split_whitespace().collect();
    let field = |number: usize| -> Outcome<u64> { Ok(fields.get(number).ok_or("a short stat")?.parse()?) };
    Ok(field(11)? + field(12)?)
}

/// Returns the nanoseconds on a processor per thread.
fn threads(pid: u32) -> Outcome<HashMap<String, u64>> {
    let mut threads = HashMap::new();
    for entry in fs::read_dir(format!("/proc/{pid}/task"))? {
        let entry = entry?;
        // A thread may end between listing and reading.
        let Ok(text) = fs::read_to_string(entry.path().join("schedstat")) else { continue };
        let time = text.split_whitespace().next().and_then(|time| time.parse().ok()).unwrap_or(0);
        threads.insert(entry.file_name().to_string_lossy().into_owned(), time);
    }
    Ok(threads)
}

fn status(pid: u32, key: &str) -> Outcome<i64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix(key)).ok_or("a line of status is missing")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}

/// A client's address and port.
pub(crate) type Peer = (Ipv4Addr, u16);

/// Returns the clients whose connections to `port` the server still holds. Excludes connections that the server has
/// closed with unsent bytes, which have no inode.
pub(crate) fn held(port: u16) -> Outcome<BTreeSet<Peer>> {
    Ok(fs::read_to_string("/proc/net/tcp")?.lines().filter_map(|line| held_by(line, port)).collect())
}

fn held_by(line: &str, port: u16) -> Option<Peer> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let (_, local) = address(fields.get(1)?)?;
    let (remote, remote_port) = address(fields.get(2)?)?;
    let open = *fields.get(9)? != "0" && remote_port != 0;
    (open && local == port).then_some((remote, remote_port))
}

/// Parses an address in `/proc/net/tcp`: hexadecimal in the machine's byte order, colon, port.
fn address(text: &str) -> Option<Peer> {
    let (address, port) = text.split_once(':')?;
    let address = u32::from_str_radix(address, 16).ok()?;
    Some((Ipv4Addr::from(address.to_ne_bytes()), u16::from_str_radix(port, 16).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_that_the_process_has_closed_is_not_held() {
        let line = |inode| {
            format!(
                "1: 0100007F:1F90 0302017F:D431 01 00000000:00000000 00:00000000 00000000 0 0 {inode} 1 0"
            )
        };
        if cfg!(target_endian = "little") {
            assert_eq!(held_by(&line("77"), 8080), Some((Ipv4Addr::new(127, 1, 2, 3), 0xd431)));
            assert_eq!(held_by(&line("0"), 8080), None);
            assert_eq!(held_by(&line("77"), 8081), None);
        }
    }

    #[test]
    fn work_shows_in_the_meter() {
        let meter = Meter::start(std::process::id()).unwrap();
        let mut sum = 0_u64;
        for number in 0..20_000_000_u64 {
            sum = std::hint::black_box(sum ^ number);
        }
        assert!(meter.read().unwrap().cpu > Duration::ZERO, "{sum}");
    }
}
