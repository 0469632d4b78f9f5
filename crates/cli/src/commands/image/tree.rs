//! `tierce images --tree`. Source of the form: docker/cli `image/tree.go`, for a daemon that keeps one platform of each
//! image, as the classic store does: there is nothing below an image then.

use super::images::{NONE, short_id};
use crate::terminal;
use tierce_api_types::image::ImageSummary;
use tierce_format::units;

/// Columns after the name: head, width, and whether it stands at the right.
const COLUMNS: [(&str, usize, bool); 4] = [
    ("ID", 12, false),
    ("DISK USAGE", 10, true),
    ("CONTENT SIZE", 12, true),
    ("EXTRA", 5, false),
];
const UNTAGGED: &str = "<untagged>";
const SPACING: usize = 3;
/// A narrower column of names is not worth its line; other columns go first.
const LEAST_NAME: usize = 12;

/// Prints images with all their names, the newest first; those without a name only with `all`.
pub(super) fn print(images: &[ImageSummary], all: bool) {
    let columns = terminal::columns().unwrap_or(80).max(20);
    print!("{}", text(images, all, columns, terminal::stdout_is_terminal()));
}

fn text(images: &[ImageSummary], all: bool, columns: usize, colours: bool) -> String {
    let named: Vec<(Vec<String>, &ImageSummary)> = images
        .iter()
        .map(|image| (names(image), image))
        .filter(|(names, _)| all || !names.is_empty())
        .map(|(names, image)| {
            (
                if names.is_empty() {
                    vec![UNTAGGED.to_owned()]
                } else {
                    names
                },
                image,
            )
        })
        .collect();
    let shown = shown_columns(columns);
    let taken: usize = COLUMNS[..shown].iter().map(|(_, width, _)| width + SPACING).sum();
    let longest = named
        .iter()
        .flat_map(|(names, _)| names)
        .map(|name| name.chars().count())
        .max();
    let layout = Layout {
        columns,
        name: columns
            .saturating_sub(taken)
            .min(longest.unwrap_or(0).max("IMAGE".len())),
        shown,
        colours,
    };
    let mut text = layout.head();
    for (names, image) in named {
        text += &layout.image(&names, image);
    }
    text
}

/// Where things stand.
struct Layout {
    /// Width of the page.
    columns: usize,
    /// Width of the names beside details.
    name: usize,
    /// How many of [`COLUMNS`] are shown.
    shown: usize,
    /// Whether a terminal shows it.
    colours: bool,
}

impl Layout {
    fn paint(&self, style: &str, text: &str) -> String {
        if self.colours {
            format!("\x1b[{style}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }

    /// A warning, the legend at the right, and the heads.
    fn head(&self) -> String {
        let warning = "WARNING: This is an experimental feature. The output may change and shouldn't be depended on.";
        let info = if self.colours { "i Info → " } else { "Info -> " };
        let legend = info.chars().count() + " U In Use ".len();
        let mut line = self.paint("1", "IMAGE") + &" ".repeat(self.name - "IMAGE".len());
        for (head, width, right) in &COLUMNS[..self.shown] {
            let pad = " ".repeat(width - head.len());
            let head = self.paint("1", head);
            line += &" ".repeat(SPACING);
            line += &if *right { pad + &head } else { head + &pad };
        }
        format!(
            "{}\n{}{}{}In Use \n\n{}\n",
            self.paint("93", warning),
            " ".repeat(self.columns.saturating_sub(legend)),
            self.paint("96", info),
            self.paint("30;106", " U "),
            line.trim_end()
        )
    }

    /// The names of one image, a line each, and its details beside the last.
    fn image(&self, names: &[String], image: &ImageSummary) -> String {
        let mut text = String::new();
        for (index, name) in names.iter().enumerate() {
            let last = index + 1 == names.len();
            let name = units::ellipsis(name, if last { self.name } else { self.columns });
            let pad = self.name.saturating_sub(name.chars().count());
            text += &self.paint("34;1", &name);
            text += &if last { " ".repeat(pad) } else { "\n".to_owned() };
        }
        let used = match (image.containers > 0, self.colours) {
            (false, _) => " ".repeat(5),
            (true, true) => self.paint("30;106", " U ") + "  ",
            (true, false) => "U    ".to_owned(),
        };
        let cells = [
            format!("{:12}", short_id(&image.id)),
            format!("{:>10}", units::size(image.size as f64)),
            format!("{:>12}", units::size(0.0)),
            used,
        ];
        for cell in &cells[..self.shown] {
            text += &" ".repeat(SPACING);
            text += cell;
        }
        text.push('\n');
        text
    }
}

/// The longest name first.
fn names(image: &ImageSummary) -> Vec<String> {
    let mut names: Vec<String> = image
        .repo_tags
        .iter()
        .flatten()
        .filter(|name| !name.starts_with(NONE))
        .cloned()
        .collect();
    names.sort_by_key(|name| std::cmp::Reverse(name.len()));
    names
}

/// How many of the columns have room beside the names.
fn shown_columns(columns: usize) -> usize {
    let fits = |shown: &usize| {
        let taken: usize = COLUMNS[..*shown].iter().map(|(_, width, _)| width + SPACING).sum();
        columns >= taken + LEAST_NAME
    };
    (1..=COLUMNS.len()).rev().find(fits).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_093_a_tree_has_dockers_columns() {
        let image = |letter: &str, names: &[&str], containers| ImageSummary {
            id: format!("sha256:{}", letter.repeat(64)),
            repo_tags: Some(names.iter().map(|name| (*name).to_owned()).collect()),
            size: 1_982_306,
            containers,
            ..ImageSummary::default()
        };
        let images = [
            image("a", &["other:1"], 0),
            image("b", &["base:1", "a/b/c:3"], 1),
            image("c", &[], 0),
        ];
        let lines =
            |all, columns| -> Vec<String> { text(&images, all, columns, false).lines().map(str::to_owned).collect() };
        assert_eq!(
            lines(false, 80)[1..],
            [
                "                                                              Info ->  U In Use ",
                "",
                "IMAGE     ID             DISK USAGE   CONTENT SIZE   EXTRA",
                "other:1   aaaaaaaaaaaa       1.98MB             0B        ",
                "a/b/c:3",
                "base:1    bbbbbbbbbbbb       1.98MB             0B   U    ",
            ]
        );
        assert!(lines(true, 80).last().unwrap().starts_with("<untagged>   cccccccccccc"));
        assert_eq!(lines(false, 38)[4], "other:1   aaaaaaaaaaaa");
    }
}
