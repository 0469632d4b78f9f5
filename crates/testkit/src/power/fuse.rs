//! A file system of one file, served over /dev/fuse: the medium behind it sees every read, write and sync in order.
//!
//! The mount point is a regular file, so the root of the file system is the file itself and nothing is ever looked up.
//! The file is opened for direct I/O: what is written to it arrives at once and stays in no page cache.
//!
//! Source: `include/uapi/linux/fuse.h`, protocol 7.31. All numbers are in the machine's byte order.

use rustix::io::Errno;
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
use std::ffi::CString;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

/// What is behind the file.
pub(super) trait Medium: Send + Sync {
    /// Its length in bytes, which never changes.
    fn length(&self) -> u64;
    /// Bytes from `offset` on, all within the length.
    fn read(&self, offset: u64, length: usize) -> Vec<u8>;
    /// Takes bytes, all within the length.
    fn write(&self, offset: u64, bytes: &[u8]);
    /// Everything that was written before is asked to be durable.
    fn sync(&self);
}

const MAX_WRITE: usize = 1 << 20;
const IN_HEADER: usize = 40;
const WRITE_IN: usize = 40;

const GETATTR: u32 = 3;
const SETATTR: u32 = 4;
const OPEN: u32 = 14;
const READ: u32 = 15;
const WRITE: u32 = 16;
const STATFS: u32 = 17;
const RELEASE: u32 = 18;
const FSYNC: u32 = 20;
const FLUSH: u32 = 25;
const INIT: u32 = 26;
/// `FORGET`, `INTERRUPT`, `BATCH_FORGET`: the kernel waits for no answer.
const UNANSWERED: [u32; 3] = [2, 36, 42];

const ASYNC_READ: u32 = 1;
const BIG_WRITES: u32 = 1 << 5;
const MAX_PAGES: u32 = 1 << 22;
const DIRECT_IO: u32 = 1;
const MODE: u32 = 0o100_600;
const BLOCK: u32 = 4096;

/// The mounted file. It goes when this is dropped; nobody may have it open then.
pub(super) struct Server {
    path: PathBuf,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Serves `medium` as the content of `path`, a regular file that is there already.
    pub(super) fn start(medium: Arc<dyn Medium>, path: &Path) -> std::io::Result<Self> {
        let device = File::options().read(true).write(true).open("/dev/fuse")?;
        let options = format!("fd={},rootmode={MODE:o},user_id=0,group_id=0", device.as_raw_fd());
        let options = CString::new(options)?;
        mount(
            "recorded",
            path,
            "fuse",
            MountFlags::NOSUID | MountFlags::NODEV,
            &*options,
        )?;
        let thread = std::thread::Builder::new()
            .name("fuse".to_owned())
            .spawn(move || serve(device, &*medium))?;
        Ok(Self {
            path: path.to_owned(),
            thread: Some(thread),
        })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Without a mount the kernel ends the conversation, and with it the thread.
        if unmount(&self.path, UnmountFlags::DETACH).is_ok()
            && let Some(thread) = self.thread.take()
        {
            drop(thread.join());
        }
    }
}

fn serve(mut device: File, medium: &dyn Medium) {
    let mut buffer = vec![0; MAX_WRITE + IN_HEADER + WRITE_IN + BLOCK as usize];
    loop {
        let length = match device.read(&mut buffer) {
            Ok(length) if length >= IN_HEADER => length,
            // A request that was taken back before it was read.
            Err(error)
                if matches!(
                    Errno::from_io_error(&error),
                    Some(Errno::NOENT | Errno::INTR | Errno::AGAIN)
                ) =>
            {
                continue;
            }
            // Unmounted.
            _ => return,
        };
        let request = Request(&buffer[..length]);
        if UNANSWERED.contains(&request.number(4)) {
            continue;
        }
        let (error, body) = match answer(&request, medium) {
            Ok(body) => (0, body),
            Err(errno) => (-errno.raw_os_error(), Vec::new()),
        };
        let mut reply = Vec::with_capacity(16 + body.len());
        put(&mut reply, &[(16 + body.len()) as u32, error as u32]);
        put64(&mut reply, &[request.long(8)]);
        reply.extend_from_slice(&body);
        // An asker that was killed meanwhile takes no answer; the next read tells whether the mount is gone.
        let _ = device.write_all(&reply);
    }
}

/// A request as it came: the header of 40 bytes, then what the operation has.
struct Request<'a>(&'a [u8]);

impl Request<'_> {
    fn number(&self, at: usize) -> u32 {
        u32::from_ne_bytes(self.bytes(at))
    }

    fn long(&self, at: usize) -> u64 {
        u64::from_ne_bytes(self.bytes(at))
    }

    /// Zeroes where the request is shorter: an older kernel.
    fn bytes<const N: usize>(&self, at: usize) -> [u8; N] {
        let bytes = self.0.get(at..at + N).and_then(|bytes| bytes.try_into().ok());
        bytes.unwrap_or([0; N])
    }
}

fn answer(request: &Request<'_>, medium: &dyn Medium) -> Result<Vec<u8>, Errno> {
    let (offset, size) = (request.long(IN_HEADER + 8), request.number(IN_HEADER + 16) as usize);
    let within = offset
        .checked_add(size as u64)
        .is_some_and(|end| end <= medium.length());
    let mut body = Vec::new();
    match request.number(4) {
        INIT => {
            let flags = request.number(IN_HEADER + 12) & (ASYNC_READ | BIG_WRITES | MAX_PAGES);
            // Version, read-ahead, flags, background requests, largest write, time in nanoseconds, pages a request.
            put(
                &mut body,
                &[7, 31, 0, flags, 0, MAX_WRITE as u32, 1, MAX_WRITE as u32 / BLOCK],
            );
            body.resize(64, 0);
        }
        GETATTR | SETATTR => {
            // Valid for a long time.
            put64(&mut body, &[u64::from(u32::MAX), 0]);
            put64(&mut body, &[1, medium.length(), medium.length() / 512, 0, 0, 0]);
            put(&mut body, &[0, 0, 0, MODE, 1, 0, 0, 0, BLOCK, 0]);
        }
        OPEN => {
            put64(&mut body, &[0]);
            put(&mut body, &[DIRECT_IO, 0]);
        }
        READ if offset >= medium.length() => {}
        READ => {
            let left = usize::try_from(medium.length() - offset).unwrap_or(usize::MAX);
            body = medium.read(offset, size.min(left));
        }
        WRITE => {
            let data = request.0.get(IN_HEADER + WRITE_IN..IN_HEADER + WRITE_IN + size);
            let data = data.filter(|_| within).ok_or(Errno::FBIG)?;
            medium.write(offset, data);
            put(&mut body, &[size as u32, 0]);
        }
        FSYNC => medium.sync(),
        STATFS => {
            put64(&mut body, &[medium.length() / u64::from(BLOCK), 0, 0, 1, 0]);
            put(&mut body, &[BLOCK, 255, BLOCK]);
            body.resize(80, 0);
        }
        FLUSH | RELEASE => {}
        _ => return Err(Errno::NOSYS),
    }
    Ok(body)
}

fn put(buffer: &mut Vec<u8>, numbers: &[u32]) {
    buffer.extend(numbers.iter().flat_map(|number| number.to_ne_bytes()));
}

fn put64(buffer: &mut Vec<u8>, numbers: &[u64]) {
    buffer.extend(numbers.iter().flat_map(|number| number.to_ne_bytes()));
}
