use clap::{Args, Subcommand};

use super::CliError;
use super::options::{Options, OutputFormat};
use super::output::Output;
use super::table::Table;
use crate::auth::Action;
use crate::client::AccessQuestion;
use crate::wire::{AccessExplanation, AccessRule, NeededApproval};

/// Explain what an account may do
///
/// Which rule of `access.yaml` decides: of those that speak of the action at the path the one whose pattern says most
/// literally, then the one that names the environment, then the one that denies. What no rule allows is denied.
#[derive(Debug, Args)]
#[command(
    subcommand_required = true,
    arg_required_else_help = true,
    disable_help_subcommand = true,
    after_help = "Examples:\n  \
    confgit access explain payments-ci write /services/payment-service/log_level --env prod\n  \
    confgit access explain checkout secrets:read db-password"
)]
pub struct Access {
    #[command(subcommand)]
    command: AccessCommand,
}

#[derive(Debug, Subcommand)]
enum AccessCommand {
    /// Say whether an account may do something, and which rule decides
    Explain {
        /// The account
        account: String,
        /// What it wants to do: read, write, approve, govern, admin, secrets:use or secrets:read
        #[arg(value_parser = action)]
        action: Action,
        /// The path that it wants to do it to; for secrets:use and secrets:read the secret's name
        #[arg(value_name = "PATH")]
        path: String,
    },
}

fn action(text: &str) -> Result<Action, String> {
    let all = || Action::ALL.map(Action::name).join(", ");
    Action::parse(text).ok_or_else(|| format!("there are {}", all()))
}

impl Access {
    /// Runs the command.
    pub fn run(self, options: &Options, output: &mut Output) -> Result<(), CliError> {
        let AccessCommand::Explain { account, action, path } = self.command;
        let (path, secret) = if action.is_about_secrets() { (None, Some(path)) } else { (Some(path), None) };
        let question = AccessQuestion {
            account: Some(account),
            action: action.name().to_owned(),
            path,
            secret,
            env: options.env.clone(),
        };
        let explained = options.target()?.explain_access(&question)?;
        if output.format() != OutputFormat::Table {
            return output.data(&explained);
        }
        print(&explained, output)
    }
}

fn print(explained: &AccessExplanation, output: &mut Output) -> Result<(), CliError> {
    let AccessExplanation { account, action, path, secret, env, allowed, reason, rule, others, approvals } =
        explained;
    let object = path.as_ref().or(secret.as_ref()).map_or("everything", String::as_str);
    let may = if *allowed { "may" } else { "may not" };
    output.line(format!("{account} {may} {action} {object} in {env}: {reason}"))?;
    for NeededApproval { env, rule, count, teams } in approvals {
        let of = match teams.as_slice() {
            [] => "others".to_owned(),
            teams => teams.join(", "),
        };
        output.line(format!(
            "others have to agree first: {count} of {of} to what changes in {env} (rule {rule})"
        ))?;
    }
    let mut table = Table::new(&["RULE", "SAYS", "ABOUT", "ENVIRONMENTS", "COVERS", "DESCRIPTION"], &[5]);
    for rule in rule.iter().chain(others) {
        table.row(cells(rule));
    }
    output.table(&table)
}

fn cells(rule: &AccessRule) -> Vec<String> {
    vec![
        rule.number.to_string(),
        if rule.allows { "allow".to_owned() } else { "deny".to_owned() },
        rule.about.join(" "),
        rule.environments.as_ref().map_or_else(|| "all".to_owned(), |names| names.join(" ")),
        rule.covers.clone(),
        rule.description.clone().unwrap_or_default(),
    ]
}
