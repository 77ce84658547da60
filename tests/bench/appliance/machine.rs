//! What the figures were measured on.

use std::fs::read_to_string;
use std::path::Path;
use std::time::Duration;

/// Processors, memory, the file system of the temporary folder.
pub fn describe() -> String {
    let field = |file: &str, name: &str| {
        let text = read_to_string(file).unwrap_or_default();
        let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_default().to_owned();
        line.split_once(':').map_or_else(String::new, |(_, value)| value.trim().to_owned())
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let memory: u64 = field("/proc/meminfo", "MemTotal").trim_end_matches(" kB").parse().unwrap_or(0);
    format!(
        "{cores} × {}, {} GiB memory, temporary files on {}",
        field("/proc/cpuinfo", "model name"),
        memory.div_ceil(1 << 20),
        file_system(&std::env::temp_dir())
    )
}

/// How much else runs here: the load averages of 1, 5 and 15 minutes.
pub fn load() -> String {
    let text = read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').take(3).collect::<Vec<_>>().join(" ")
}

/// Resident memory of a process in bytes.
pub fn resident(process: u32) -> Option<f64> {
    let text = read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = text.lines().find(|line| line.starts_with("VmRSS:"))?;
    let kilobytes: f64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kilobytes * 1024.0)
}

/// The most memory this process ever had resident, in bytes.
pub fn peak() -> Option<f64> {
    let text = read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kilobytes: f64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kilobytes * 1024.0)
}

/// From now on the peak is that since now (proc(5): writing 5 to clear_refs).
pub fn forget_peak() -> std::io::Result<()> {
    std::fs::write("/proc/self/clear_refs", "5")
}

/// Resident pages of mapped files in this process, in bytes.
pub fn mapped() -> Option<f64> {
    let text = read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find(|line| line.starts_with("RssFile:"))?;
    Some(line.split_whitespace().nth(1)?.parse::<f64>().ok()? * 1024.0)
}

/// Processor time a process has used so far, of all its threads (proc(5): fields 14 and 15, in hundredths).
pub fn processor_time(process: u32) -> Duration {
    let text = read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let after_name = text.rsplit(')').next().unwrap_or_default();
    let ticks = after_name
        .split_whitespace()
        .skip(11)
        .take(2)
        .filter_map(|field| field.parse::<u64>().ok())
        .sum::<u64>();
    Duration::from_millis(ticks * 10)
}

fn file_system(folder: &Path) -> String {
    let mounts = read_to_string("/proc/mounts").unwrap_or_default();
    let mounted = mounts.lines().filter_map(|line| {
        let mut words = line.split(' ').skip(1);
        Some((words.next()?, words.next()?))
    });
    let holding = mounted.filter(|(at, _)| folder.starts_with(at));
    holding.max_by_key(|(at, _)| at.len()).map_or_else(String::new, |(_, kind)| kind.to_owned())
}
