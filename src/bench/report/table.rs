use comfy_table::{CellAlignment, ContentArrangement, Table, presets};

use super::{Report, Row};

/// The report for a terminal of that many columns; unwrapped without a width.
pub fn render_table(report: &Report, width: Option<u16>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    if let Some(width) = width {
        table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
    }
    table.set_header(["SCENARIO", "WHAT", "MEASURED", "MUST", "AIM", "VERDICT", "NOTE"]);
    for row in &report.rows {
        table.add_row(cells(row));
    }
    for (index, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, 2));
        if (2..5).contains(&index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let mut text = report.machine.summary();
    text.push_str("\n\n");
    for line in table.to_string().lines() {
        text.push_str(line.trim_end());
        text.push('\n');
    }
    for note in &report.notes {
        text.push_str(&format!("note: {note}\n"));
    }
    text
}

/// The columns of a row, the same in every rendering.
pub(super) fn cells(row: &Row) -> [String; 7] {
    let unit = row.measured.map(|measured| measured.unit);
    let bar = |bar: Option<super::Bar>| bar.zip(unit).map(|(bar, unit)| bar.show(unit)).unwrap_or_default();
    [
        row.scenario.to_owned(),
        row.what.clone(),
        row.measured.map(|measured| measured.to_string()).unwrap_or_else(|| "—".into()),
        bar(row.must),
        bar(row.aim),
        row.verdict.name().to_owned(),
        row.note.clone(),
    ]
}
