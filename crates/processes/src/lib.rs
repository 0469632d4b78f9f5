//! The processes of a container as the host's `ps` would show them.
//!
//! The three forms that people use (`-ef`, `aux`, `-o column,…`) are made from /proc directly; they cost no process and
//! work on a host without `ps`. Anything else is given to the host's `ps`, as dockerd does.

mod cells;
mod foreign;
mod form;
mod procfs;

use form::Form;
use tierce_fault::{Fault, Kind};

/// A table of processes, as `ps` would print it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProcessTable {
    /// Column titles.
    pub titles: Vec<String>,
    /// One row a process.
    pub processes: Vec<Vec<String>>,
}

/// Why there is no table.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Arguments that `ps` does not take, or whose output cannot be read. The texts are dockerd's.
    #[error("{0}")]
    Invalid(String),
    /// The host has no `ps`.
    #[error("error running ps: {0}")]
    NoPs(std::io::Error),
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Invalid(_) => Kind::Invalid,
            Self::NoPs(_) => Kind::NotImplemented,
        }
    }
}

/// Shows the processes `pids` in the form that `arguments`, those of ps(1), ask for; `-ef` when there are none.
/// Processes that have ended have no row. Blocks.
///
/// # Errors
/// See [`Error`].
pub fn show(arguments: &str, pids: &[u32]) -> Result<ProcessTable, Error> {
    match Form::parse(arguments)? {
        Form::Columns(columns) => Ok(cells::table(&columns, pids)),
        Form::Foreign(arguments) => foreign::foreign(&arguments, pids),
    }
}

#[cfg(test)]
mod tests {
    use crate::cells::{stat, table, terminal};
    use crate::foreign::parse_ps;
    use crate::form::Form;
    use crate::procfs::parse_stat;
    use proptest::prelude::*;

    #[test]
    fn row_079_a_process_of_the_host_is_shown_as_ps_shows_it() {
        let Form::Columns(columns) = Form::parse("").unwrap() else {
            panic!("not our form")
        };
        let found = table(&columns, &[std::process::id(), u32::MAX]);
        assert_eq!(found.titles, ["UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD"]);
        assert_eq!(found.processes.len(), 1);
        assert_eq!(found.processes[0][1], std::process::id().to_string());
    }

    #[test]
    fn columns_are_chosen_by_name_and_the_rest_goes_to_ps() {
        let Form::Columns(columns) = Form::parse("-o pid,cmd").unwrap() else {
            panic!("not our form")
        };
        assert_eq!(
            columns.iter().map(|(_, title)| title.as_str()).collect::<Vec<_>>(),
            ["PID", "CMD"]
        );
        assert!(matches!(Form::parse("-eo pid,zz").unwrap(), Form::Foreign(_)));
        assert!(matches!(Form::parse("faux").unwrap(), Form::Foreign(_)));
        assert!(Form::parse("-o pid=PID").is_err());
    }

    #[test]
    fn a_name_with_parentheses_does_not_confuse() {
        let text =
            "42 (a) b) S 1 42 42 34816 42 4194560 1 0 0 0 250 50 0 0 20 0 1 0 1000 4096000 25 18446744073709551615";
        let process = parse_stat(text).unwrap();
        assert_eq!(
            (process.name.as_str(), process.ppid, process.ticks, process.start_ticks),
            ("a) b", 1, 300, 1000)
        );
        assert_eq!(terminal(process.job.tty), "pts/0");
        assert_eq!(stat(&process), "Ss+");
    }

    #[test]
    fn foreign_output_keeps_our_rows() {
        let output = "USER PID CMD\nroot 1 init it\nroot 7 sleep 10 s\n";
        let found = parse_ps(output, &[7]).unwrap();
        assert_eq!(found.processes, [["root", "7", "sleep 10 s"]]);
        assert!(parse_ps("A B\n", &[]).is_err());
    }

    proptest! {
        #[test]
        fn hostile_names_never_panic(text in ".{0,80}") {
            let _ = parse_stat(&text);
        }
    }
}
