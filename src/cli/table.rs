use comfy_table::{ColumnConstraint, ContentArrangement, Row};

/// Aligned columns without borders.
pub struct Table {
    header: Option<Vec<&'static str>>,
    rows: Vec<Vec<String>>,
    /// The columns that give way when the terminal is narrow.
    flexible: &'static [usize],
}

impl Table {
    /// A table whose columns have these names; the flexible ones are cut short on a narrow terminal.
    pub fn new(header: &[&'static str], flexible: &'static [usize]) -> Self {
        Table { header: Some(header.to_vec()), rows: Vec::new(), flexible }
    }

    /// A table without names.
    pub fn bare(flexible: &'static [usize]) -> Self {
        Table { header: None, rows: Vec::new(), flexible }
    }

    /// Adds a row.
    pub fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    /// The lines; without a width they are as long as their content.
    pub fn render(&self, width: Option<u16>) -> String {
        if self.rows.is_empty() {
            return String::new();
        }
        let mut table = comfy_table::Table::new();
        table.load_style(comfy_table::presets::NOTHING).set_truncation_indicator("…");
        // A cell is cut anywhere, not between words; no cell holds this character.
        table.set_delimiter('\0');
        match width {
            Some(width) => table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width),
            None => table.set_content_arrangement(ContentArrangement::Disabled),
        };
        if let Some(header) = &self.header {
            table.set_header(header.clone());
        }
        for cells in &self.rows {
            let mut row = Row::from(cells.iter().map(|cell| one_line(cell)));
            row.max_height(1);
            table.add_row(row);
        }
        for (index, column) in table.column_iter_mut().enumerate() {
            column.set_padding((0, 2));
            if !self.flexible.contains(&index) {
                column.set_constraint(ColumnConstraint::ContentWidth);
            }
        }
        table.trim_fmt()
    }
}

/// A cell never breaks its line.
fn one_line(text: &str) -> String {
    text.split(char::is_control).filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_align_and_give_way() {
        let mut table = Table::new(&["VERSION", "VALUE"], &[1]);
        table.row(vec!["2".to_owned(), "a rather long value\nof two lines".to_owned()]);
        table.row(vec!["10".to_owned(), "b".to_owned()]);
        assert_eq!(
            table.render(None),
            "VERSION  VALUE\n2        a rather long value of two lines\n10       b"
        );
        let narrow = table.render(Some(24));
        assert_eq!(narrow.lines().count(), 3, "{narrow}");
        assert!(narrow.lines().all(|line| line.chars().count() <= 24) && narrow.contains('…'), "{narrow}");
        assert!(narrow.contains("a rather"), "{narrow}");
        assert_eq!(Table::bare(&[]).render(None), "");
    }
}
