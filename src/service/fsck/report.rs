use serde::Serialize;

/// How a check went, worst last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Nothing to tell, or something to know.
    Ok,
    /// Something that a person should look at and that breaks nothing.
    Warning,
    /// Something is lost or wrong.
    Damaged,
}

impl Severity {
    /// Its name as reports show it.
    pub fn name(self) -> &'static str {
        match self {
            Severity::Ok => "ok",
            Severity::Warning => "warning",
            Severity::Damaged => "damaged",
        }
    }
}

/// One thing that a check found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// What it is and, where it is not obvious, what to do.
    pub message: String,
}

/// One check of a project.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What was checked.
    pub check: &'static str,
    /// The worst of its findings.
    pub result: Severity,
    /// How much was looked at, for people.
    pub covered: String,
    /// What was found.
    pub findings: Vec<Finding>,
}

/// What the checks of a project found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FsckReport {
    /// The worst of all results.
    pub result: Severity,
    /// The last change set of the journal.
    pub sequence: u64,
    /// How many entries the branches of all environments hold.
    pub entries: usize,
    /// The checks, in order.
    pub checks: Vec<Check>,
}

impl FsckReport {
    /// How many checks found damage.
    pub fn damaged(&self) -> usize {
        self.checks.iter().filter(|check| check.result == Severity::Damaged).count()
    }

    /// What is damaged.
    pub fn damage(&self) -> impl Iterator<Item = &str> {
        let findings = self.checks.iter().flat_map(|check| &check.findings);
        findings
            .filter(|finding| finding.severity == Severity::Damaged)
            .map(|finding| finding.message.as_str())
    }
}

/// A check under way.
pub(super) struct Findings {
    check: &'static str,
    findings: Vec<Finding>,
    more: usize,
    result: Severity,
}

/// How many findings of one check are told one by one.
const MOST_FINDINGS: usize = 100;

impl Findings {
    pub fn of(check: &'static str) -> Self {
        Findings { check, findings: Vec::new(), more: 0, result: Severity::Ok }
    }

    /// Notes what was found; beyond a bound it is only counted.
    pub fn add(&mut self, severity: Severity, message: impl Into<String>) {
        self.result = self.result.max(severity);
        if self.findings.len() < MOST_FINDINGS {
            self.findings.push(Finding { severity, message: message.into() });
        } else {
            self.more += 1;
        }
    }

    /// Counts further findings that are as bad as the worst.
    pub fn add_uncounted(&mut self, more: usize) {
        self.more += more;
    }

    pub fn damaged(&mut self, message: impl Into<String>) {
        self.add(Severity::Damaged, message);
    }

    pub fn warn(&mut self, message: impl Into<String>) {
        self.add(Severity::Warning, message);
    }

    pub fn note(&mut self, message: impl Into<String>) {
        self.add(Severity::Ok, message);
    }

    pub fn end(mut self, covered: impl Into<String>) -> Check {
        if self.more > 0 {
            let message = format!("and {} more", self.more);
            self.findings.push(Finding { severity: self.result, message });
        }
        Check { check: self.check, result: self.result, covered: covered.into(), findings: self.findings }
    }
}
