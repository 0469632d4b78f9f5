//! Lists: a table by default, or what `--format` and `--quiet` ask for.

use crate::template::{self, Template};
use crate::{Error, table};
use serde_json::{Map, Value};

/// One field of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column {
    /// Its name in templates.
    name: &'static str,
    /// Its head in tables.
    head: &'static str,
    /// Whether the default table has it.
    shown: bool,
}

impl Column {
    /// A field: its name in templates, its head in tables, and whether the default table has it.
    pub const fn new(name: &'static str, head: &'static str, shown: bool) -> Self {
        Self { name, head, shown }
    }

    /// Its name in templates.
    pub const fn name(&self) -> &'static str {
        self.name
    }
}

/// How a list is printed.
#[derive(Debug, Clone, Copy)]
pub struct Listing<'a> {
    /// All fields of a row.
    pub columns: &'a [Column],
    /// Columns shown besides the default ones.
    pub also: &'a [&'a str],
    /// The value of `--format`.
    pub format: &'a str,
    /// The only column of `--quiet`.
    pub quiet: Option<&'a str>,
}

impl Listing<'_> {
    /// Whether that field of a row can be seen: a row of many need not have the others.
    pub fn shows(&self, name: &str) -> bool {
        match (self.quiet, self.format) {
            (Some(only), "" | "table") => name == only,
            (None, "" | "table") => self.default_columns().any(|column| column.name == name),
            _ => true,
        }
    }

    fn default_columns(&self) -> impl Iterator<Item = &Column> {
        let shown = |column: &&Column| column.shown || self.also.contains(&column.name);
        self.columns.iter().filter(shown)
    }
}

/// The rows as they are printed.
///
/// # Errors
/// When the form is no template, or names a field that no row has.
pub fn text(listing: &Listing<'_>, rows: &[Map<String, Value>]) -> Result<String, Error> {
    if let (Some(name), "" | "table") = (listing.quiet, listing.format) {
        return Ok(rows
            .iter()
            .filter_map(|row| row.get(name)?.as_str())
            .flat_map(|id| [id, "\n"])
            .collect());
    }
    match listing.format {
        "" | "table" => Ok(default_table(listing, rows)),
        "json" => Ok(rows.iter().map(|row| template::compact(&apart(row).0) + "\n").collect()),
        format => match format.strip_prefix("table ") {
            Some(format) => table_text(&unescape(format), listing, rows),
            None => lines(&unescape(format), rows),
        },
    }
}

/// The default columns. No template has to be filled for them, which a list of a thousand feels.
fn default_table(listing: &Listing<'_>, rows: &[Map<String, Value>]) -> String {
    let heads: Vec<&str> = listing.default_columns().map(|column| column.head).collect();
    let mut text = heads.join("\t") + "\n";
    for row in rows {
        for (index, column) in listing.default_columns().enumerate() {
            if index > 0 {
                text.push('\t');
            }
            match row.get(column.name) {
                Some(Value::String(cell)) => text.push_str(cell),
                Some(cell) => text.push_str(&cell.to_string()),
                None => {}
            }
        }
        text.push('\n');
    }
    table::lay_out(&text)
}

fn table_text(format: &str, listing: &Listing<'_>, rows: &[Map<String, Value>]) -> Result<String, Error> {
    let Some(template) = Template::parse_heads(format)? else {
        return Ok(String::new());
    };
    let heads: Map<String, Value> = listing
        .columns
        .iter()
        .map(|column| (column.name.to_owned(), Value::from(column.head)))
        .collect();
    let heads = template.render_with(&Value::Object(heads), LABEL, label_head)? + "\n";
    Ok(table::lay_out(&(heads + &lines(format, rows)?)))
}

fn lines(format: &str, rows: &[Map<String, Value>]) -> Result<String, Error> {
    let Some(template) = Template::parse(format)? else {
        return Ok(String::new());
    };
    rows.iter()
        .map(|row| {
            let (fields, labels) = apart(row);
            let label = move |name: &str| labels.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
            template.render_with(&fields, LABEL, label).map(|line| line + "\n")
        })
        .collect()
}

/// The method of a row that gives one label: `{{.Label "name"}}`. A row has all of them as an object of that name.
pub const LABEL: &str = "Label";

/// The fields of a row, and its labels, which are none.
fn apart(row: &Map<String, Value>) -> (Value, Map<String, Value>) {
    let mut fields = row.clone();
    let labels = match fields.remove(LABEL) {
        Some(Value::Object(labels)) => labels,
        _ => Map::new(),
    };
    (Value::Object(fields), labels)
}

/// The head of a column with a label: the last part of its name, in words.
fn label_head(name: &str) -> String {
    name.rsplit('.').next().unwrap_or_default().replace(['-', '_'], " ")
}

/// `\t` and `\n` as a shell's single quotes leave them.
fn unescape(format: &str) -> String {
    format.replace("\\t", "\t").replace("\\n", "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(id: &str, name: &str) -> Map<String, Value> {
        let labels = serde_json::json!({ "own.the_role": name });
        [("ID", id.into()), ("Name", name.into()), (LABEL, labels)]
            .map(|(key, value): (&str, Value)| (key.to_owned(), value))
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
        // What is not shown may be missing.
        let shown = |row: Map<String, Value>| row.into_iter().filter(|(name, _)| listing.shows(name)).collect();
        text(&listing, &[row("1", "a"), row("2", "b")].map(shown)).unwrap()
    }

    #[test]
    fn row_093_lists_have_dockers_forms() {
        assert_eq!(print("", false), "CONTAINER ID\n1\n2\n");
        assert_eq!(print("", true), "1\n2\n");
        assert_eq!(
            print("table {{.Name}}\\t{{.ID}}", false),
            "NAME      CONTAINER ID\na         1\nb         2\n"
        );
        // A function changes the values, and not the heads.
        assert_eq!(print("table {{json .Name}}", false), "NAME\n\"a\"\n\"b\"\n");
        assert_eq!(print("{{.ID}}={{.Name}}", false), "1=a\n2=b\n");
        assert_eq!(
            print("table {{.Label \"own.the_role\" | upper}}", false),
            "the role\nA\nB\n"
        );
        assert_eq!(
            print("{{if .Label \"x\"}}y{{else}}.Label \"x\"{{end}}", false),
            ".Label \"x\"\n".repeat(2)
        );
        assert_eq!(
            print("json", false),
            "{\"ID\":\"1\",\"Name\":\"a\"}\n{\"ID\":\"2\",\"Name\":\"b\"}\n"
        );
    }
}
