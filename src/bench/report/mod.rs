//! What a run of the bench found, apart from how it is shown.

mod machine;
mod markdown;
mod measure;
mod table;

pub use machine::Machine;
pub use markdown::render_markdown;
pub use measure::{Bar, Measure, Unit, Verdict};
pub use table::render_table;

use serde::Serialize;

use super::load::Outcome;
use crate::model::Timestamp;

/// All rows of a run, and where they were measured.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// When it ran.
    #[serde(serialize_with = "as_text")]
    pub date: Timestamp,
    /// On what.
    pub machine: Machine,
    /// What was measured, in the order of measuring.
    pub rows: Vec<Row>,
    /// What a reader must know about the whole run.
    pub notes: Vec<String>,
}

/// One measurement.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    /// The scenario it belongs to.
    pub scenario: &'static str,
    /// What was measured.
    pub what: String,
    /// The figures; none when the measurement failed.
    pub measured: Option<Measure>,
    /// What a release must reach.
    pub must: Option<Bar>,
    /// What the project aims at.
    pub aim: Option<Bar>,
    /// How the figures compare with both.
    pub verdict: Verdict,
    /// Further figures, or why there are none.
    pub note: String,
}

impl Row {
    /// A figure that is only shown.
    pub fn shown(scenario: &'static str, what: impl Into<String>, measured: Measure) -> Self {
        let (must, aim) = (None, None);
        let (measured, verdict) = (Some(measured), Verdict::Shown);
        Row { scenario, what: what.into(), measured, must, aim, verdict, note: String::new() }
    }

    /// A measurement that could not be made.
    pub fn failed(scenario: &'static str, what: impl Into<String>, reason: impl Into<String>) -> Self {
        let (measured, must, aim) = (None, None, None);
        Row {
            scenario,
            what: what.into(),
            measured,
            must,
            aim,
            verdict: Verdict::Failed,
            note: reason.into(),
        }
    }

    /// Judges the median by two bars, `aim` the harder one.
    #[must_use]
    pub fn judged(mut self, must: Bar, aim: Bar) -> Self {
        if let Some(measured) = self.measured {
            self.verdict = Verdict::of(measured.median, must, aim);
        }
        (self.must, self.aim) = (Some(must), Some(aim));
        self
    }

    /// Adds words to the figures.
    #[must_use]
    pub fn noted(mut self, note: impl AsRef<str>) -> Self {
        if !self.note.is_empty() {
            self.note.push_str("; ");
        }
        self.note.push_str(note.as_ref());
        self
    }

    /// Marks the row as failed when calls of its load did: a fast error must not pass for a fast answer.
    #[must_use]
    pub fn checked(mut self, outcome: &Outcome) -> Self {
        if outcome.errors > 0 || outcome.latency.count() == 0 {
            self.verdict = Verdict::Failed;
            let first = outcome.first_error.as_deref().unwrap_or("no call was answered");
            return self.noted(format!("{} calls failed, the first: {first}", outcome.errors));
        }
        self
    }
}

impl Report {
    /// Whether every row with a bar reached what it must.
    pub fn passed(&self) -> bool {
        !self.rows.iter().any(|row| matches!(row.verdict, Verdict::Missed | Verdict::Failed))
    }

    /// Takes back all verdicts by figures, for runs too small to compare.
    pub fn withhold_verdicts(&mut self) {
        for row in &mut self.rows {
            if row.verdict != Verdict::Failed {
                row.verdict = Verdict::Shown;
            }
        }
    }
}

fn as_text<S: serde::Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(time)
}
