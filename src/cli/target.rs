use super::CliError;
use super::layer_change::LayerChange;
use super::local::Local;
use crate::client::{
    AccessQuestion, AuditQuestion, Client, Comparison, Expect, Export, Listing, Moment, Node, PatchKind,
    Place, Promotion, Written,
};
use crate::model::Path;
use crate::wire::{
    AccessExplanation, Account, Accounts, Audit, Batch, BatchWritten, Commit, CommitDetails, Diff, Entry,
    EnvironmentRollback, Environments, Explanation, HistoryItem, IssuedKey, Json, NewAccount, NewEnvironment,
    Preview, Promote, Put, RotateKey, Status, Whoami, WrittenEntry, WrittenEnvironment, WrittenObject,
    WrittenProposal,
};

/// What a command works on: one method per verb, the same for both.
pub enum Target {
    /// A server, by HTTP.
    Server(Client),
    /// A project's directory, without a server.
    Local(Box<Local>),
}

impl Target {
    /// What stands at a path: an entry, or the names below.
    pub fn node(&self, place: &Place, moment: &Moment) -> Result<Node, CliError> {
        match self {
            Target::Server(client) => Ok(client.node(place, moment)?),
            Target::Local(local) => local.node(place, moment),
        }
    }

    /// All entries below a path, in the order of their paths.
    pub fn entries(&self, place: &Place, moment: &Moment) -> Result<Vec<Entry>, CliError> {
        match self {
            Target::Server(client) => Ok(client.entries(place, moment)?),
            Target::Local(local) => local.entries(place, moment),
        }
    }

    /// The bare value at a path, objects included, as services read it: all of one moment.
    pub fn value(&self, place: &Place, moment: &Moment) -> Result<Json, CliError> {
        match self {
            Target::Server(client) => Ok(client.value(place, moment)?),
            Target::Local(local) => local.value(place, moment),
        }
    }

    /// All that services read below a path, as one text for another tool.
    pub fn export(&self, place: &Place, wanted: &Export) -> Result<Vec<u8>, CliError> {
        match self {
            Target::Server(client) => Ok(client.export(place, wanted)?),
            Target::Local(local) => local.export(place, wanted),
        }
    }

    /// The names right below a path.
    pub fn list(&self, place: &Place, moment: &Moment) -> Result<Listing, CliError> {
        match self {
            Target::Server(client) => Ok(client.list(place, moment)?),
            Target::Local(local) => local.list(place, moment),
        }
    }

    /// At most so many versions of an entry, newest first.
    pub fn history(&self, place: &Place, most: usize) -> Result<Vec<HistoryItem>, CliError> {
        match self {
            Target::Server(client) => Ok(client.history(place, most)?),
            Target::Local(local) => local.history(place, most),
        }
    }

    /// Why an environment shows what it shows at a path.
    pub fn explain(&self, place: &Place, at: Option<&str>) -> Result<Explanation, CliError> {
        match self {
            Target::Server(client) => Ok(client.explain(place, at)?),
            Target::Local(local) => local.explain(place, at),
        }
    }

    /// How the server or project is.
    pub fn status(&self) -> Result<Status, CliError> {
        match self {
            Target::Server(client) => Ok(client.status()?),
            Target::Local(local) => Ok(local.status()),
        }
    }

    /// Gives a path a value; an object replaces what is below it.
    pub fn put(&self, place: &Place, put: Put, expect: Expect) -> Result<Written, CliError> {
        match self {
            Target::Server(client) => Ok(client.put(place, &put, expect)?),
            Target::Local(local) => local.put(place, put, expect),
        }
    }

    /// Takes what is at a path, or below it, away; or hides what a parent has there.
    pub fn delete(
        &self,
        place: &Place,
        hide: bool,
        message: Option<String>,
        expect: Expect,
    ) -> Result<Written, CliError> {
        match self {
            Target::Server(client) => Ok(client.delete(place, hide, message, expect)?),
            Target::Local(local) => local.delete(place, hide, message, expect),
        }
    }

    /// Makes several changes at or below a path as one change set, or none of them.
    pub fn apply(
        &self,
        place: &Place,
        changes: Vec<LayerChange>,
        message: Option<String>,
    ) -> Result<Written, CliError> {
        let batch = match self {
            Target::Local(local) => local.change(place, changes, message)?,
            Target::Server(client) => {
                let edits = changes
                    .into_iter()
                    .map(|change| change.into_batch_edit(place))
                    .collect::<Result<_, _>>()?;
                client.batch(&Batch { edits, message })?
            }
        };
        Ok(of_batch(place, batch))
    }

    /// What several changes at or below a path would come to.
    pub fn preview(&self, place: &Place, changes: Vec<LayerChange>) -> Result<Preview, CliError> {
        match self {
            Target::Local(local) => local.preview(place, changes),
            Target::Server(client) => {
                let edits = changes.into_iter().map(|change| change.into_batch_edit(place));
                let edits = edits.collect::<Result<_, _>>()?;
                Ok(client.preview(&Batch { edits, message: None })?)
            }
        }
    }

    /// Brings what the layer of one environment says to another.
    pub fn promote(&self, promote: &Promote) -> Result<Promotion, CliError> {
        match self {
            Target::Server(client) => Ok(client.promote(promote)?),
            Target::Local(local) => local.promote(promote.clone()),
        }
    }

    /// Gives a path the value it had in an older version.
    pub fn rollback(&self, place: &Place, version: u64) -> Result<Written, CliError> {
        match self {
            Target::Server(client) => Ok(client.rollback(place, version)?),
            Target::Local(local) => local.rollback(place, version),
        }
    }

    /// What differs between two sides.
    pub fn diff(&self, comparison: &Comparison) -> Result<Diff, CliError> {
        match self {
            Target::Server(client) => Ok(client.diff(comparison)?),
            Target::Local(local) => local.diff(comparison),
        }
    }

    /// At most so many commits of an environment, or of all, that changed something at or below a path.
    pub fn commits(&self, env: Option<&str>, path: &Path, most: usize) -> Result<Vec<Commit>, CliError> {
        match self {
            Target::Server(client) => Ok(client.commits(env, path, most)?),
            Target::Local(local) => local.commits(env, path, most),
        }
    }

    /// One commit with all that it changed.
    pub fn commit(&self, revision: &str, env: Option<&str>) -> Result<CommitDetails, CliError> {
        match self {
            Target::Server(client) => Ok(client.commit(revision, env)?),
            Target::Local(local) => local.commit(revision, env),
        }
    }

    /// The entries below a path that are looked for.
    pub fn search(&self, place: &Place, moment: &Moment, words: &str) -> Result<Vec<Entry>, CliError> {
        match self {
            Target::Server(client) => Ok(client.search(place, moment, words)?),
            Target::Local(local) => local.search(place, moment, words),
        }
    }

    /// The environments.
    pub fn environments(&self) -> Result<Environments, CliError> {
        match self {
            Target::Server(client) => Ok(client.environments()?),
            Target::Local(local) => Ok(local.environments()),
        }
    }

    /// The accounts.
    pub fn accounts(&self) -> Result<Accounts, CliError> {
        match self {
            Target::Server(client) => Ok(client.accounts()?),
            Target::Local(local) => Ok(local.accounts()),
        }
    }

    /// Makes an account.
    pub fn create_account(&self, new: NewAccount) -> Result<IssuedKey, CliError> {
        match self {
            Target::Server(client) => Ok(client.create_account(&new)?),
            Target::Local(local) => local.create_account(new),
        }
    }

    /// Gives an account another key.
    pub fn rotate_key(&self, account: &str, rotate: &RotateKey) -> Result<IssuedKey, CliError> {
        match self {
            Target::Server(client) => Ok(client.rotate_key(account, rotate)?),
            Target::Local(local) => local.rotate_key(account, rotate),
        }
    }

    /// Refuses an account from now on, or no longer.
    pub fn set_disabled(&self, account: &str, is_disabled: bool) -> Result<Account, CliError> {
        match self {
            Target::Server(client) => Ok(client.set_disabled(account, is_disabled)?),
            Target::Local(local) => local.set_disabled(account, is_disabled),
        }
    }

    /// What the rules say of an action.
    pub fn explain_access(&self, question: &AccessQuestion) -> Result<AccessExplanation, CliError> {
        match self {
            Target::Server(client) => Ok(client.explain_access(question)?),
            Target::Local(local) => local.explain_access(question),
        }
    }

    /// At most so many of the things that happened, newest first.
    pub fn audit(&self, question: &AuditQuestion, most: usize) -> Result<Audit, CliError> {
        match self {
            Target::Server(client) => Ok(client.audit(question, most)?),
            Target::Local(local) => local.audit(question, most),
        }
    }

    /// Makes an environment.
    pub fn create_environment(&self, new: NewEnvironment) -> Result<WrittenEnvironment, CliError> {
        match self {
            Target::Server(client) => Ok(client.create_environment(&new)?),
            Target::Local(local) => local.create_environment(new),
        }
    }

    /// Brings an environment back to what it held.
    pub fn roll_environment_back(
        &self,
        env: &str,
        rollback: EnvironmentRollback,
    ) -> Result<WrittenEnvironment, CliError> {
        match self {
            Target::Server(client) => Ok(client.roll_environment_back(env, &rollback)?),
            Target::Local(local) => local.roll_environment_back(env, rollback),
        }
    }

    /// Changes what stands at a path, and below it, by a patch.
    pub fn patch(
        &self,
        place: &Place,
        patch: (PatchKind, &Json),
        message: Option<String>,
        expect: Expect,
    ) -> Result<Written, CliError> {
        match self {
            Target::Server(client) => Ok(client.patch(place, patch, message, expect)?),
            Target::Local(local) => local.patch(place, patch, message, expect),
        }
    }

    /// Who is calling.
    pub fn whoami(&self) -> Result<Whoami, CliError> {
        match self {
            Target::Server(client) => Ok(client.whoami()?),
            Target::Local(local) => Ok(local.whoami()),
        }
    }
}

/// What a batch that speaks of one path did to it.
fn of_batch(place: &Place, batch: BatchWritten) -> Written {
    let (path, sequence) = (place.path.to_string(), batch.sequence);
    if let Some(proposal) = batch.proposal {
        let url = format!("/api/proposals/{proposal}");
        return Written::Proposal(WrittenProposal { proposal, url, sequence });
    }
    let (env, revision) = batch.revisions.into_iter().next().unwrap_or_default();
    match batch.entries.iter().find(|changed| changed.path == path && !changed.deleted) {
        Some(entry) => Written::Entry(WrittenEntry { path, version: entry.version, revision, sequence, env }),
        None => Written::Object(WrittenObject { path, entries: batch.entries, revision, sequence, env }),
    }
}
