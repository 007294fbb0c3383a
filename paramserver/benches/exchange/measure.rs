//! What processes use, as the kernel tells it.

use std::fs;

/// Seconds of processor time that a process has used, over all its threads.
pub fn cpu_seconds(process: u32) -> f64 {
    // In clock ticks, a hundred of which are a second on Linux.
    const TICKS: f64 = 100.0;
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / TICKS
}

/// The most memory that a process has held, in MB.
pub fn peak_megabytes(process: u32) -> f64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() / 1000.0
}

pub fn median(sorted: &[f64]) -> f64 {
    percentile(sorted, 50)
}

pub fn percentile(sorted: &[f64], percent: usize) -> f64 {
    sorted[(sorted.len() * percent / 100).min(sorted.len() - 1)]
}
