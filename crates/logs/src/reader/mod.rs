//! Reading back, across rotation, and following.

mod begin;

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Seek, SeekFrom};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use flate2::read::MultiGzDecoder;
use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};
use rustix::fs::inotify;

use crate::error::{Error, Result};
use crate::records::{Record, Records};
use crate::rotation::{Lock, LogFile, Origin, directory, open_all};
use crate::{Entry, Next, Query};
use begin::{Begin, first_since, last_entries};

/// How often to look when the kernel cannot tell of changes (no inotify instance to be had).
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// Entries after which one that follows looks for new files, although it has more to read: what it has opened cannot be
/// rotated away from it, however far behind it is.
const LOOK_AFTER: u32 = 64;
const BUFFER: usize = 64 * 1024;

/// Reads a log in order of writing. Blocking: for use on a thread of its own.
#[derive(Debug)]
pub struct Reader {
    path: PathBuf,
    query: Query,
    current: Option<Open>,
    /// Files to read after the current one, oldest first.
    queue: VecDeque<(LogFile, Begin)>,
    /// Inode of the newest file that was opened so far.
    newest: Option<u64>,
    follow: Option<Follow>,
    /// Entries since it last looked for new files.
    unlooked: u32,
    /// How entries lie in its files.
    records: &'static dyn Records,
    /// The record being put together.
    record: Record,
    ended: bool,
}

/// What following needs.
#[derive(Debug)]
struct Follow {
    /// Reports changes in the directory; `None`: look now and then.
    watch: Option<OwnedFd>,
    stopper: Stopper,
}

/// A file being read.
#[derive(Debug)]
struct Open {
    reader: Source,
    /// Whole entries to pass over.
    skip: u64,
}

#[derive(Debug)]
enum Source {
    Plain(BufReader<std::fs::File>),
    Gzip(Box<BufReader<MultiGzDecoder<std::fs::File>>>),
}

impl Source {
    fn buffered(&mut self) -> &mut dyn BufRead {
        match self {
            Self::Plain(reader) => reader,
            Self::Gzip(reader) => reader,
        }
    }
}

/// Ends a follow from another thread: the reader gives what is there, then [`Next::End`].
#[derive(Debug, Clone)]
pub struct Stopper {
    stopped: Arc<AtomicBool>,
    wake: Arc<OwnedFd>,
}

impl Stopper {
    fn new() -> Result<Self> {
        let wake = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).map_err(|e| Error::Wait(e.into()))?;
        Ok(Self {
            stopped: Arc::new(AtomicBool::new(false)),
            wake: Arc::new(wake),
        })
    }

    /// Stops the reader; may be called more than once.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
        let _ = rustix::io::write(&*self.wake, &1_u64.to_ne_bytes());
    }
}

impl Reader {
    /// Opens the log whose current file is `path`. A log that does not exist is empty (and may come when followed).
    pub(crate) fn open(path: &Path, records: &'static dyn Records, query: &Query) -> Result<Self> {
        // Watched before the files are opened: nothing that comes later is missed.
        let follow = query.follow.then(|| Follow::new(path)).transpose()?;
        let mut files = {
            let _lock = Lock::shared(path)?;
            open_all(path)?
        };
        let newest = files.first().map(|log| log.inode);
        let (needed, begin) = match (query.tail, query.since) {
            (Some(count), _) => last_entries(records, &files, count),
            (None, Some(since)) => first_since(records, &files, since),
            (None, None) => Ok((files.len(), Begin::Offset(0))),
        }
        .map_err(Error::file("read", path))?;
        files.truncate(needed);
        let mut begin = Some(begin);
        let queue = files
            .into_iter()
            .rev()
            .map(|log| (log, begin.take().unwrap_or(Begin::Offset(0))))
            .collect();
        Ok(Self {
            path: path.to_owned(),
            query: query.clone(),
            current: None,
            queue,
            newest,
            follow,
            unlooked: 0,
            records,
            record: Record::default(),
            ended: false,
        })
    }

    /// Ends the follow from elsewhere; `None` if this reader does not follow.
    pub fn stopper(&self) -> Option<Stopper> {
        self.follow.as_ref().map(|follow| follow.stopper.clone())
    }

    /// The next entry. When following and there is none, waits up to `wait` (`None`: as long as it takes).
    pub fn next(&mut self, wait: Option<Duration>) -> Result<Next> {
        let deadline = wait.map(|wait| Instant::now() + wait);
        while !self.ended {
            // Asked before reading: what was written before the stop is then still read.
            let stopping = self
                .follow
                .as_ref()
                .is_none_or(|follow| follow.stopper.stopped.load(Ordering::Acquire));
            if let Some(entry) = self.read_entry()? {
                self.unlooked += 1;
                if self.unlooked >= LOOK_AFTER {
                    self.unlooked = 0;
                    self.open_successors()?;
                }
                if self.query.until.is_some_and(|until| entry.time > until) {
                    self.ended = true;
                } else if self.query.since.is_none_or(|since| entry.time >= since) {
                    return Ok(Next::Entry(entry));
                }
                continue;
            }
            if self.open_successors()? {
                continue;
            }
            let past = self.query.until.is_some_and(|until| SystemTime::now() > until);
            if stopping || past {
                self.ended = true;
            } else if !self.wait(deadline)? {
                return Ok(Next::Idle);
            }
        }
        Ok(Next::End)
    }

    /// The next entry of the files opened so far.
    fn read_entry(&mut self) -> Result<Option<Entry>> {
        loop {
            let Some(open) = &mut self.current else {
                let Some((log, begin)) = self.queue.pop_front() else {
                    return Ok(None);
                };
                self.record.clear();
                self.current = Some(Open::new(log, begin)?);
                continue;
            };
            let path = &self.path;
            let complete = match self.records.read(open.reader.buffered(), &mut self.record) {
                // A damaged compressed file is read as far as it goes.
                Err(_) if matches!(open.reader, Source::Gzip(_)) => false,
                other => other.map_err(Error::file("read", path))?,
            };
            if !complete {
                if self.queue.is_empty() {
                    return Ok(None);
                }
                self.current = None;
                continue;
            }
            let entry = if open.skip > 0 {
                open.skip -= 1;
                None
            } else {
                let record = Some(&self.record).filter(|record| !record.overlong);
                record.and_then(|record| self.records.parse(&record.bytes))
            };
            self.record.clear();
            if entry.is_some() {
                return Ok(entry);
            }
        }
    }

    /// When everything opened was read: opens what rotation has put after it. `false` if there is nothing.
    fn open_successors(&mut self) -> Result<bool> {
        if self.follow.is_none() {
            return Ok(false);
        }
        if std::fs::metadata(&self.path).map(|metadata| metadata.ino()).ok() == self.newest {
            return Ok(false);
        }
        let _lock = Lock::shared(&self.path)?;
        let mut files = open_all(&self.path)?;
        if files.is_empty() {
            return Ok(false);
        }
        let place = self
            .newest
            .and_then(|inode| files.iter_mut().position(|log| is_or_was(log, inode)));
        // Not found: rotated away completely, so all that is left is newer. The file being read still has the entries
        // between the last look and its rotation: it stays current, and the queue comes after it.
        files.truncate(place.unwrap_or(files.len()));
        self.newest = files.first().map(|log| log.inode).or(self.newest);
        let found = !files.is_empty();
        self.queue
            .extend(files.into_iter().rev().map(|log| (log, Begin::Offset(0))));
        Ok(found)
    }

    /// Waits for a change; `false` if the deadline passed.
    fn wait(&mut self, deadline: Option<Instant>) -> Result<bool> {
        let Some(follow) = &self.follow else { return Ok(true) };
        let mut limit = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        if limit == Some(Duration::ZERO) {
            return Ok(false);
        }
        let mut shorten = |other: Duration| limit = Some(limit.map_or(other, |limit| limit.min(other)));
        if follow.watch.is_none() {
            shorten(LOOK_EVERY);
        }
        if let Some(until) = self.query.until {
            shorten(until.duration_since(SystemTime::now()).unwrap_or_default() + Duration::from_millis(1));
        }
        let wake = follow.stopper.wake.as_fd();
        let mut fds = vec![PollFd::from_borrowed_fd(wake, PollFlags::IN)];
        fds.extend(
            follow
                .watch
                .as_ref()
                .map(|watch| PollFd::from_borrowed_fd(watch.as_fd(), PollFlags::IN)),
        );
        let timeout = limit.map(|limit| rustix::event::Timespec {
            tv_sec: i64::try_from(limit.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: limit.subsec_nanos().into(),
        });
        match poll(&mut fds, timeout.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(Error::Wait(error.into())),
        }
        follow.drain();
        Ok(true)
    }
}

impl Follow {
    fn new(path: &Path) -> Result<Self> {
        use inotify::{CreateFlags, WatchFlags};
        let watch = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)
            .ok()
            .filter(|watch| {
                let what = WatchFlags::MODIFY | WatchFlags::CREATE | WatchFlags::MOVED_TO;
                inotify::add_watch(watch, directory(path), what).is_ok()
            });
        Ok(Self {
            watch,
            stopper: Stopper::new()?,
        })
    }

    /// Forgets the changes reported so far; what they were does not matter.
    fn drain(&self) {
        let mut buffer = [0; 4096];
        if let Some(watch) = &self.watch {
            while rustix::io::read(watch, &mut buffer).is_ok_and(|read| read > 0) {}
        }
    }
}

impl Open {
    fn new(mut log: LogFile, begin: Begin) -> Result<Self> {
        let mut skip = 0;
        match begin {
            Begin::Offset(0) => {}
            Begin::Offset(offset) => {
                log.file
                    .seek(SeekFrom::Start(offset))
                    .map_err(Error::file("read", &log.path))?;
            }
            Begin::Skip(entries) => skip = entries,
        }
        let reader = if log.compressed {
            Source::Gzip(Box::new(BufReader::with_capacity(
                BUFFER,
                MultiGzDecoder::new(log.file),
            )))
        } else {
            Source::Plain(BufReader::with_capacity(BUFFER, log.file))
        };
        Ok(Self { reader, skip })
    }
}

/// Whether `log` is the file with this inode, or was compressed from it.
fn is_or_was(log: &mut LogFile, inode: u64) -> bool {
    if !log.compressed {
        return log.inode == inode;
    }
    let origin = Origin::read(&log.file);
    let _ = log.file.rewind();
    origin.is_some_and(|origin| origin.inode == inode)
}
