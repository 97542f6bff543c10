use clap::{Args, Subcommand, ValueEnum};

use super::CliError;
use super::age::{age_of, now};
use super::duration::duration_ms;
use super::options::{Options, OutputFormat};
use super::output::Output;
use super::table::Table;
use crate::model::Timestamp;
use crate::wire::{Account as WireAccount, AccountKey, IssuedKey, NewAccount, RotateKey};

/// Make, list and disable accounts, and rotate their keys
///
/// An account is a person or a program. What it may do, the rules of `access.yaml` say, by its name and its teams.
/// Keys are told once; what is kept is their SHA-256. Needs an administrator.
#[derive(Debug, Args)]
#[command(
    subcommand_required = true,
    arg_required_else_help = true,
    disable_help_subcommand = true,
    after_help = "Examples:\n  \
    confgit account create payments-ci --kind service --team payments --expires 90d\n  \
    confgit account list\n  \
    confgit account rotate payments-ci --grace 1h\n  \
    confgit account disable payments-ci"
)]
pub struct Account {
    #[command(subcommand)]
    command: AccountCommand,
}

#[derive(Debug, Subcommand)]
enum AccountCommand {
    /// List the accounts with their teams and keys
    List,
    /// Make an account, and tell its key this once
    Create {
        /// Its name
        name: String,
        /// What it stands for
        #[arg(long, value_enum, default_value = "person")]
        kind: Kind,
        /// A team that it belongs to; may be given several times
        #[arg(long = "team", value_name = "TEAM")]
        teams: Vec<String>,
        /// Who that is
        #[arg(long, value_name = "TEXT")]
        description: Option<String>,
        /// After how long the key ends, such as 90d; it does not end when not given
        #[arg(long, value_name = "DURATION", value_parser = duration_ms)]
        expires: Option<i64>,
    },
    /// Give an account another key, and tell it this once; the ones that it has go on for a while
    Rotate {
        /// The account
        name: String,
        /// For how long the keys go on that the account has; 0s ends them now
        #[arg(long, value_name = "DURATION", default_value = "1h", value_parser = duration_ms)]
        grace: i64,
        /// After how long the new key ends, such as 90d; it lasts as long as the newest key did when not given
        #[arg(long, value_name = "DURATION", value_parser = duration_ms)]
        expires: Option<i64>,
    },
    /// Refuse an account from now on, whatever it shows
    Disable {
        /// The account
        name: String,
    },
    /// Refuse an account no longer
    Enable {
        /// The account
        name: String,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// Somebody
    Person,
    /// A program
    Service,
}

impl Account {
    /// Runs the command.
    pub fn run(self, options: &Options, output: &mut Output) -> Result<(), CliError> {
        options.without_env("account")?;
        let target = options.target()?;
        match self.command {
            AccountCommand::List => {
                let list = target.accounts()?;
                if output.format() != OutputFormat::Table {
                    return output.data(&list);
                }
                print_list(&list.accounts, output)
            }
            AccountCommand::Create { name, kind, teams, description, expires } => {
                let kind = (kind == Kind::Service).then(|| "service".to_owned());
                let expires_at = expires.map(after);
                let issued =
                    target.create_account(NewAccount { name, kind, description, teams, expires_at })?;
                print_key(&issued, "was made", output)
            }
            AccountCommand::Rotate { name, grace, expires } => {
                let rotate = RotateKey {
                    grace_seconds: Some(grace.unsigned_abs() / 1_000),
                    expires_at: expires.map(after),
                };
                let issued = target.rotate_key(&name, &rotate)?;
                print_key(&issued, "has another key", output)
            }
            AccountCommand::Disable { name } => {
                print_state(&target.set_disabled(&name, true)?, "is refused from now on", output)
            }
            AccountCommand::Enable { name } => {
                print_state(&target.set_disabled(&name, false)?, "is refused no longer", output)
            }
        }
    }
}

/// A time so long from now.
fn after(duration_ms: i64) -> String {
    Timestamp::from_millis(now().as_millis() + duration_ms).to_string()
}

fn print_list(accounts: &[WireAccount], output: &mut Output) -> Result<(), CliError> {
    let header = ["ACCOUNT", "KIND", "TEAMS", "KEY", "CREATED", "EXPIRES", "LAST USE", "DESCRIPTION"];
    let mut table = Table::new(&header, &[7]);
    for account in accounts {
        let name =
            if account.disabled { format!("{} (disabled)", account.name) } else { account.name.clone() };
        let mut first = Some([name, account.kind.clone(), account.teams.join(", ")]);
        let mut row = |key: Option<&AccountKey>| {
            let [name, kind, teams] = first.take().unwrap_or_default();
            let [id, created, expires, used] = key.map(cells).unwrap_or_default();
            let description = if name.is_empty() { None } else { account.description.clone() };
            table.row(vec![name, kind, teams, id, created, expires, used, description.unwrap_or_default()]);
        };
        if account.keys.is_empty() {
            row(None);
        }
        account.keys.iter().for_each(|key| row(Some(key)));
    }
    output.table(&table)
}

fn cells(key: &AccountKey) -> [String; 4] {
    let now = now();
    let age = |text: &Option<String>| text.as_deref().map_or_else(String::new, |text| age_of(now, text));
    let expires = match &key.expires_at {
        None => "never".to_owned(),
        Some(at) if key.expired => format!("expired {}", age_of(now, at)),
        // To the day where there is more than one.
        Some(at) => at.get(..16).unwrap_or(at).replace('T', " "),
    };
    let used = if key.last_used_at.is_none() { "not known".to_owned() } else { age(&key.last_used_at) };
    [key.id.clone(), age(&key.created_at), expires, used]
}

fn print_key(issued: &IssuedKey, said: &str, output: &mut Output) -> Result<(), CliError> {
    if output.format() != OutputFormat::Table {
        return output.data(issued);
    }
    output.line(format!("{} {said}. This is shown once:", issued.account))?;
    output.line(format!("\n  {}\n", issued.key))?;
    match &issued.expires_at {
        Some(at) => output.line(format!("It ends at {at}."))?,
        None => output.line("It does not end; `confgit account rotate` replaces it.")?,
    }
    match &issued.others_end_at {
        Some(at) => output.line(format!("The keys that the account had before end at {at} at the latest.")),
        None => Ok(()),
    }
}

fn print_state(account: &WireAccount, said: &str, output: &mut Output) -> Result<(), CliError> {
    if output.format() != OutputFormat::Table {
        return output.data(account);
    }
    output.line(format!("{} {said}", account.name))
}
