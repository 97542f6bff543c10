use std::fmt::Write;

use super::Report;
use super::table::cells;

/// The report as the Markdown of `bench/results.md`.
pub fn render_markdown(report: &Report) -> String {
    let mut text = String::from("# Measured by `confgit bench`\n\n");
    let machine = &report.machine;
    let facts = [
        ("date", report.date.to_string()),
        ("confgit", machine.confgit.clone()),
        ("CPU", format!("{}, {} cores, shared with the load generator", machine.cpu, machine.cores)),
        ("memory", format!("{:.0} GB", machine.memory_bytes as f64 / 1e9)),
        ("kernel", machine.kernel.clone()),
        ("data on", format!("{}, flush of a new 1 KB file {:.2} ms", machine.filesystem, machine.flush_ms)),
        ("git", machine.git.clone()),
        ("etcd", machine.etcd.clone()),
        ("other load at the start", format!("{:.2} cores", machine.busy_cores)),
    ];
    text.push_str("| | |\n|---|---|\n");
    for (name, value) in facts {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "| {name} | {} |", escape(&value));
    }
    text.push_str(
        "\nFigures are medians with (min–max) of the samples. A ratio is a run of about a second divided\n",
    );
    text.push_str("by the mean of the yardstick's runs right before and after it. CPU is that of the server's process.\n");
    let mut scenario = "";
    for row in &report.rows {
        if row.scenario != scenario {
            scenario = row.scenario;
            let _ = writeln!(text, "\n## {scenario}\n\n| what | measured | must | aim | verdict | note |");
            text.push_str("|---|---:|---:|---:|---|---|\n");
        }
        let [_, rest @ ..] = cells(row);
        let _ = writeln!(text, "| {} |", rest.map(|cell| escape(&cell)).join(" | "));
    }
    if !report.notes.is_empty() {
        text.push('\n');
    }
    for note in &report.notes {
        let _ = writeln!(text, "- {note}");
    }
    text
}

fn escape(cell: &str) -> String {
    cell.replace('|', "\\|").replace('\n', " ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::load::Outcome;
    use crate::bench::report::{Bar, Machine, Measure, Row, Unit, Verdict, render_table};
    use crate::model::Timestamp;

    fn report() -> Report {
        let ratio = Measure::of(Unit::Ratio, [0.8, 0.7, 0.95]);
        let rows = vec![
            Row::shown("read", "GET against axum", ratio).judged(Bar::AtLeast(0.75), Bar::AtLeast(0.9)),
            Row::shown("write", "p99", Measure::of(Unit::Milliseconds, [120.0]))
                .judged(Bar::Below(100.0), Bar::Below(25.0))
                .noted("p50 3 ms"),
            Row::failed("start", "rebuild", "a | b"),
        ];
        let date = Timestamp::from_millis(1_700_000_000_000);
        Report { date, machine: Machine::default(), rows, notes: vec!["a note".into()] }
    }

    #[test]
    fn markdown_has_a_table_for_each_scenario() {
        let text = render_markdown(&report());
        assert!(text.contains("| date | 2023-11-14T22:13:20.000Z |"), "{text}");
        assert!(
            text.contains("| GET against axum | 0.80x (0.70–0.95) | ≥ 0.75x | ≥ 0.90x | must |  |"),
            "{text}"
        );
        assert!(text.contains("| p99 | 120 ms | < 100 ms | < 25.00 ms | MISSED | p50 3 ms |"), "{text}");
        assert!(text.contains("| rebuild | — |  |  | FAILED | a \\| b |"), "{text}");
        assert_eq!(text.matches("|---|---:|").count(), 3);
    }

    #[test]
    fn the_table_aligns_its_columns() {
        let text = render_table(&report(), None);
        let lines: Vec<&str> =
            text.lines().filter(|line| line.contains("GET against") || line.contains("WHAT")).collect();
        assert_eq!(lines[0].find("WHAT"), lines[1].find("GET against"), "{text}");
        assert!(text.ends_with("note: a note\n"), "{text}");
    }

    #[test]
    fn failed_calls_fail_the_row_and_the_report() {
        let mut all = report();
        all.rows.remove(1);
        all.rows.remove(1);
        assert!(all.passed());
        let outcome = Outcome { errors: 2, first_error: Some("503".into()), ..Outcome::default() };
        let row = all.rows.remove(0).checked(&outcome);
        assert_eq!((row.verdict, row.note.as_str()), (Verdict::Failed, "2 calls failed, the first: 503"));
        all.rows.push(row);
        all.withhold_verdicts();
        assert!(!all.passed(), "a failure stays a failure in a quick run");
    }
}
