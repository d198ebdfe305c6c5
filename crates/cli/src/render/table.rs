//! Aligned columns in plain text.

/// Says on which side a column's text stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Align {
    Left,
    Right,
}

/// A table with a heading line.
pub struct Table {
    columns: Vec<(String, Align)>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// Makes an empty table.
    pub fn new(columns: Vec<(String, Align)>) -> Self {
        Table { columns, rows: Vec::new() }
    }

    /// Adds a row with one text for each column.
    pub fn row(&mut self, row: Vec<String>) {
        debug_assert_eq!(row.len(), self.columns.len());
        self.rows.push(row);
    }

    /// Writes the table, two spaces between columns and none at a line's end.
    pub fn text(&self) -> String {
        let widths: Vec<usize> = self
            .columns
            .iter()
            .enumerate()
            .map(|(column, (heading, _))| {
                let cells = self.rows.iter().filter_map(|row| row.get(column));
                cells.map(|cell| cell.chars().count()).chain([heading.chars().count()]).max().unwrap_or(0)
            })
            .collect();
        let headings: Vec<String> = self.columns.iter().map(|(heading, _)| heading.clone()).collect();
        let mut text = String::new();
        for row in std::iter::once(&headings).chain(&self.rows) {
            let cells = row.iter().zip(&self.columns).zip(&widths);
            let cells = cells.map(|((cell, (_, align)), width)| pad(cell, *align, *width));
            text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
            text.push('\n');
        }
        text
    }
}

/// Writes pairs of name and value, the values aligned.
pub fn facts(pairs: &[(String, String)]) -> String {
    let width = pairs.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    pairs.iter().map(|(name, value)| format!("{}  {value}\n", pad(name, Align::Left, width))).collect()
}

fn pad(text: &str, align: Align, width: usize) -> String {
    let fill = " ".repeat(width.saturating_sub(text.chars().count()));
    match align {
        Align::Left => format!("{text}{fill}"),
        Align::Right => format!("{fill}{text}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_by_characters_not_bytes() {
        let mut table = Table::new(vec![("Nº".into(), Align::Right), ("Año".into(), Align::Left)]);
        table.row(vec!["1".into(), "ñandú".into()]);
        table.row(vec!["123".into(), "x".into()]);
        assert_eq!(table.text(), " Nº  Año\n  1  ñandú\n123  x\n");
    }

    #[test]
    fn facts_are_aligned() {
        let pairs = [("Tamaño".to_owned(), "1".to_owned()), ("Id".to_owned(), "2".to_owned())];
        assert_eq!(facts(&pairs), "Tamaño  1\nId      2\n");
    }
}
