use std::fmt;
use std::time::Duration;

use serde::Serialize;

/// What a figure counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// One rate divided by another.
    Ratio,
    /// Requests, commits or puts a second.
    PerSecond,
    /// Milliseconds.
    Milliseconds,
    /// Seconds.
    Seconds,
    /// Microseconds of CPU.
    CpuMicroseconds,
    /// 1,000,000 bytes.
    Megabytes,
    /// 1,000 bytes.
    Kilobytes,
}

/// The median of some samples, and the range they span.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Measure {
    /// The middle sample; of an even number the mean of the two in the middle.
    pub median: f64,
    /// The smallest sample.
    pub min: f64,
    /// The largest sample.
    pub max: f64,
    /// How many samples.
    pub samples: usize,
    /// What they count.
    pub unit: Unit,
}

impl Measure {
    /// Sums up samples; all zero when there are none.
    pub fn of(unit: Unit, samples: impl IntoIterator<Item = f64>) -> Self {
        let mut sorted: Vec<f64> = samples.into_iter().collect();
        sorted.sort_by(f64::total_cmp);
        let at = |index: usize| sorted.get(index).copied().unwrap_or(0.0);
        let median = (at(sorted.len().saturating_sub(1) / 2) + at(sorted.len() / 2)) / 2.0;
        Measure { median, min: at(0), max: at(sorted.len().saturating_sub(1)), samples: sorted.len(), unit }
    }

    /// One latency.
    pub fn latency(latency: Duration) -> Self {
        Measure::of(Unit::Milliseconds, [latency.as_secs_f64() * 1e3])
    }
}

impl fmt::Display for Measure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.unit.show(self.median))?;
        if self.samples > 1 {
            write!(f, " ({}–{})", self.unit.number(self.min), self.unit.number(self.max))?;
        }
        Ok(())
    }
}

impl Unit {
    /// A figure with its unit.
    pub fn show(self, value: f64) -> String {
        let number = self.number(value);
        match self {
            Unit::Ratio => format!("{number}x"),
            Unit::PerSecond => format!("{number}/s"),
            Unit::Milliseconds => format!("{number} ms"),
            Unit::Seconds => format!("{number} s"),
            Unit::CpuMicroseconds => format!("{number} us"),
            Unit::Megabytes => format!("{number} MB"),
            Unit::Kilobytes => format!("{number} KB"),
        }
    }

    fn number(self, value: f64) -> String {
        match self {
            Unit::Ratio => format!("{value:.2}"),
            Unit::PerSecond | Unit::Megabytes => grouped(value),
            Unit::Milliseconds if value >= 100.0 => format!("{value:.0}"),
            Unit::Milliseconds | Unit::Seconds => format!("{value:.2}"),
            Unit::CpuMicroseconds | Unit::Kilobytes => format!("{value:.1}"),
        }
    }
}

/// Whole numbers with a comma before each three digits.
fn grouped(value: f64) -> String {
    let digits = format!("{:.0}", value.max(0.0));
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A threshold for a figure, in the figure's unit.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Bar {
    /// The figure is at least this.
    AtLeast(f64),
    /// The figure is below this.
    Below(f64),
}

impl Bar {
    /// Whether a figure reaches it.
    pub fn reached(self, value: f64) -> bool {
        match self {
            Bar::AtLeast(least) => value >= least,
            Bar::Below(limit) => value < limit,
        }
    }

    /// As it is written in the report.
    pub fn show(self, unit: Unit) -> String {
        match self {
            Bar::AtLeast(least) => format!("≥ {}", unit.show(least)),
            Bar::Below(limit) => format!("< {}", unit.show(limit)),
        }
    }
}

/// How a figure compares with its bars.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// As good as the project aims at.
    Aim,
    /// As good as it must be.
    Must,
    /// Not as good as it must be.
    Missed,
    /// Calls failed, or there is no figure.
    Failed,
    /// There is no bar.
    Shown,
}

impl Verdict {
    /// Judges a figure.
    pub fn of(value: f64, must: Bar, aim: Bar) -> Self {
        if aim.reached(value) {
            Verdict::Aim
        } else if must.reached(value) {
            Verdict::Must
        } else {
            Verdict::Missed
        }
    }

    /// As it is written in the report.
    pub fn name(self) -> &'static str {
        match self {
            Verdict::Aim => "aim",
            Verdict::Must => "must",
            Verdict::Missed => "MISSED",
            Verdict::Failed => "FAILED",
            Verdict::Shown => "",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_and_ranges() {
        let odd = Measure::of(Unit::Ratio, [0.9, 0.7, 0.8]);
        assert_eq!((odd.median, odd.min, odd.max), (0.8, 0.7, 0.9));
        assert_eq!(Measure::of(Unit::Ratio, [1.0, 2.0]).median, 1.5);
        assert_eq!(Measure::of(Unit::Ratio, []).median, 0.0);
        assert_eq!(odd.to_string(), "0.80x (0.70–0.90)");
    }

    #[test]
    fn figures_are_shown_with_their_unit() {
        let table = [
            (Unit::PerSecond, 1_234_567.4, "1,234,567/s"),
            (Unit::PerSecond, 999.0, "999/s"),
            (Unit::Milliseconds, 1.234, "1.23 ms"),
            (Unit::Milliseconds, 1234.5, "1234 ms"),
            (Unit::Seconds, 0.5, "0.50 s"),
            (Unit::Megabytes, 300.0, "300 MB"),
            (Unit::CpuMicroseconds, 11.16, "11.2 us"),
        ];
        for (unit, value, text) in table {
            assert_eq!(unit.show(value), text);
        }
    }

    #[test]
    fn verdicts_follow_the_bars() {
        let (must, aim) = (Bar::Below(10.0), Bar::Below(2.0));
        assert_eq!(Verdict::of(1.9, must, aim), Verdict::Aim);
        assert_eq!(Verdict::of(2.0, must, aim), Verdict::Must);
        assert_eq!(Verdict::of(10.0, must, aim), Verdict::Missed);
        assert_eq!(Verdict::of(0.75, Bar::AtLeast(0.75), Bar::AtLeast(0.9)), Verdict::Must);
        assert_eq!(Bar::AtLeast(4000.0).show(Unit::PerSecond), "≥ 4,000/s");
    }
}
