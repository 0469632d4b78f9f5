//! What kind of program a file is, by its first bytes, and whether this machine can run it.
//!
//! Source: elf(5), execve(2). The bytes come from a container and may be anything.

/// What was found where a program should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Examined {
    /// Its path in the container.
    pub path: String,
    /// What it is.
    pub kind: Kind,
    /// Whether anybody may execute it.
    pub executable: bool,
    /// Whether the interpreter that it names is there; `None`: it names none.
    pub interpreter_found: Option<bool>,
}

/// What a file is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// Nothing is there.
    Missing,
    /// A directory.
    Directory,
    /// Without content.
    Empty,
    /// A program.
    Elf {
        /// For which processors, in Docker's word; the number where there is none.
        architecture: String,
        /// The loader that it needs; `None`: it is static.
        interpreter: Option<String>,
    },
    /// A script with the interpreter of its first line.
    Script {
        /// That interpreter.
        interpreter: String,
        /// The first line ends with a carriage return, which the kernel takes as part of the name.
        carriage_return: bool,
    },
    /// Text or data that the kernel cannot execute.
    Other,
}

impl Kind {
    /// The interpreter or loader that it needs.
    pub fn interpreter(&self) -> Option<&str> {
        match self {
            Self::Elf { interpreter, .. } => interpreter.as_deref(),
            Self::Script { interpreter, .. } => Some(interpreter),
            _ => None,
        }
    }
}

/// How much of a file is looked at.
pub const HEAD: usize = 8192;
/// `e_machine` numbers with Docker's words for them.
const MACHINES: [(u16, &str); 10] = [
    (3, "386"),
    (8, "mips"),
    (20, "ppc"),
    (21, "ppc64le"),
    (22, "s390x"),
    (40, "arm"),
    (62, "amd64"),
    (183, "arm64"),
    (243, "riscv64"),
    (258, "loong64"),
];
const PT_INTERP: u64 = 3;

/// What a file that begins with these bytes is.
pub fn recognise(head: &[u8]) -> Kind {
    if head.is_empty() {
        return Kind::Empty;
    }
    if let Some(line) = head.strip_prefix(b"#!") {
        let line = line.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let carriage_return = line.ends_with(b"\r");
        let text = String::from_utf8_lossy(line);
        let mut words = text.trim_matches([' ', '\t', '\r']).split([' ', '\t']);
        let interpreter = words.next().unwrap_or_default().to_owned();
        return Kind::Script {
            interpreter,
            carriage_return,
        };
    }
    elf(head).unwrap_or(Kind::Other)
}

fn elf(head: &[u8]) -> Option<Kind> {
    if !head.starts_with(b"\x7fELF") {
        return None;
    }
    let wide = *head.get(4)? == 2;
    let little = *head.get(5)? == 1;
    let number = |at: usize, size: usize| -> Option<u64> {
        let bytes = head.get(at..at.checked_add(size)?)?;
        let value = |value: u64, byte: &u8| (value << 8) | u64::from(*byte);
        Some(if little {
            bytes.iter().rev().fold(0, value)
        } else {
            bytes.iter().fold(0, value)
        })
    };
    let machine = number(18, 2)? as u16;
    let known = MACHINES.iter().find(|(number, _)| *number == machine);
    let architecture = known.map_or_else(|| format!("machine {machine}"), |(_, name)| (*name).to_owned());
    let (table, entry_size, count) = if wide {
        (number(32, 8)?, number(54, 2)?, number(56, 2)?)
    } else {
        (number(28, 4)?, number(42, 2)?, number(44, 2)?)
    };
    let interpreter = (0..count.min(64)).find_map(|index| {
        let at = usize::try_from(table.checked_add(index.checked_mul(entry_size)?)?).ok()?;
        if number(at, 4)? != PT_INTERP {
            return None;
        }
        let (offset, size) = if wide {
            (number(at.checked_add(8)?, 8)?, number(at.checked_add(32)?, 8)?)
        } else {
            (number(at.checked_add(4)?, 4)?, number(at.checked_add(16)?, 4)?)
        };
        let start = usize::try_from(offset).ok()?;
        let path = head.get(start..start.checked_add(usize::try_from(size).ok()?)?)?;
        let path = path.split(|byte| *byte == 0).next()?;
        Some(String::from_utf8_lossy(path).into_owned())
    });
    Some(Kind::Elf {
        architecture,
        interpreter,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_program_is_recognised() {
        let own = std::fs::read("/proc/self/exe").unwrap();
        let Kind::Elf { architecture, .. } = recognise(&own[..own.len().min(HEAD)]) else {
            panic!("not recognised");
        };
        let here = match std::env::consts::ARCH {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            other => other,
        };
        assert_eq!(architecture, here);
    }

    #[test]
    fn loaders_are_found_in_small_and_large_files_of_either_byte_order() {
        // A 32-bit big-endian program for mips with one program header right behind the file's own.
        let mut head = vec![0; 52 + 32];
        head[..6].copy_from_slice(b"\x7fELF\x01\x02");
        head[19] = 8;
        head[31] = 52;
        head[43] = 32;
        head[45] = 1;
        head[55] = 3;
        head[59] = 84;
        head[71] = 11;
        head.extend_from_slice(b"/lib/ld.so\0");
        assert_eq!(
            recognise(&head),
            Kind::Elf {
                architecture: "mips".into(),
                interpreter: Some("/lib/ld.so".into())
            }
        );
        // Whatever is cut off, nothing is read that is not there.
        for end in 0..head.len() {
            let _ = recognise(&head[..end]);
        }
    }

    #[test]
    fn scripts_name_their_interpreter() {
        let script = |text: &str| recognise(text.as_bytes());
        let of = |interpreter: &str, carriage_return| Kind::Script {
            interpreter: interpreter.into(),
            carriage_return,
        };
        assert_eq!(script("#!/bin/sh\necho"), of("/bin/sh", false));
        assert_eq!(script("#! /usr/bin/env python3\n"), of("/usr/bin/env", false));
        assert_eq!(script("#!/bin/bash\r\n"), of("/bin/bash", true));
        assert_eq!(script("echo hi"), Kind::Other);
        assert_eq!(script(""), Kind::Empty);
    }
}
