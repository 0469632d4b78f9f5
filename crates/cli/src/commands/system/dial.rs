//! `tierce system dial-stdio`: what `ssh://` runs on the other machine.

use crate::context::Context;
use crate::error::Error;
use crate::stdin::{self, Input};
use clap::Args;
use std::io::Write as _;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

#[derive(Args)]
pub(crate) struct DialStdio {}

impl DialStdio {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Error> {
        let (mut reader, mut writer) = tokio::io::split(context.client.dial().await?);
        let failed = |error: std::io::Error| Error::failed(format!("copy the connection: {error}"));
        let upward = async {
            let mut input = stdin::read(None);
            while let Some(event) = input.recv().await {
                if let Input::Bytes(bytes) = event {
                    writer.write_all(&bytes).await.map_err(failed)?;
                }
            }
            // The client has said all; the daemon may still answer.
            writer.shutdown().await.map_err(failed)
        };
        let downward = async {
            let mut buffer = vec![0; 64 << 10];
            loop {
                let count = reader.read(&mut buffer).await.map_err(failed)?;
                if count == 0 {
                    return Ok(());
                }
                let mut out = std::io::stdout().lock();
                out.write_all(&buffer[..count])
                    .and_then(|()| out.flush())
                    .map_err(failed)?;
            }
        };
        tokio::pin!(upward, downward);
        // It is over when the daemon has nothing more to say.
        tokio::select! {
            ended = &mut downward => ended,
            ended = &mut upward => { ended?; downward.await }
        }
    }
}
