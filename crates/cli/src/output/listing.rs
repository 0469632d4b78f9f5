//! Lists: a table by default, or what `--format` and `--quiet` ask for.

use super::table;
use super::template::{self, Template};
use crate::error::Error;
use serde_json::{Map, Value};

/// One field of a row.
pub(crate) struct Column {
    /// Its name in templates.
    name: &'static str,
    /// Its head in tables.
    head: &'static str,
    /// Whether the default table has it.
    shown: bool,
}

impl Column {
    pub(crate) const fn new(name: &'static str, head: &'static str, shown: bool) -> Self {
        Self { name, head, shown }
    }

    /// Its name in templates.
    #[cfg(test)]
    pub(crate) const fn name(&self) -> &'static str {
        self.name
    }
}

/// How a list is printed.
pub(crate) struct Listing<'a> {
    pub(crate) columns: &'a [Column],
    /// Columns shown besides the default ones.
    pub(crate) also: &'a [&'a str],
    /// The value of `--format`.
    pub(crate) format: &'a str,
    /// The only column of `--quiet`.
    pub(crate) quiet: Option<&'a str>,
}

/// Prints the rows.
pub(crate) fn print(listing: &Listing<'_>, rows: &[Map<String, Value>]) -> Result<(), Error> {
    print!("{}", text(listing, rows)?);
    Ok(())
}

/// The rows as they are printed.
pub(crate) fn text(listing: &Listing<'_>, rows: &[Map<String, Value>]) -> Result<String, Error> {
    if let (Some(name), "" | "table") = (listing.quiet, listing.format) {
        return Ok(rows
            .iter()
            .filter_map(|row| row.get(name)?.as_str())
            .flat_map(|id| {
                [
                    id, "
",
                ]
            })
            .collect());
    }
    match listing.format {
        "" | "table" => table_text(&default_table(listing), listing, rows),
        "json" => Ok(rows
            .iter()
            .map(|row| template::compact(&Value::Object(row.clone())) + "\n")
            .collect()),
        format => match format.strip_prefix("table ") {
            Some(format) => table_text(&unescape(format), listing, rows),
            None => lines(&unescape(format), rows.iter()),
        },
    }
}

fn default_table(listing: &Listing<'_>) -> String {
    let shown = listing
        .columns
        .iter()
        .filter(|column| column.shown || listing.also.contains(&column.name));
    shown
        .map(|column| format!("{{{{.{}}}}}", column.name))
        .collect::<Vec<_>>()
        .join("\t")
}

fn table_text(format: &str, listing: &Listing<'_>, rows: &[Map<String, Value>]) -> Result<String, Error> {
    let heads = listing
        .columns
        .iter()
        .map(|column| (column.name.to_owned(), Value::from(column.head)))
        .collect();
    Ok(table::lay_out(&lines(format, std::iter::once(&heads).chain(rows))?))
}

fn lines<'a>(format: &str, rows: impl Iterator<Item = &'a Map<String, Value>>) -> Result<String, Error> {
    let Some(template) = Template::parse(format)? else {
        return Ok(String::new());
    };
    rows.map(|row| template.render(&Value::Object(row.clone())).map(|line| line + "\n"))
        .collect()
}

/// `\t` and `\n` as a shell's single quotes leave them.
fn unescape(format: &str) -> String {
    format.replace("\\t", "\t").replace("\\n", "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(id: &str, name: &str) -> Map<String, Value> {
        [("ID", id), ("Name", name)]
            .map(|(key, value)| (key.to_owned(), Value::from(value)))
            .into_iter()
            .collect()
    }

    fn print(format: &str, quiet: bool) -> String {
        let columns = [
            Column::new("ID", "CONTAINER ID", true),
            Column::new("Name", "NAME", false),
        ];
        let listing = Listing {
            columns: &columns,
            also: &[],
            format,
            quiet: quiet.then_some("ID"),
        };
        text(&listing, &[row("1", "a"), row("2", "b")]).unwrap()
    }

    #[test]
    fn row_093_lists_have_dockers_forms() {
        assert_eq!(print("", false), "CONTAINER ID\n1\n2\n");
        assert_eq!(print("", true), "1\n2\n");
        assert_eq!(
            print("table {{.Name}}\\t{{.ID}}", false),
            "NAME      CONTAINER ID\na         1\nb         2\n"
        );
        assert_eq!(print("{{.ID}}={{.Name}}", false), "1=a\n2=b\n");
        assert_eq!(
            print("json", false),
            "{\"ID\":\"1\",\"Name\":\"a\"}\n{\"ID\":\"2\",\"Name\":\"b\"}\n"
        );
    }
}
