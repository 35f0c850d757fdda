//! What memory a training needs, and what there is.

use std::fs;

use anyhow::ensure;
use gan::{Config, Trainer};

/// So many times what is free is not tried: the system would end this process, or another one.
const HOPELESS: u64 = 4;

/// What is said before a training starts, when the pictures are there, which take `pictures` bytes; with advice where it needs more than is free.
///
/// # Errors
/// The configuration cannot be trained, here at least.
pub(crate) fn words(config: &Config, threads: usize, pictures: u64) -> anyhow::Result<Vec<String>> {
    let critics = config.critic.is_some() || config.inked.is_some();
    said(Trainer::bytes_of(config, threads)?, critics, pictures, available())
}

fn said(own: u64, critics: bool, pictures: u64, free: Option<u64>) -> anyhow::Result<Vec<String>> {
    let besides = if critics { " and what critics beside D take" } else { "" };
    let there = free.map_or_else(String::new, |free| format!("; {} are free", size(free)));
    let needs =
        format!("about {} for networks and steps{besides}, beside {} of pictures{there}", size(own), size(pictures));
    let mut lines = vec![needs];
    if free.is_some_and(|free| own > free) {
        let way = "that is more than there is: a smaller --batch or --config needs less, and --memory 0 keeps pictures in a file";
        ensure!(free.is_none_or(|free| own / HOPELESS <= free), "this training needs {}; {way}", lines[0]);
        lines.push(way.into());
    }
    Ok(lines)
}

fn size(bytes: u64) -> String {
    if bytes < 100_000_000 {
        format!("{} MB", bytes.div_ceil(1_000_000))
    } else {
        format!("{:.1} GB", bytes as f64 / 1e9)
    }
}

/// Bytes that this process can still have, where the system tells: of the machine, and of the control group that it runs in.
fn available() -> Option<u64> {
    let machine = meminfo(&fs::read_to_string("/proc/meminfo").ok()?)?;
    let number = |name: &str| -> Option<u64> {
        fs::read_to_string(format!("/sys/fs/cgroup/memory.{name}")).ok()?.trim().parse().ok()
    };
    let group = number("max").zip(number("current")).map(|(most, used)| most.saturating_sub(used));
    Some(group.map_or(machine, |group| group.min(machine)))
}

/// What Linux says that programs can have, of its `/proc/meminfo`.
fn meminfo(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_said_as_people_do() {
        assert_eq!([1, 99_000_000, 100_000_000, 1_440_000_000].map(size), ["1 MB", "99 MB", "0.1 GB", "1.4 GB"]);
    }

    #[test]
    fn what_linux_says_is_read_and_anything_else_is_nothing() {
        assert_eq!(meminfo("MemTotal:  24 kB\nMemAvailable:    2048 kB\nBuffers: 1 kB\n"), Some(2 << 20));
        for text in ["", "MemAvailable: many kB", "MemAvailable: 5 MB", "MemAvailable: 18446744073709551615 kB"] {
            assert_eq!(meminfo(text), None, "{text}");
        }
    }

    #[test]
    fn a_training_that_is_too_large_is_told_so_with_a_way_out() {
        let tiny = words(&Config::preset("tiny").unwrap(), 1, 5_000_000).unwrap();
        assert!(tiny[0].starts_with("about ") && tiny[0].contains("beside 5 MB of pictures"), "{tiny:?}");
        let said = |own: u64, critics: bool, free: Option<u64>| said(own, critics, 0, free);
        let unknown = said(1 << 30, false, None).unwrap();
        assert_eq!(unknown, ["about 1.1 GB for networks and steps, beside 0 MB of pictures"]);
        assert_eq!(said(1 << 30, true, Some(2 << 30)).unwrap().len(), 1);
        let lines = said(2 << 30, false, Some(1 << 30)).unwrap();
        assert!(lines[0].ends_with("1.1 GB are free"), "{lines:?}");
        assert!(lines[1].contains("--batch") && lines[1].contains("--memory"), "{lines:?}");
        let hopeless = said(5 << 30, false, Some(1 << 30)).unwrap_err().to_string();
        assert!(hopeless.contains("5.4 GB") && hopeless.contains("--batch"), "{hopeless}");
    }
}
