//! `tierce cp`

use crate::context::Context;
use crate::error::Error;
use crate::output::archive;
use crate::terminal;
use clap::Args;
use std::ffi::OsStr;
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tierce_client::{ByteStream, PathStat, PutArchive, Upload};
use tierce_copy::{Place, Rename};
use tierce_format::units;
use tokio::sync::mpsc;

/// What the help page says.
pub(super) const ABOUT: &str = "\
Copy files/folders between a container and the local filesystem

Use '-' as the source to read a tar archive from stdin
and extract it to a directory destination in a container.
Use '-' as the destination to stream a tar archive of a
container source to stdout.";

#[derive(Args)]
pub(crate) struct Cp {
    /// Archive mode (copy all uid/gid information)
    #[arg(short, long)]
    archive: bool,
    /// Always follow symbol link in SRC_PATH
    #[arg(short = 'L', long)]
    follow_link: bool,
    /// Suppress progress output during copy. Progress output is automatically suppressed if no terminal is attached
    #[arg(short, long, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    quiet: Option<bool>,
    /// `CONTAINER:PATH`, a path here, or `-`
    #[arg(value_name = "SRC_PATH")]
    source: String,
    /// The same
    #[arg(value_name = "DEST_PATH")]
    destination: String,
}

/// A container's side of a copy.
struct Inside<'a> {
    container: &'a str,
    path: &'a str,
}

impl Cp {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Error> {
        for (word, what) in [(&self.source, "source"), (&self.destination, "destination")] {
            if word.is_empty() {
                return Err(Error::failed(format!("{what} can not be empty")));
            }
        }
        match (split(&self.source), split(&self.destination)) {
            (Ok(from), Err(to)) => self.come_out(context, &from, to).await,
            (Err(from), Ok(to)) => self.go_into(context, from, &to).await,
            (Ok(_), Ok(_)) => Err(Error::failed("copying between containers is not supported")),
            (Err(_), Err(_)) => Err(Error::failed("must specify at least one container source")),
        }
    }

    fn is_quiet(&self) -> bool {
        self.quiet.unwrap_or_else(|| !terminal::stdout_is_terminal())
    }

    /// Tells what was copied, unless nobody wants to know.
    fn report(&self, counter: &AtomicU64, to: &str) {
        if !self.is_quiet() {
            let size = units::size(counter.load(Ordering::Relaxed) as f64);
            eprintln!("Successfully copied {size} to {to}");
        }
    }

    async fn come_out(&self, context: &Context, from: &Inside<'_>, to: &str) -> Result<(), Error> {
        let files = context.client.files(from.container);
        let (mut path, mut renamed) = (from.path.to_owned(), None);
        if self.follow_link
            && let Ok(stat) = files.stat(from.path).await
            && stat.is_symlink()
        {
            path = shown(&tierce_copy::followed(
                Path::new(from.path),
                Path::new(&stat.link_target),
            ));
            // It is known by the link's name all the same.
            renamed = Some(tierce_copy::split(Path::new(from.path)).1);
        }
        if to == "-" {
            let (stream, _) = files.get(&path).await?;
            return archive::write(stream, None).await;
        }
        let to = tierce_copy::absolute(Path::new(to))?;
        tierce_copy::check_destination(&to)?;
        let (stream, stat) = files.get(&path).await?;
        let name = tierce_copy::split(Path::new(&path)).1;
        let source = Place {
            path: PathBuf::from(&path),
            is_dir: Some(stat.is_dir()),
        };
        let plan = tierce_copy::plan(&source, &tierce_copy::destination(&to)?)?;
        let rename = plan.name.or(renamed).map(|new| Rename {
            old: if name == "/" {
                Vec::new()
            } else {
                name.as_bytes().to_vec()
            },
            new: new.as_bytes().to_vec(),
        });
        let counter = Arc::new(AtomicU64::new(0));
        let (sender, receiver) = mpsc::channel(8);
        let reader = Pieces {
            receiver,
            current: bytes::Bytes::new(),
            counter: counter.clone(),
        };
        let directory = plan.directory;
        let unpacking = tokio::task::spawn_blocking(move || tierce_copy::unpack(reader, &directory, rename.as_ref()));
        let received = forward(stream, sender).await;
        let unpacked = unpacking
            .await
            .map_err(|error| Error::failed(format!("unpack the archive: {error}")))?;
        // A stream that breaks off also is an archive that ends too early; the first cause is the one to tell.
        received?;
        unpacked?;
        self.report(&counter, &to.to_string_lossy());
        Ok(())
    }

    async fn go_into(&self, context: &Context, from: &str, to: &Inside<'_>) -> Result<(), Error> {
        let destination = inside(context, to).await?;
        let counter = Arc::new(AtomicU64::new(0));
        let (directory, upload) = if from == "-" {
            if destination.is_dir != Some(true) {
                return Err(Error::failed(format!(
                    "destination \"{}:{}\" must be a directory",
                    to.container, to.path
                )));
            }
            (destination.path.clone(), Upload::from_reader(io::stdin()))
        } else {
            let from = tierce_copy::absolute(Path::new(from))?;
            let (source, name) = tierce_copy::source(&from, self.follow_link)?;
            let plan = tierce_copy::plan(&source, &destination)?;
            let name = plan.name.unwrap_or(name);
            let counter = counter.clone();
            let upload = Upload::from_writer(move |output| {
                let output = Counted { output, counter };
                tierce_copy::pack(&source.path, name.as_bytes(), output)
                    .map(drop)
                    .map_err(io::Error::other)
            });
            (plan.directory, upload)
        };
        let options = PutArchive {
            copy_uid_gid: self.archive,
        };
        context
            .client
            .files(to.container)
            .put(&shown(&directory), options, upload)
            .await?;
        self.report(&counter, &format!("{}:{}", to.container, shown(&destination.path)));
        Ok(())
    }
}

/// What is there in the container to copy to; a link is followed once, as Docker's client does.
async fn inside(context: &Context, to: &Inside<'_>) -> Result<Place, Error> {
    let files = context.client.files(to.container);
    let mut path = PathBuf::from(to.path);
    let mut found = files.stat(to.path).await;
    if let Ok(stat) = &found
        && stat.is_symlink()
    {
        path = tierce_copy::followed(&path, Path::new(&stat.link_target));
        found = files.stat(&shown(&path)).await;
    }
    let is_dir = match &found {
        Ok(stat) => {
            check_kind(stat).map_err(|why| {
                Error::failed(format!(
                    "destination \"{}:{}\" must be a directory or a regular file: {why}",
                    to.container, to.path
                ))
            })?;
            Some(stat.is_dir())
        }
        // A container that is not there is told by the copy itself; all else may be a path to be made.
        Err(_) => None,
    };
    Ok(Place { path, is_dir })
}

fn check_kind(stat: &PathStat) -> Result<(), &'static str> {
    if stat.is_device() {
        return Err("got a device");
    }
    if stat.is_irregular() {
        return Err("got an irregular file");
    }
    Ok(())
}

/// `CONTAINER:PATH`, or a path here: absolute, with a dot at its beginning, or without a colon.
fn split(word: &str) -> Result<Inside<'_>, &str> {
    match word.split_once(':') {
        Some((container, path)) if !word.starts_with(['/', '.']) && !container.is_empty() => {
            Ok(Inside { container, path })
        }
        _ => Err(word),
    }
}

/// A path of a container. The API takes text only.
fn shown(path: &Path) -> String {
    OsStr::to_string_lossy(path.as_os_str()).into_owned()
}

/// Hands a stream over to the thread that unpacks it, as long as it listens.
async fn forward(mut stream: ByteStream, sender: mpsc::Sender<bytes::Bytes>) -> Result<(), Error> {
    while let Some(piece) = stream.next().await? {
        if sender.send(piece).await.is_err() {
            break;
        }
    }
    Ok(())
}

/// The archive on the side of the thread that unpacks it.
struct Pieces {
    receiver: mpsc::Receiver<bytes::Bytes>,
    current: bytes::Bytes,
    counter: Arc<AtomicU64>,
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.current.is_empty() {
            match self.receiver.blocking_recv() {
                Some(piece) => self.current = piece,
                None => return Ok(0),
            }
        }
        let count = self.current.len().min(buffer.len());
        buffer[..count].copy_from_slice(&self.current.split_to(count));
        self.counter.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

/// Counts what is written.
struct Counted<W> {
    output: W,
    counter: Arc<AtomicU64>,
}

impl<W: Write> Write for Counted<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.output.write(bytes)?;
        self.counter.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.output.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_086_a_path_with_a_colon_is_told_from_a_container() {
        let told = |word| split(word).map(|inside| (inside.container, inside.path));
        assert_eq!(told("web:/etc/hosts"), Ok(("web", "/etc/hosts")));
        assert_eq!(told("web:"), Ok(("web", "")));
        assert_eq!(told("web:a:b"), Ok(("web", "a:b")));
        for path in ["/a:b", "./a:b", "../a:b", "ab", "-", ":x"] {
            assert_eq!(told(path), Err(path));
        }
    }
}
