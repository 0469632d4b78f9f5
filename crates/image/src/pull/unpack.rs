//! From the registry's stream to an unpacked, verified, not yet registered layer.
//!
//! The download is asynchronous, unpacking is not; a bounded channel joins them, so that a slow disk slows the download
//! down instead of filling memory.

use super::blocking;
use super::transfer::Blueprint;
use crate::{Error, Images};
use bytes::Bytes;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tierce_content::{IngestReader, Source};
use tokio::sync::mpsc;

/// Pieces between the two sides; a piece is what one read of the connection gave, up to some 100 kB.
const PIECES: usize = 16;

enum Piece {
    Bytes(Bytes),
    End,
}

/// Fetches and unpacks one layer. `afresh` forgets what an earlier transfer staged. `report` hears how many bytes are
/// there.
pub(crate) async fn fetch(
    images: &Arc<Images>,
    blueprint: &Blueprint,
    afresh: bool,
    report: &(impl Fn(u64) + Sync),
) -> Result<tierce_layer::Ingest, Error> {
    let (staging, digest, size) = (
        images.staging.clone(),
        blueprint.blob.digest.clone(),
        blueprint.blob.size,
    );
    let mut ingest = blocking("stage a blob", move || Ok(staging.ingest(&digest, size)?)).await?;
    if afresh {
        ingest.restart();
    }
    let mut have = ingest.staged();
    let mut stream = blueprint.repository.blob(&blueprint.blob, have);
    let (sender, receiver) = mpsc::channel(PIECES);
    let unpacking = {
        let (images, blueprint) = (images.clone(), blueprint.clone());
        tokio::spawn(blocking("unpack a layer", move || {
            unpack(&images, &blueprint, ingest.reader(pieces(receiver)))
        }))
    };
    // A blob that is staged to its last byte needs no request.
    let downloaded = if have < size || size == 0 {
        download(&mut stream, &sender, &mut have, report).await
    } else {
        Ok(())
    };
    if downloaded.is_ok() && have == size {
        // When nobody receives any more, unpacking ended early and knows why.
        let _ = sender.send(Piece::End).await;
    }
    drop(sender);
    let unpacked = unpacking.await.map_err(|error| Error::Task {
        task: "unpacking a layer",
        cause: error.to_string(),
    })?;
    downloaded?;
    unpacked
}

/// Sends on what comes until the blob is complete or nobody receives any more.
async fn download(
    stream: &mut tierce_registry::BlobStream,
    sender: &mpsc::Sender<Piece>,
    have: &mut u64,
    report: &(impl Fn(u64) + Sync),
) -> Result<(), tierce_registry::Error> {
    while let Some(bytes) = stream.next().await? {
        *have += bytes.len() as u64;
        report(*have);
        if sender.send(Piece::Bytes(bytes)).await.is_err() {
            break;
        }
    }
    Ok(())
}

/// The blocking end of the channel. Its sender going away without [`Piece::End`] means that no more will come.
fn pieces(mut receiver: mpsc::Receiver<Piece>) -> impl Source {
    move || match receiver.blocking_recv() {
        Some(Piece::Bytes(bytes)) => Ok(Some(bytes)),
        Some(Piece::End) => Ok(None),
        None => Err(io::Error::new(
            io::ErrorKind::ConnectionAborted,
            "the transfer broke off",
        )),
    }
}

/// Unpacks a blob and verifies it. What was staged stays only when another try can use it: after a broken transfer, or
/// the end of this process.
fn unpack<S: Source + Send>(
    images: &Images,
    blueprint: &Blueprint,
    mut reader: IngestReader<S>,
) -> Result<tierce_layer::Ingest, Error> {
    let unpacked = match images.layers.unpack(&mut reader) {
        // Bytes that are not those of the digest seldom are a good archive: the digest is the better story. A hostile
        // entry or a full disk is its own story, and the rest of such a blob is not worth reading.
        Err(Error::Layer(error)) if is_about_the_bytes(&error) => {
            reader.finish().map_err(Error::from).and(Err(Error::Layer(error)))
        }
        Err(error) => Err(error),
        Ok(unpacked) => reader.finish().map_err(Error::from).map(|()| unpacked),
    };
    match unpacked {
        Ok((ingest, applied)) if applied.diff_id == blueprint.diff_id => Ok(ingest),
        Ok((_, applied)) => Err(Error::WrongDiffId {
            blob: blueprint.blob.digest.clone(),
            expected: blueprint.diff_id.clone(),
            actual: applied.diff_id,
        }),
        Err(error) => {
            let broken = matches!(error, Error::Content(tierce_content::Error::Source { .. }));
            if !broken || blueprint.given_up.load(Ordering::SeqCst) {
                reader.abandon();
            }
            Err(error)
        }
    }
}

fn is_about_the_bytes(error: &tierce_layer::Error) -> bool {
    use tierce_layer::Error as E;
    matches!(
        error,
        E::Tar { .. } | E::Truncated { .. } | E::Read(_) | E::Decompress { .. } | E::Compression(_)
    )
}
