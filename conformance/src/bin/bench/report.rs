//! The table, in Markdown.

use std::path::{Path, PathBuf};

use crate::cases::Case;

/// All samples of one module for one case, or why there are none.
#[derive(Debug, Default)]
pub(crate) struct Samples {
    nanoseconds: Vec<u64>,
    failure: Option<String>,
}

/// One line of the table.
#[derive(Debug)]
pub(crate) struct Line<'a> {
    pub(crate) case: &'a Case,
    pub(crate) samples: [Samples; 2],
}

impl Samples {
    pub(crate) fn add(&mut self, round: Result<Vec<u64>, String>) {
        match round {
            Ok(mut samples) => self.nanoseconds.append(&mut samples),
            Err(failure) => self.failure = Some(failure),
        }
    }

    /// The sample that `percent` of all are not above.
    fn percentile(&self, percent: usize) -> Option<u64> {
        let mut sorted = self.nanoseconds.clone();
        sorted.sort_unstable();
        let rank = (sorted.len() * percent).div_ceil(100);
        sorted.get(rank.saturating_sub(1)).copied()
    }

    fn cell(&self, percent: usize) -> String {
        match (&self.failure, self.percentile(percent)) {
            (Some(failure), _) => failure.clone(),
            (None, Some(nanoseconds)) => time(nanoseconds),
            (None, None) => "no samples".into(),
        }
    }
}

/// Short names of the two modules.
pub(crate) fn names(modules: &[PathBuf; 2]) -> [String; 2] {
    let name = |path: &Path| path.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned());
    let [first, second] = modules.each_ref().map(|path| name(path).trim_start_matches("lib").to_owned());
    if first == second { ["A", "B"].map(|letter| format!("{first} ({letter})")) } else { [first, second] }
}

pub(crate) fn print_head([first, second]: &[String; 2], rounds: usize) {
    println!("{rounds} alternating rounds; the ratio is {first} to {second}, below 1 is faster.\n");
    println!("| | {first} median | p99 | {second} median | p99 | ratio |");
    println!("|---|---:|---:|---:|---:|---:|");
}

pub(crate) fn print_line(line: &Line<'_>) {
    let [first, second] = &line.samples;
    let ratio = match (first.percentile(50), second.percentile(50)) {
        (Some(first), Some(second)) if second > 0 => ratio(first, second),
        _ => "-".into(),
    };
    let throughput = |samples: &Samples| {
        let per_second = line.case.bytes.zip(samples.percentile(50)).filter(|(bytes, _)| *bytes >= 1024);
        per_second.map_or_else(String::new, |(bytes, nanoseconds)| {
            // Bytes per nanosecond are gigabytes per second.
            format!(" ({} MB/s)", bytes as u128 * 1000 / u128::from(nanoseconds.max(1)))
        })
    };
    println!(
        "| {} | {}{} | {} | {}{} | {} | {ratio} |",
        line.case.name,
        first.cell(50),
        throughput(first),
        first.cell(99),
        second.cell(50),
        throughput(second),
        second.cell(99),
    );
}

/// Three significant digits are what a median of a shared machine is worth.
fn time(nanoseconds: u64) -> String {
    match nanoseconds {
        0..10_000 => format!("{}.{:02} us", nanoseconds / 1000, nanoseconds % 1000 / 10),
        10_000..1_000_000 => format!("{}.{} us", nanoseconds / 1000, nanoseconds % 1000 / 100),
        1_000_000..10_000_000_000 => {
            format!("{}.{:02} ms", nanoseconds / 1_000_000, nanoseconds % 1_000_000 / 10_000)
        }
        _ => format!("{} s", nanoseconds / 1_000_000_000),
    }
}

fn ratio(first: u64, second: u64) -> String {
    let hundredths = (u128::from(first) * 100 + u128::from(second) / 2) / u128::from(second);
    format!("{}.{:02}", hundredths / 100, hundredths % 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_samples() {
        let mut samples = Samples::default();
        assert_eq!(samples.percentile(50), None);
        samples.add(Ok((1..=200).rev().collect()));
        assert_eq!((samples.percentile(50), samples.percentile(99)), (Some(100), Some(198)));
        samples.add(Ok(vec![7]));
        assert_eq!(samples.percentile(100), Some(200));
    }

    #[test]
    fn a_failure_is_shown_and_not_averaged() {
        let mut samples = Samples::default();
        samples.add(Ok(vec![5]));
        samples.add(Err("C_Sign 0x30".into()));
        assert_eq!(samples.cell(50), "C_Sign 0x30");
    }

    #[test]
    fn times_and_ratios_are_readable() {
        assert_eq!(time(1_234), "1.23 us");
        assert_eq!(time(123_456), "123.4 us");
        assert_eq!(time(12_345_678), "12.34 ms");
        assert_eq!(ratio(1, 3), "0.33");
        assert_eq!(ratio(200, 100), "2.00");
    }
}
