//! The forms of the table: which arguments of `ps` are understood here, and the columns they ask for.

use crate::Error;

/// A column that is made here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Column {
    User,
    Pid,
    Ppid,
    C,
    Stime,
    Tty,
    Time,
    Cmd,
    Cpu,
    Mem,
    Vsz,
    Rss,
    Stat,
    Start,
    Comm,
    Nice,
    Uid,
    Gid,
    Etime,
}

/// `-o` names with the titles that `ps` gives them.
const NAMES: [(&str, Column, &str); 24] = [
    ("user", Column::User, "USER"),
    ("uname", Column::User, "USER"),
    ("euser", Column::User, "EUSER"),
    ("pid", Column::Pid, "PID"),
    ("ppid", Column::Ppid, "PPID"),
    ("c", Column::C, "C"),
    ("stime", Column::Stime, "STIME"),
    ("tty", Column::Tty, "TT"),
    ("tt", Column::Tty, "TT"),
    ("time", Column::Time, "TIME"),
    ("cmd", Column::Cmd, "CMD"),
    ("args", Column::Cmd, "COMMAND"),
    ("command", Column::Cmd, "COMMAND"),
    ("pcpu", Column::Cpu, "%CPU"),
    ("%cpu", Column::Cpu, "%CPU"),
    ("pmem", Column::Mem, "%MEM"),
    ("%mem", Column::Mem, "%MEM"),
    ("vsz", Column::Vsz, "VSZ"),
    ("rss", Column::Rss, "RSS"),
    ("stat", Column::Stat, "STAT"),
    ("comm", Column::Comm, "COMMAND"),
    ("nice", Column::Nice, "NI"),
    ("uid", Column::Uid, "UID"),
    ("gid", Column::Gid, "GID"),
];

/// Who makes the table.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// We, of these columns with their titles.
    Columns(Vec<(Column, String)>),
    /// The host's `ps` with these arguments.
    Foreign(Vec<String>),
}

impl Form {
    /// Reads the words behind `top NAME`.
    pub(crate) fn parse(arguments: &str) -> Result<Self, Error> {
        let words: Vec<String> = arguments.split_whitespace().map(str::to_owned).collect();
        // Docker's own guard: a foreign column named PID would be taken for the process id.
        if words.iter().any(|word| word.contains("=PID")) {
            return Err(Error::Invalid(
                "specifying \"PID\" as a column title is not allowed".to_owned(),
            ));
        }
        let titled = |list: &[(Column, &str)]| {
            Self::Columns(
                list.iter()
                    .map(|(column, title)| (*column, (*title).to_owned()))
                    .collect(),
            )
        };
        let plain: Vec<&str> = words.iter().map(String::as_str).collect();
        Ok(match plain.as_slice() {
            [] | ["-ef" | "-fe"] | ["-e", "-f"] => titled(&[
                (Column::User, "UID"),
                (Column::Pid, "PID"),
                (Column::Ppid, "PPID"),
                (Column::C, "C"),
                (Column::Stime, "STIME"),
                (Column::Tty, "TTY"),
                (Column::Time, "TIME"),
                (Column::Cmd, "CMD"),
            ]),
            ["aux" | "-aux"] => titled(&[
                (Column::User, "USER"),
                (Column::Pid, "PID"),
                (Column::Cpu, "%CPU"),
                (Column::Mem, "%MEM"),
                (Column::Vsz, "VSZ"),
                (Column::Rss, "RSS"),
                (Column::Tty, "TTY"),
                (Column::Stat, "STAT"),
                (Column::Start, "START"),
                (Column::Time, "TIME"),
                (Column::Cmd, "COMMAND"),
            ]),
            ["-o" | "-eo", list] => match columns(list) {
                Some(columns) => Self::Columns(columns),
                None => Self::Foreign(words),
            },
            _ => Self::Foreign(words),
        })
    }
}

pub(crate) fn columns(list: &str) -> Option<Vec<(Column, String)>> {
    let mut columns = Vec::new();
    for name in list.split(',') {
        let known = match name {
            "etime" => (Column::Etime, "ELAPSED"),
            "start" => (Column::Start, "STARTED"),
            name => NAMES
                .iter()
                .find(|(known, ..)| *known == name)
                .map(|(_, column, title)| (*column, *title))?,
        };
        columns.push((known.0, known.1.to_owned()));
    }
    Some(columns)
}
