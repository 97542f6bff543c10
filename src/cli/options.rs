use std::path::{Path as FilePath, PathBuf};
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::CliError;
use super::local::Local;
use super::target::Target;
use crate::client::{Client, ServerAddress, Token};

/// Where a server is when nothing says so.
const DEFAULT_SERVER: &str = "http://127.0.0.1:8000";

/// The process variable that names the server. It does not clash with `--repo`, as `--server` does.
const SERVER_VARIABLE: &str = "CONFGIT_SERVER";

/// The process variable that holds the key. Clap would show an option that it reads itself as one to be given.
const TOKEN_VARIABLE: &str = "CONFGIT_TOKEN";

/// What every command takes.
#[derive(Debug, Args)]
#[command(next_help_heading = "Options of every command")]
pub struct Options {
    /// The server to work on [env: CONFGIT_SERVER] [default: http://127.0.0.1:8000]
    #[arg(long, global = true, value_name = "URL", conflicts_with = "repo")]
    server: Option<ServerAddress>,
    /// The key to show the server; the variable keeps it out of the list of processes [env: CONFGIT_TOKEN]
    #[arg(long, global = true, value_name = "KEY")]
    token: Option<GivenToken>,
    /// Work on the project in this directory, without a server
    #[arg(long, global = true, value_name = "DIR")]
    repo: Option<PathBuf>,
    /// The environment; the project's default one when not given
    #[arg(short, long, global = true, value_name = "ENV")]
    pub env: Option<String>,
    /// How results are printed
    #[arg(short, long, global = true, value_name = "FORMAT", default_value = "table")]
    pub output: OutputFormat,
    /// No colours, as NO_COLOR does
    #[arg(long, global = true)]
    pub no_color: bool,
}

/// A key as it was given, not looked at yet: clap would repeat one that it refuses.
#[derive(Clone)]
struct GivenToken(String);

impl From<String> for GivenToken {
    fn from(text: String) -> Self {
        GivenToken(text)
    }
}

impl std::fmt::Debug for GivenToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("GivenToken([redacted])")
    }
}

/// How results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum OutputFormat {
    /// For people: bare values and aligned columns
    Table,
    /// JSON, as the API answers
    Json,
    /// The same as YAML
    Yaml,
}

impl Options {
    /// Opens what the command works on.
    pub fn target(&self) -> Result<Target, CliError> {
        if let Some(dir) = &self.repo {
            return Ok(Target::Local(Box::new(Local::open(dir)?)));
        }
        Ok(Target::Server(self.client()?))
    }

    /// The directory of the local project, for what reads its files.
    pub fn repo(&self) -> Option<&FilePath> {
        self.repo.as_deref()
    }

    /// The server.
    pub fn client(&self) -> Result<Client, CliError> {
        Ok(Client::new(self.server_address()?, self.checked_token()?))
    }

    /// The server, for a command that is about what happens there.
    pub fn server_client(&self, command: &str) -> Result<Client, CliError> {
        match &self.repo {
            Some(_) => Err(CliError::Usage(format!(
                "`confgit {command}` follows a server: leave --repo out, and start one with `confgit serve`"
            ))),
            None => self.client(),
        }
    }

    /// Refuses `--env` for a command that is about the whole project.
    pub fn without_env(&self, command: &str) -> Result<(), CliError> {
        match &self.env {
            Some(_) => {
                Err(CliError::Usage(format!("`confgit {command}` has no use for --env: leave it out")))
            }
            None => Ok(()),
        }
    }

    /// A client of the server that shows it no key, for what anybody may ask.
    pub fn client_without_key(&self) -> Result<Client, CliError> {
        if self.repo.is_some() {
            return Err(CliError::Usage("this asks a server: leave --repo out".to_owned()));
        }
        Ok(Client::new(self.server_address()?, None))
    }

    /// The same for a shell that waits for what it may offer: gives up after a moment.
    pub fn impatient_target(&self, patience: Duration) -> Result<Target, CliError> {
        if let Some(dir) = &self.repo {
            return Ok(Target::Local(Box::new(Local::open(dir)?)));
        }
        Ok(Target::Server(Client::impatient(self.server_address()?, self.checked_token()?, patience)))
    }

    /// Refuses options that a command without server and project has no use for.
    pub fn without_target(&self, command: &str) -> Result<(), CliError> {
        let given = [
            ("--server", self.server.is_some()),
            ("--repo", self.repo.is_some()),
            ("--env", self.env.is_some()),
        ];
        match given.iter().find(|(_, is_given)| *is_given) {
            Some((name, _)) => {
                Err(CliError::Usage(format!("`confgit {command}` has no use for {name}: leave it out")))
            }
            None => Ok(()),
        }
    }

    fn server_address(&self) -> Result<ServerAddress, CliError> {
        if let Some(server) = &self.server {
            return Ok(server.clone());
        }
        let named = std::env::var(SERVER_VARIABLE).ok().filter(|value| !value.is_empty());
        let address = named.as_deref().unwrap_or(DEFAULT_SERVER).parse::<ServerAddress>();
        address.map_err(|error| CliError::Usage(format!("{SERVER_VARIABLE}: {error}")))
    }

    /// The key; one that is empty is none.
    fn checked_token(&self) -> Result<Option<Token>, CliError> {
        let token = match &self.token {
            Some(GivenToken(token)) => Some(token.clone()),
            None => std::env::var(TOKEN_VARIABLE).ok(),
        };
        let given = token.as_deref().map(str::trim).filter(|token| !token.is_empty());
        given
            .map(|token| {
                token.parse().map_err(|error| CliError::Usage(format!("--token or CONFGIT_TOKEN: {error}")))
            })
            .transpose()
    }
}
