//! `list`: the containers under `--root`.

use super::state::Line;
use super::{Globals, ps};
use crate::argv::{Arguments, Piece};
use crate::error::{Doing, Error};
use crate::state::Home;

/// The command line.
pub(crate) fn command(globals: &Globals, arguments: &mut Arguments) -> Result<u8, Error> {
    let (mut as_json, mut quiet) = (false, false);
    while let Some(piece) = arguments.next()? {
        match piece {
            Piece::Flag(flag) => match flag.as_str() {
                "format" | "f" => as_json = ps::format(&arguments.value()?)?,
                "quiet" | "q" => quiet = arguments.truth()?,
                _ => return arguments.unknown(),
            },
            Piece::Word(_) => return Err(super::misused("list", "exactly 0")),
        }
    }
    let lines = lines(globals)?;
    if quiet {
        return super::print(&lines.iter().fold(String::new(), |text, line| text + &line.id + "\n"));
    }
    if as_json {
        let text = serde_json::to_string(&lines).map_err(|error| Error::Invalid(error.to_string()))?;
        return super::print(&text);
    }
    let mut rows = vec![["ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"].map(str::to_owned)];
    rows.extend(lines.into_iter().map(|line| {
        [
            line.id,
            line.pid.to_string(),
            line.status.to_string(),
            line.bundle,
            line.created,
            line.owner,
        ]
    }));
    super::print(&columns(&rows))
}

fn lines(globals: &Globals) -> Result<Vec<Line>, Error> {
    let entries = match std::fs::read_dir(&globals.root) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error).doing(|| format!("read {}", globals.root.display())),
    };
    let mut lines = Vec::new();
    for entry in entries.flatten() {
        let Ok(home) = Home::of(&globals.root, &entry.file_name().to_string_lossy()) else {
            continue;
        };
        // One that is being made or deleted this moment is no container of the list.
        let Ok(record) = home.load() else { continue };
        lines.push(Line::of(&home, &record)?);
    }
    lines.sort_by(|one, other| one.id.cmp(&other.id));
    Ok(lines)
}

/// Lays rows out as Go's tabwriter with runc's settings: cells at least 12 wide, three spaces between.
fn columns<const N: usize>(rows: &[[String; N]]) -> String {
    let mut widths = [12; N];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count() + 3);
        }
    }
    let mut text = String::new();
    for row in rows {
        for (position, cell) in row.iter().enumerate() {
            text += cell;
            if position + 1 < N {
                text.extend(std::iter::repeat_n(' ', widths[position] - cell.chars().count()));
            }
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::columns;

    #[test]
    fn cells_are_padded_like_runcs() {
        let rows = [
            ["ID".to_owned(), "X".to_owned()],
            ["a-rather-long-id".to_owned(), "1".to_owned()],
        ];
        assert_eq!(columns(&rows), "ID                 X\na-rather-long-id   1\n");
    }
}
