//! `tierce login`

use super::address;
use crate::context::Context;
use crate::credentials::{ConfigFile, Stored};
use crate::error::Error;
use crate::terminal;
use clap::Args;
use std::io::{self, BufRead, Read, Write};
use tierce_api_types::auth::AuthConfig;

/// Longer passwords are a file that was meant for something else.
const LONGEST_PASSWORD: u64 = 64 << 10;

#[derive(Args)]
pub(crate) struct Login {
    /// Password or Personal Access Token (PAT)
    #[arg(short, long, default_value = "", hide_default_value = true)]
    password: String,
    /// Take the Password or Personal Access Token (PAT) from stdin
    #[arg(long)]
    password_stdin: bool,
    /// Username
    #[arg(short, long, default_value = "", hide_default_value = true)]
    username: String,
    #[arg(value_name = "SERVER")]
    server: Option<String>,
}

impl Login {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Error> {
        let address = address(self.server.as_deref());
        let mut file = ConfigFile::load()?;
        let (username, password) = self.ask()?;
        let mut credentials = AuthConfig {
            username,
            password,
            server_address: address,
            ..AuthConfig::default()
        };
        let answer = context.client.system().auth(&credentials).await?;
        if !answer.identity_token.is_empty() {
            credentials.password.clear();
            credentials.identity_token = answer.identity_token;
        }
        if file.store(&credentials)? == Stored::File {
            eprintln!(
                "\nWARNING! Your credentials are stored unencrypted in '{}'.\nConfigure a credential helper to remove \
                 this warning. See\nhttps://docs.docker.com/go/credential-store/\n",
                file.path().display()
            );
        }
        println!("{}", answer.status);
        Ok(())
    }

    /// User and password, from the command line or from the user.
    fn ask(&self) -> Result<(String, String), Error> {
        if self.password_stdin && !self.password.is_empty() {
            return Err(Error::failed("--password and --password-stdin are mutually exclusive"));
        }
        if self.password_stdin && self.username.is_empty() {
            return Err(Error::failed("Must provide --username with --password-stdin"));
        }
        let failed = |error: io::Error| Error::failed(format!("read the password: {error}"));
        if self.password_stdin {
            let mut password = String::new();
            io::stdin()
                .take(LONGEST_PASSWORD)
                .read_to_string(&mut password)
                .map_err(failed)?;
            return Ok((
                self.username.clone(),
                password.trim_end_matches(['\r', '\n']).to_owned(),
            ));
        }
        if !self.password.is_empty() {
            eprintln!("WARNING! Using --password via the CLI is insecure. Use --password-stdin.");
        }
        if (self.username.is_empty() || self.password.is_empty()) && !terminal::stdin_is_terminal() {
            return Err(Error::failed(
                "cannot perform an interactive login from a non TTY device",
            ));
        }
        let username = match &*self.username {
            "" => prompt("Username: ").map_err(failed)?,
            username => username.to_owned(),
        };
        if username.is_empty() {
            return Err(Error::failed("non-null Username Required"));
        }
        let password = match &*self.password {
            "" => {
                let _silent = terminal::Silence::begin();
                let password = prompt("Password: ").map_err(failed)?;
                eprintln!();
                password
            }
            password => password.to_owned(),
        };
        if password.is_empty() {
            return Err(Error::failed("password required"));
        }
        Ok((username, password))
    }
}

fn prompt(text: &str) -> io::Result<String> {
    eprint!("{text}");
    io::stderr().flush()?;
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line)?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}
