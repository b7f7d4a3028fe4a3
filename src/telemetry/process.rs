//! Metrics of the process, read from `/proc/self` on Linux.

/// Processor time, memory and open files of this process.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Process {
    /// Processor time in seconds, of all threads, in user and system mode.
    pub(super) cpu_seconds: f64,
    /// Resident memory in bytes.
    pub(super) resident_bytes: u64,
    /// Open file descriptors.
    pub(super) open_files: u64,
    /// Running threads.
    pub(super) threads: u64,
}

/// Clock ticks per second in `/proc`, which Linux fixes at 100 on all architectures that Rust supports.
const TICKS: f64 = 100.0;

/// Reads the metrics. Returns `None` on systems without `/proc`.
pub(super) fn read() -> Option<Process> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let open_files = std::fs::read_dir("/proc/self/fd").ok()?.count();
    parse(&stat, &status, open_files)
}

#[expect(clippy::cast_precision_loss, reason = "ticks of a process's life are far below 2^52")]
fn parse(stat: &str, status: &str, open_files: usize) -> Option<Process> {
    // The second field is the program's name in brackets, which may contain blanks and brackets.
    let (_, fields) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = fields.split_ascii_whitespace().collect();
    let ticks = fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?;
    let line = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_ascii_whitespace().next()?.parse::<u64>().ok()
    };
    Some(Process {
        cpu_seconds: ticks as f64 / TICKS,
        resident_bytes: line("VmRSS:")? * 1024,
        open_files: open_files as u64,
        threads: line("Threads:")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_with_brackets_does_not_shift_the_fields() {
        let stat = "7 (a) b) S 1 7 7 0 -1 4194304 100 0 0 0 250 50 0 0 20 0 9 0 100 1000 200";
        let status = "Name:\ta\nVmRSS:\t    2048 kB\nThreads:\t9\n";
        let expected = Process { cpu_seconds: 3.0, resident_bytes: 2_097_152, open_files: 12, threads: 9 };
        assert_eq!(parse(stat, status, 12), Some(expected));
        assert_eq!(parse("", status, 12), None);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn this_process_has_memory_files_and_threads() {
        let process = read().expect("metrics");
        assert!(process.resident_bytes > 1_000_000 && process.open_files > 2 && process.threads > 0);
    }
}
