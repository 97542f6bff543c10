use std::time::Duration;

use clap::{Args, Subcommand};

use super::CliError;
use super::options::{Options, OutputFormat};
use super::output::Output;
use super::table::Table;
use crate::wire;

/// Tell who watches, and how far behind each is
///
/// Every open watch is a client: a service with an SDK, `confgit run`, an agent, a browser. One that names itself is missed
/// when it goes without a word.
#[derive(Debug, Args)]
#[command(
    subcommand_required = true,
    arg_required_else_help = true,
    disable_help_subcommand = true,
    after_help = "Examples:\n  confgit client list --env prod\n  confgit client list --lost\n  confgit client watch"
)]
pub struct Client {
    #[command(subcommand)]
    command: ClientCommand,
}

#[derive(Debug, Subcommand)]
enum ClientCommand {
    List(List),
    Watch(Watch),
}

/// List who watches
///
/// One line for each watch that is open: what it calls itself, its account, what it watches, up to which change set it was
/// told and follows, and for how long the oldest change waits for it.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  confgit client list\n  confgit client list --env prod -o json\n  confgit client list --lost"
)]
struct List {
    /// Those with a name that went without a word, and have not come back
    #[arg(long)]
    lost: bool,
}

/// List who watches again and again
///
/// The same list every so many seconds, until it is interrupted: whether a change has reached everybody.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  confgit client watch --env prod\n  confgit client watch --every 1 -o json"
)]
struct Watch {
    /// How many seconds lie between
    #[arg(long, value_name = "SECONDS", default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    every: u64,
}

impl Client {
    /// Runs the command.
    pub fn run(self, options: &Options, output: &mut Output) -> Result<(), CliError> {
        let client = options.server_client("client")?;
        match self.command {
            ClientCommand::List(List { lost }) => {
                let clients = client.clients(options.env.as_deref(), lost)?;
                show(&clients, lost, output)
            }
            ClientCommand::Watch(Watch { every }) => loop {
                let clients = client.clients(options.env.as_deref(), false)?;
                show(&clients, false, output)?;
                output.finish()?;
                std::thread::sleep(Duration::from_secs(every));
                if output.format() == OutputFormat::Table {
                    output.line("")?;
                }
            },
        }
    }
}

fn show(clients: &wire::Clients, is_lost: bool, output: &mut Output) -> Result<(), CliError> {
    if output.format() != OutputFormat::Table {
        return output.data(clients);
    }
    if clients.clients.is_empty() {
        return output.line(if is_lost { "nobody is missed" } else { "nobody watches" });
    }
    let last = if is_lost { "LEFT" } else { "LAG" };
    let mut table =
        Table::new(&["CLIENT", "ACCOUNT", "ENV", "WATCHES", "TOLD", "FOLLOWS", last, "BUILT WITH"], &[3, 7]);
    for client in &clients.clients {
        table.row(vec![
            client.id.clone(),
            client.account.clone(),
            client.env.clone(),
            client.watching.join(" "),
            client.sequence.to_string(),
            client.acknowledged.map_or_else(|| "-".to_owned(), |sequence| sequence.to_string()),
            client.left_at.clone().unwrap_or_else(|| lag(client.lag_ms)),
            client.sdk.clone().unwrap_or_default(),
        ]);
    }
    output.table(&table)?;
    if is_lost {
        return Ok(());
    }
    let behind = clients.clients.iter().filter(|client| client.lag_ms > 0).count();
    let count = clients.clients.len();
    output.line(format!(
        "{count} {}, the newest change set is {}; {}",
        if count == 1 { "watch" } else { "watches" },
        clients.sequence,
        if behind == 0 { "nobody is behind".to_owned() } else { format!("{behind} behind") }
    ))
}

fn lag(lag_ms: u64) -> String {
    match lag_ms {
        0 => "-".to_owned(),
        1..1_000 => format!("{lag_ms} ms"),
        _ => format!("{:.1} s", lag_ms as f64 / 1e3),
    }
}
