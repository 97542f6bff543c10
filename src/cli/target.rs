use serde_json::value::RawValue;

use super::CliError;
use super::local::Local;
use crate::client::{Client, ClientError, Expect, Listing, Moment, Node, Place, Written};
use crate::model::{Path, Value};
use crate::wire::{
    Batch, BatchEdit, BatchWritten, Entry, HistoryItem, Json, Put, Status, WrittenEntry, WrittenObject,
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

    /// The bare value at a path, objects included: all of one moment.
    pub fn value(&self, place: &Place, moment: &Moment) -> Result<Json, CliError> {
        match self {
            Target::Server(client) => Ok(client.value(place, moment)?),
            Target::Local(local) => local.value(place, moment),
        }
    }

    /// The names right below a path.
    pub fn list(&self, place: &Place) -> Result<Listing, CliError> {
        match self {
            Target::Server(client) => Ok(client.list(place)?),
            Target::Local(local) => local.list(place),
        }
    }

    /// At most so many versions of an entry, newest first.
    pub fn history(&self, place: &Place, most: usize) -> Result<Vec<HistoryItem>, CliError> {
        match self {
            Target::Server(client) => Ok(client.history(place, most)?),
            Target::Local(local) => local.history(place, most),
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
        match (self, message) {
            (Target::Local(local), message) => local.delete(place, hide, message, expect),
            (Target::Server(client), None) => Ok(client.delete(place, hide, expect)?),
            (Target::Server(_), Some(_)) if hide => Err(CliError::Usage(
                "a server takes no message together with --hide yet: leave out -m".to_owned(),
            )),
            (Target::Server(client), Some(message)) => Ok(delete_saying(client, place, message, expect)?),
        }
    }

    /// Makes several changes at or below a path as one change set, or none of them.
    pub fn apply(
        &self,
        place: &Place,
        changes: Vec<Change>,
        message: Option<String>,
    ) -> Result<Written, CliError> {
        let batch = match self {
            Target::Local(local) => local.change(place, changes, message)?,
            Target::Server(client) => {
                let edits = changes.into_iter().map(|change| change.edit(place)).collect::<Result<_, _>>()?;
                client.batch(&Batch { edits, message })?
            }
        };
        Ok(of_batch(place, batch))
    }

    /// Gives a path the value it had in an older version.
    pub fn rollback(&self, place: &Place, version: u64) -> Result<Written, CliError> {
        match self {
            Target::Server(client) => Ok(client.rollback(place, version)?),
            Target::Local(local) => local.rollback(place, version),
        }
    }
}

/// One change of one path in an environment's own layer.
#[derive(Debug)]
pub struct Change {
    /// The path.
    pub path: Path,
    /// Its value from now on; none takes it away.
    pub value: Option<Value>,
    /// What has to hold of it in the layer.
    pub expect: Expect,
}

impl Change {
    fn edit(self, place: &Place) -> Result<BatchEdit, CliError> {
        let value = self.value.map(|value| RawValue::from_string(value.to_json())).transpose();
        Ok(BatchEdit {
            op: if matches!(value, Ok(Some(_))) { "put" } else { "delete" }.to_owned(),
            path: self.path.to_string(),
            env: place.env.clone(),
            value: value.map_err(|error| CliError::Failed(error.to_string()))?,
            if_version: if_version(self.expect),
            ..BatchEdit::default()
        })
    }
}

/// What a batch calls a precondition.
fn if_version(expect: Expect) -> Option<u64> {
    match expect {
        Expect::Anything => None,
        Expect::Absent => Some(0),
        Expect::Version(version) => Some(version),
    }
}

/// `DELETE` has no body, so a message goes with a batch of one edit.
fn delete_saying(
    client: &Client,
    place: &Place,
    message: String,
    expect: Expect,
) -> Result<Written, ClientError> {
    let edit = BatchEdit {
        op: "delete".to_owned(),
        path: place.path.to_string(),
        env: place.env.clone(),
        value: None,
        if_version: if_version(expect),
        ..BatchEdit::default()
    };
    let batch = client.batch(&Batch { edits: vec![edit], message: Some(message) })?;
    Ok(of_batch(place, batch))
}

/// What a batch that speaks of one path did to it.
fn of_batch(place: &Place, batch: BatchWritten) -> Written {
    let (path, sequence) = (place.path.to_string(), batch.sequence);
    let (env, revision) = batch.revisions.into_iter().next().unwrap_or_default();
    match &batch.entries[..] {
        [only] if only.path == path => {
            Written::Entry(WrittenEntry { path, version: only.version, revision, sequence, env })
        }
        _ => Written::Object(WrittenObject { path, entries: batch.entries, revision, sequence, env }),
    }
}
