//! `tierce login`

use super::address;
use crate::context::Context;
use crate::error::Error;
use crate::terminal;
use clap::Args;
use std::io::{self, BufRead, Read, Write};
use tierce_api_types::auth::AuthConfig;
use tierce_settings::Stored;

/// Longer passwords are a file that was meant for something else.
const LONGEST_PASSWORD: u64 = 64 << 10;

/// Docker's words, and their prefix, for standard input that nobody types at.
const NO_TERMINAL: &str = "Error: Cannot perform an interactive login from a non TTY device";

#[derive(Args)]
pub(crate) struct Login {
    /// Password or Personal Access Token (PAT)
    #[arg(short, long)]
    password: Option<String>,
    /// Take the Password or Personal Access Token (PAT) from stdin
    #[arg(long)]
    password_stdin: bool,
    /// Username
    #[arg(short, long)]
    username: Option<String>,
    #[arg(value_name = "SERVER")]
    server: Option<String>,
}

impl Login {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Error> {
        let (username, password) = self.given()?;
        let address = address(self.server.as_deref());
        let mut file = context.config()?;
        let mut known = String::new();
        if username.is_none() && password.is_none() {
            let stored = file.get(&address)?.unwrap_or_default();
            if !stored.username.is_empty() && !stored.password.is_empty() {
                match with_stored(context, &stored).await {
                    Some(status) => {
                        println!("{status}");
                        return Ok(());
                    }
                    None => known = stored.username,
                }
            }
        }
        let (username, password) = ask(username, password, &known)?;
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
        // A token can be taken back, a password is the user's own.
        if file.store(&credentials)? == Stored::File && !credentials.password.is_empty() {
            eprintln!(
                "\nWARNING! Your credentials are stored unencrypted in '{}'.\nConfigure a credential helper to remove \
                 this warning. See\nhttps://docs.docker.com/go/credential-store/\n",
                file.path().display()
            );
        }
        println!("{}", answer.status);
        Ok(())
    }

    /// User and password as far as the command line and standard input tell them.
    fn given(&self) -> Result<(Option<String>, Option<String>), Error> {
        if self.password.is_some() && self.password_stdin {
            return Err(Error::failed(
                "conflicting options: cannot specify both --password and --password-stdin",
            ));
        }
        for (given, name) in [(&self.username, "username"), (&self.password, "password")] {
            if given.as_deref() == Some("") {
                return Err(Error::failed(format!("{name} is empty")));
            }
        }
        if self.password_stdin {
            if self.username.is_none() {
                return Err(Error::failed(
                    "the --password-stdin option requires --username to be set",
                ));
            }
            let mut password = String::new();
            io::stdin()
                .take(LONGEST_PASSWORD)
                .read_to_string(&mut password)
                .map_err(|error| unread(&error))?;
            let password = password.trim_end_matches(['\r', '\n']).to_owned();
            return Ok((
                self.username.clone(),
                Some(password).filter(|password| !password.is_empty()),
            ));
        }
        if self.password.is_some() {
            eprintln!("WARNING! Using --password via the CLI is insecure. Use --password-stdin.");
        }
        Ok((self.username.clone(), self.password.clone()))
    }
}

/// Logs in with what is stored. A failure is told, and leads to asking the user.
async fn with_stored(context: &Context, stored: &AuthConfig) -> Option<String> {
    eprintln!(
        "Authenticating with existing credentials... [Username: {}]\n\n Info -> To login with a different account, run \
         'docker logout' followed by 'docker login'\n\n",
        stored.username
    );
    match context.client.system().auth(stored).await {
        Ok(answer) => Some(answer.status),
        Err(error) if error.status() == Some(401) => {
            eprintln!("Stored credentials invalid or expired");
            None
        }
        Err(error) => {
            eprintln!("Login did not succeed, error: {}", Error::from(error));
            None
        }
    }
}

/// Asks the user for what is not given; `known` is the user to take when only Enter is pressed.
fn ask(username: Option<String>, password: Option<String>, known: &str) -> Result<(String, String), Error> {
    if (username.is_none() || password.is_none()) && !terminal::stdin_is_terminal() {
        return Err(Error::failed(NO_TERMINAL));
    }
    let username = match username {
        Some(username) => username,
        None if known.is_empty() => prompt("Username: ").map_err(|error| unread(&error))?,
        None => {
            let typed = prompt(&format!("Username ({known}): ")).map_err(|error| unread(&error))?;
            if typed.is_empty() { known.to_owned() } else { typed }
        }
    };
    if username.is_empty() {
        return Err(Error::failed("Error: Non-null Username Required"));
    }
    let password = if let Some(password) = password {
        password
    } else {
        let _silent = terminal::Silence::begin();
        let password = prompt("Password: ").map_err(|error| unread(&error))?;
        eprintln!();
        password
    };
    if password.is_empty() {
        return Err(Error::failed("Error: Password Required"));
    }
    Ok((username, password))
}

fn unread(error: &io::Error) -> Error {
    Error::failed(format!("read the password: {error}"))
}

fn prompt(text: &str) -> io::Result<String> {
    eprint!("{text}");
    io::stderr().flush()?;
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line)?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}
