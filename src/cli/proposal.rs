use std::collections::BTreeMap;

use clap::{Args, Subcommand, ValueEnum};
use serde_json::value::RawValue;

use super::CliError;
use super::options::{Options, OutputFormat};
use super::output::{Emphasis, Output};
use super::path_argument::written_path;
use super::preview;
use super::table::Table;
use super::value_argument;
use crate::client::ProposalQuestion;
use crate::wire::{
    BatchEdit, NewProposal, Preview, Proposal as Made, ProposalAct, ProposalDetails, Resolution, Side,
};

/// Propose changes, look at them, agree to them, merge them
///
/// A proposal is a change that others look at before it is made. A write that a rule's `approvals` are about becomes one by
/// itself; `git push origin HEAD:refs/for/ENV` makes one of commits.
#[derive(Debug, Args)]
#[command(
    subcommand_required = true,
    arg_required_else_help = true,
    disable_help_subcommand = true,
    after_help = "Examples:\n  confgit proposal list\n  confgit proposal show 7\n  confgit proposal approve 7\n  confgit proposal merge 7"
)]
pub struct Proposal {
    #[command(subcommand)]
    command: ProposalCommand,
}

#[derive(Debug, Subcommand)]
enum ProposalCommand {
    List(List),
    Show(Show),
    Open(Open),
    Comment(Comment),
    Edit(Edit),
    Resolve(Resolve),
    Approve(Approve),
    /// Take back that you agree
    #[command(after_help = "Example:\n  confgit proposal withdraw 7")]
    Withdraw(Which),
    Merge(Merge),
    Schedule(Schedule),
    /// Let a proposal be merged by hand alone
    #[command(after_help = "Example:\n  confgit proposal unschedule 7")]
    Unschedule(Which),
    Close(Close),
}

/// List proposals, the newest first
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  confgit proposal list\n  confgit proposal list --is merged --env prod -o json"
)]
struct List {
    /// What became of them
    #[arg(long, value_enum, default_value_t = Is::Open)]
    is: Is,
    /// Those that this account opened, or whose changes they hold
    #[arg(long, value_name = "ACCOUNT")]
    author: Option<String>,
    /// Those with numbers smaller than this
    #[arg(long, value_name = "NUMBER")]
    older_than: Option<u64>,
    /// How many
    #[arg(short = 'n', long, value_name = "COUNT", default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..=100))]
    count: u64,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Is {
    Open,
    Merged,
    Closed,
    All,
}

/// Show what a proposal would change, what is in the way, and whose agreement it needs
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  confgit proposal show 7\n  confgit proposal show 7 -o json")]
struct Show {
    /// The number of the proposal
    number: u64,
}

/// Open a proposal
///
/// Each PATH=VALUE is set, as `confgit set` reads it; each --unset is taken away.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  confgit proposal open --env prod /myapp/pool_size=20 --title 'A larger pool'\n  confgit proposal open --env prod --unset /myapp/cache --at 2027-01-31T06:00:00Z"
)]
struct Open {
    #[command(flatten)]
    edits: Edits,
    /// What it is about, on one line
    #[arg(long)]
    title: Option<String>,
    /// Why
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// When it is merged by itself, once it is agreed to
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
}

#[derive(Debug, Args)]
struct Edits {
    /// What is set
    #[arg(value_name = "PATH=VALUE", required_unless_present = "unset")]
    set: Vec<String>,
    /// What is taken away
    #[arg(long, value_name = "PATH")]
    unset: Vec<String>,
}

/// Change what a proposal holds
///
/// Who agreed to it so far has to agree anew.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  confgit proposal edit 7 --env prod /myapp/pool_size=30")]
struct Edit {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    edits: Edits,
    /// What the commit says
    #[arg(long, value_name = "TEXT")]
    message: Option<String>,
}

/// Decide what counts where a proposal and its environment changed the same
///
/// What came meanwhile is merged into the proposal, which is agreed to anew. `confgit proposal show` lists the conflicts: `ours`
/// is the environment as it is by now, `theirs` the proposal.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  confgit proposal resolve 7 --take theirs\n  confgit proposal resolve 7 --ours /myapp/host --theirs /myapp/port\n  confgit proposal resolve 7 /myapp/pool_size=25 --take ours"
)]
struct Resolve {
    #[command(flatten)]
    which: Which,
    /// What an entry is to be instead
    #[arg(value_name = "PATH=VALUE")]
    set: Vec<String>,
    /// An entry that the environment is to have nothing of
    #[arg(long, value_name = "PATH")]
    unset: Vec<String>,
    /// An entry that stays as the environment has it
    #[arg(long, value_name = "PATH")]
    ours: Vec<String>,
    /// An entry that is to be as the proposal has it
    #[arg(long, value_name = "PATH")]
    theirs: Vec<String>,
    /// What counts for all others
    #[arg(long, value_enum, required_unless_present_any = ["set", "unset", "ours", "theirs"])]
    take: Option<TakenSide>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum TakenSide {
    /// The environment as it is
    Ours,
    /// The proposal
    Theirs,
}

/// Say something about a proposal
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  confgit proposal comment 7 'why so many?'")]
struct Comment {
    /// The number of the proposal
    number: u64,
    /// What is said
    text: String,
}

/// Agree to a proposal
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  confgit proposal approve 7\n  confgit proposal approve 7 --version 2 --comment 'looks good'"
)]
struct Approve {
    #[command(flatten)]
    which: Which,
    /// What is said with it
    #[arg(long, value_name = "TEXT")]
    comment: Option<String>,
}

/// Merge a proposal
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  confgit proposal merge 7")]
struct Merge {
    #[command(flatten)]
    which: Which,
}

/// Let a proposal be merged by itself from some time on
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  confgit proposal schedule 7 2027-01-31T06:00:00Z")]
struct Schedule {
    #[command(flatten)]
    which: Which,
    /// From when on, such as 2027-01-31T06:00:00Z
    at: String,
}

/// Give a proposal up
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  confgit proposal close 7 --comment 'done otherwise'")]
struct Close {
    #[command(flatten)]
    which: Which,
    /// Why
    #[arg(long, value_name = "TEXT")]
    comment: Option<String>,
}

#[derive(Debug, Args)]
struct Which {
    /// The number of the proposal
    number: u64,
    /// The version that you looked at: with another nothing is done
    #[arg(long = "version", value_name = "VERSION", id = "proposal_version")]
    version: Option<u64>,
}

impl Proposal {
    /// Runs the command.
    pub fn run(self, options: &Options, output: &mut Output) -> Result<(), CliError> {
        let client = options.server_client("proposal")?;
        let act = |act: &str, Which { number, version }: Which, text: Option<String>, at: Option<String>| {
            client.act_on_proposal(number, act, &ProposalAct { version, text, at, ..ProposalAct::default() })
        };
        let made = match self.command {
            ProposalCommand::List(List { is, author, older_than, count }) => {
                let is = is.to_possible_value().map(|is| is.get_name().to_owned()).unwrap_or_default();
                let (env, limit) = (options.env.clone(), usize::try_from(count).unwrap_or(50));
                let found = client.proposals(&ProposalQuestion { is, env, author, older_than, limit })?;
                return list(&found, output);
            }
            ProposalCommand::Show(Show { number }) => return show(&client.proposal(number)?, output),
            ProposalCommand::Open(open) => client.open_proposal(&open.read(options)?)?,
            ProposalCommand::Comment(Comment { number, text }) => {
                act("comment", Which { number, version: None }, Some(text), None)?
            }
            ProposalCommand::Edit(Edit { which: Which { number, version }, edits, message }) => {
                let edits = edits.read(options)?;
                let asked = ProposalAct { version, text: message, edits, ..ProposalAct::default() };
                client.act_on_proposal(number, "edit", &asked)?
            }
            ProposalCommand::Resolve(resolve) => {
                let number = resolve.which.number;
                let seen = client.proposal(number)?;
                client.act_on_proposal(number, "resolve", &resolve.read(options, &seen)?)?
            }
            ProposalCommand::Approve(Approve { which, comment }) => act("approve", which, comment, None)?,
            ProposalCommand::Withdraw(which) => act("withdraw", which, None, None)?,
            ProposalCommand::Merge(Merge { which }) => act("merge", which, None, None)?,
            ProposalCommand::Schedule(Schedule { which, at }) => act("schedule", which, None, Some(at))?,
            ProposalCommand::Unschedule(which) => act("unschedule", which, None, None)?,
            ProposalCommand::Close(Close { which, comment }) => act("close", which, comment, None)?,
        };
        match output.format() {
            OutputFormat::Table => output.line(line_of(&made)),
            _ => output.data(&made),
        }
    }
}

impl Open {
    fn read(self, options: &Options) -> Result<NewProposal, CliError> {
        let Open { edits, title, description, at } = self;
        Ok(NewProposal { title, description, at, edits: edits.read(options)? })
    }
}

impl Edits {
    fn read(&self, options: &Options) -> Result<Vec<BatchEdit>, CliError> {
        let mut edits = Vec::new();
        for given in &self.set {
            let (path, raw) = pair(given)?;
            edits.push(edit("put", path, options, Some(raw))?);
        }
        for path in &self.unset {
            edits.push(edit("delete", path, options, None)?);
        }
        Ok(edits)
    }
}

impl Resolve {
    fn read(self, options: &Options, seen: &ProposalDetails) -> Result<ProposalAct, CliError> {
        let side = |side: TakenSide| match side {
            TakenSide::Ours => Side::Ours,
            TakenSide::Theirs => Side::Theirs,
        };
        let taken = |taken: TakenSide| Resolution { take: Some(side(taken)), ..Resolution::default() };
        let mut given: Vec<(&str, Resolution)> = Vec::new();
        for text in &self.set {
            let (path, raw) = pair(text)?;
            given.push((path, Resolution { value: Some(raw), ..Resolution::default() }));
        }
        given.extend(self.ours.iter().map(|path| (path.as_str(), taken(TakenSide::Ours))));
        given.extend(self.theirs.iter().map(|path| (path.as_str(), taken(TakenSide::Theirs))));
        let deleted = Resolution { delete: Some(true), ..Resolution::default() };
        given.extend(self.unset.iter().map(|path| (path.as_str(), deleted.clone())));
        let mut resolutions = BTreeMap::new();
        if !given.is_empty() {
            let env = match (&options.env, &seen.proposal.heads[..]) {
                (Some(env), _) => env.clone(),
                (None, [head]) => head.env.clone(),
                (None, _) => {
                    let several = "the proposal changes several environments: say which with --env";
                    return Err(CliError::Usage(several.to_owned()));
                }
            };
            let mut of_env = BTreeMap::new();
            for (path, mut resolution) in given {
                let path = written_path(path)?.to_string();
                let found =
                    seen.conflicts.iter().find(|conflict| conflict.env == env && conflict.path == path);
                resolution.id = found.map(|conflict| conflict.id.clone());
                if of_env.insert(path.clone(), resolution).is_some() {
                    return Err(CliError::Usage(format!("{path} is decided twice")));
                }
            }
            resolutions.insert(env, of_env);
        }
        let version = self.which.version.or(Some(u64::from(seen.proposal.version)));
        Ok(ProposalAct { version, take: self.take.map(side), resolutions, ..ProposalAct::default() })
    }
}

/// A `PATH=VALUE` of the command line.
fn pair(text: &str) -> Result<(&str, Box<RawValue>), CliError> {
    let (path, value) = text
        .split_once('=')
        .ok_or_else(|| CliError::Usage(format!("`{text}` is no PATH=VALUE, such as /myapp/port=80")))?;
    let value = value_argument::value(value, false, None)?;
    let raw = RawValue::from_string(value.to_json());
    Ok((path, raw.map_err(|error| CliError::Failed(error.to_string()))?))
}

fn edit(
    op: &str,
    path: &str,
    options: &Options,
    value: Option<Box<RawValue>>,
) -> Result<BatchEdit, CliError> {
    Ok(BatchEdit {
        op: op.to_owned(),
        path: written_path(path)?.to_string(),
        env: options.env.clone(),
        value,
        ..BatchEdit::default()
    })
}

fn line_of(made: &Made) -> String {
    let mut line = format!("proposal {}: {} (version {}", made.number, made.state, made.version);
    if !made.approved_by.is_empty() {
        line.push_str(&format!(", approved by {}", made.approved_by.join(", ")));
    }
    if let Some(due) = &made.due {
        line.push_str(&format!(", due {due}"));
    }
    if let Some(sequence) = made.sequence {
        line.push_str(&format!(", sequence {sequence}"));
    }
    line + ")"
}

fn list(found: &crate::wire::Proposals, output: &mut Output) -> Result<(), CliError> {
    if output.format() != OutputFormat::Table {
        return output.data(found);
    }
    if found.proposals.is_empty() {
        return output.line("there are none");
    }
    let mut table = Table::new(&["PROPOSAL", "STATE", "ENV", "AUTHOR", "APPROVED BY", "TITLE"], &[5]);
    for made in &found.proposals {
        let environments: Vec<&str> = made.heads.iter().map(|head| head.env.as_str()).collect();
        table.row(vec![
            made.number.to_string(),
            made.state.clone(),
            environments.join(" "),
            made.author.clone(),
            made.approved_by.join(" "),
            made.title.clone(),
        ]);
    }
    output.table(&table)?;
    match found.next {
        Some(next) => output.line(format!("there are more: --older-than {next}")),
        None => Ok(()),
    }
}

fn show(details: &ProposalDetails, output: &mut Output) -> Result<(), CliError> {
    if output.format() != OutputFormat::Table {
        return output.data(details);
    }
    let made = &details.proposal;
    let title = output.emphasized(&made.title, Emphasis::Strong);
    output.line(title)?;
    output.line(format!("{}, by {} at {}", line_of(made), made.author, made.opened_at))?;
    if !made.description.is_empty() {
        output.line(format!("\n{}", made.description))?;
    }
    output.line("")?;
    if made.state == "open" {
        let seen = Preview {
            sequence: 0,
            changed: true,
            accepted: details.can_merge,
            environments: details.environments.clone(),
            problems: details.problems.clone(),
        };
        preview::print(&seen, output)?;
        for conflict in &details.conflicts {
            let title = output.emphasized("conflict", Emphasis::Removed);
            output.line(format!("{title}: {} {}", conflict.env, conflict.path))?;
            let sides = [("before", &conflict.base), ("ours", &conflict.ours), ("theirs", &conflict.theirs)];
            for (name, side) in sides {
                let value = side.value.as_ref().map_or(side.has.as_str(), |value| value.get());
                let by = side.updated_by.as_ref().map(|by| format!("  by {by}")).unwrap_or_default();
                output.line(format!("  {name:<7} {value}{by}"))?;
            }
        }
        if details.more_conflicts > 0 {
            output.line(format!("and {} conflicts more", details.more_conflicts))?;
        }
        if !details.conflicts.is_empty() {
            output.line(
                "ours is the environment as it is, theirs the proposal: confgit proposal resolve --help",
            )?;
        }
        for needed in &details.requirements {
            let of = if needed.teams.is_empty() {
                String::new()
            } else {
                format!(" of {}", needed.teams.join(", "))
            };
            let so_far = match (&needed.approved_by[..], needed.met) {
                ([], _) => "nobody did yet".to_owned(),
                (by, true) => format!("{} did", by.join(", ")),
                (by, false) => format!("{} did, which is not enough", by.join(", ")),
            };
            output.line(format!(
                "rule {} asks {}{of} to agree to changes of {} in {}: {so_far}",
                needed.rule,
                needed.count,
                needed.paths.join(", "),
                needed.env
            ))?;
        }
        let can = if details.can_merge { "you can merge it now" } else { "you cannot merge it now" };
        output.line(format!("{can}\n"))?;
    }
    let mut table = Table::bare(&[3]);
    for event in &details.events {
        table.row(vec![
            event.at.clone(),
            event.account.clone(),
            event.event.clone(),
            event.text.clone().unwrap_or_default(),
        ]);
    }
    output.table(&table)
}
