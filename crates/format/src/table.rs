//! Columns as Go's tabwriter lays them out for Docker: at least ten wide, three spaces apart.

use std::io::Write as _;
use tabwriter::TabWriter;

/// Spaces between columns; part of a column's least width, as in Go.
const PADDING: usize = 3;

/// Text with tabs between the cells, one line a row, laid out.
pub fn lay_out(text: &str) -> String {
    lay_out_with(text, 10)
}

fn lay_out_with(text: &str, least: usize) -> String {
    let mut writer = TabWriter::new(Vec::new())
        .minwidth(least.saturating_sub(PADDING))
        .padding(PADDING);
    let written = writer.write_all(text.as_bytes()).and_then(|()| writer.flush());
    match (written, writer.into_inner()) {
        (Ok(()), Ok(bytes)) => String::from_utf8_lossy(&bytes).into_owned(),
        // Writing to memory does not fail; if it did, the plain text is better than nothing.
        _ => text.to_owned(),
    }
}

/// Prints rows in columns that are at least `least` wide.
pub fn print_padded(rows: impl Iterator<Item = Vec<String>>, least: usize) {
    let text: String = rows.map(|cells| cells.join("\t") + "\n").collect();
    print!("{}", lay_out_with(&text, least));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_laid_out_as_docker_does() {
        assert_eq!(
            lay_out("NAME\tID\nlong-name-here\tx\n"),
            "NAME             ID\nlong-name-here   x\n"
        );
        assert_eq!(lay_out("A\tB\n"), "A         B\n");
    }
}
