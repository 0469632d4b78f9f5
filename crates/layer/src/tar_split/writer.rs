//! Writing the file, in the same pass in which the layer is unpacked.

use super::entry::{Part, parse};
use crate::Error;
use crate::name::Name;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::bufread::GzDecoder;
use flate2::write::GzEncoder;
use std::collections::{HashMap, HashSet};
use std::fs::{self, File};
use std::hash::{BuildHasher, RandomState};
use std::io::{BufRead, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

/// Raw bytes in one line at most; a stranger's megabytes of padding must not become one huge line.
const MAX_RAW: usize = 1 << 20;
/// Most names to remember, 5 to 10 MB of them. A layer of more is taken as one that repeats them.
const MOST_NAMES: usize = 1 << 19;

/// Where the content of replaced files was put aside, by size and checksum.
pub(crate) type Shadowed = HashMap<(u64, u64), PathBuf>;

/// A tar-split file being written.
pub(crate) struct Writer {
    path: PathBuf,
    output: GzEncoder<BufWriter<File>>,
    line: String,
    position: u64,
    /// Hashes of the names so far: Docker's reader wants each name once. Of more than [`MOST_NAMES`] none is kept.
    seen: HashSet<u64>,
    hasher: RandomState,
    /// A name came twice, or there are too many to tell.
    repeated: bool,
}

impl Writer {
    /// Creates the file.
    ///
    /// # Errors
    /// File errors.
    pub(crate) fn create(path: &Path) -> Result<Self, Error> {
        let file = File::create_new(path).map_err(Error::io("create", path))?;
        Ok(Self {
            path: path.to_owned(),
            // Speed counts here: the lines are headers full of zeros, which any level shrinks to a twentieth.
            output: GzEncoder::new(BufWriter::with_capacity(64 << 10, file), Compression::fast()),
            line: String::with_capacity(2048),
            position: 0,
            seen: HashSet::new(),
            hasher: RandomState::new(),
            repeated: false,
        })
    }

    /// Adds bytes of the archive that are no file's content.
    pub(crate) fn raw(&mut self, bytes: &[u8]) -> Result<(), Error> {
        for bytes in bytes.chunks(MAX_RAW) {
            self.line.clear();
            self.line.push_str("{\"type\":2,\"payload\":\"");
            STANDARD.encode_string(bytes, &mut self.line);
            self.line.push('"');
            self.end_line()?;
        }
        Ok(())
    }

    /// Adds the content of an unpacked file; without content, its mere name.
    pub(crate) fn file(&mut self, name: &[u8], size: u64, crc: u64) -> Result<(), Error> {
        let hash = self.hasher.hash_one(Name::parse(name)?.joined());
        if self.seen.len() == MOST_NAMES {
            self.seen = HashSet::new();
            self.repeated = true;
        }
        if !self.seen.insert(hash) {
            self.repeated = true;
            // A line without content says nothing about the archive.
            if size == 0 {
                return Ok(());
            }
        }
        self.line.clear();
        self.line.push_str("{\"type\":1,");
        match std::str::from_utf8(name) {
            Ok("") => {}
            Ok(text) => {
                self.line.push_str("\"name\":");
                push_json(&mut self.line, text);
                self.line.push(',');
            }
            Err(_) => {
                self.line.push_str("\"name_raw\":\"");
                STANDARD.encode_string(name, &mut self.line);
                self.line.push_str("\",");
            }
        }
        if size == 0 {
            self.line.push_str("\"payload\":null");
        } else {
            self.line.push_str("\"size\":");
            self.line.push_str(&size.to_string());
            self.line.push_str(",\"payload\":\"");
            STANDARD.encode_string(crc.to_be_bytes(), &mut self.line);
            self.line.push('"');
        }
        self.end_line()
    }

    fn end_line(&mut self) -> Result<(), Error> {
        self.line.push_str(",\"position\":");
        self.line.push_str(&self.position.to_string());
        self.line.push_str("}\n");
        self.position += 1;
        self.output
            .write_all(self.line.as_bytes())
            .map_err(Error::io("write", &self.path))
    }

    /// Completes the file. Content that is no longer where its name says is taken from `shadowed` into the file itself.
    ///
    /// # Errors
    /// File errors.
    pub(crate) fn finish(self, shadowed: &Shadowed) -> Result<(), Error> {
        let (path, repeated) = (self.path.clone(), self.repeated);
        self.close()?;
        if shadowed.is_empty() && !repeated {
            Ok(())
        } else {
            inline(&path, shadowed)
        }
    }

    fn close(self) -> Result<(), Error> {
        let fail = |error| Error::io("write", &self.path)(error);
        let buffered = self.output.finish().map_err(fail)?;
        buffered
            .into_inner()
            .map(drop)
            .map_err(|error| fail(error.into_error()))
    }
}

/// Writes the file anew with the content of shadowed files in it. Names may then repeat no more: lines without content
/// are left out.
fn inline(path: &Path, shadowed: &Shadowed) -> Result<(), Error> {
    let anew = path.with_extension("anew");
    let mut writer = Writer::create(&anew)?;
    let file = File::open(path).map_err(Error::io("open", path))?;
    let mut lines = BufReader::new(GzDecoder::new(BufReader::new(file)));
    let mut line = Vec::new();
    loop {
        line.clear();
        if lines.read_until(b'\n', &mut line).map_err(Error::io("read", path))? == 0 {
            break;
        }
        let corrupt = |reason| Error::Corrupt {
            path: path.to_owned(),
            reason,
        };
        match parse(&line).map_err(corrupt)? {
            Part::Raw(bytes) => writer.raw(&bytes)?,
            Part::Content { size: 0, .. } => {}
            Part::Content { name, size, crc } => match shadowed.get(&(size, crc)) {
                None => writer.file(&name, size, crc)?,
                Some(aside) => {
                    let mut content = File::open(aside).map_err(Error::io("open", aside))?;
                    let mut buffer = vec![0; MAX_RAW];
                    loop {
                        let count = content.read(&mut buffer).map_err(Error::io("read", aside))?;
                        if count == 0 {
                            break;
                        }
                        writer.raw(&buffer[..count])?;
                    }
                }
            },
        }
    }
    writer.close()?;
    fs::rename(&anew, path).map_err(Error::io("replace", path))
}

/// A JSON string as Go writes it: `<`, `>`, `&` and the two line separators escaped.
fn push_json(line: &mut String, text: &str) {
    use std::fmt::Write as _;
    line.push('"');
    for character in text.chars() {
        match character {
            '"' => line.push_str("\\\""),
            '\\' => line.push_str("\\\\"),
            '\n' => line.push_str("\\n"),
            '\r' => line.push_str("\\r"),
            '\t' => line.push_str("\\t"),
            '\u{8}' => line.push_str("\\b"),
            '\u{c}' => line.push_str("\\f"),
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' | '\0'..='\u{1f}' => {
                // Writing to a String cannot fail.
                let _ = write!(line, "\\u{:04x}", u32::from(character));
            }
            other => line.push(other),
        }
    }
    line.push('"');
}
