use std::path::Path as FilePath;
use std::sync::Arc;

use serde_json::value::RawValue;

use super::CliError;
use super::layer_change::LayerChange;
use crate::auth::{ReadGrant, WriteGrant};
use crate::client::{Expect, Place, Written};
use crate::model::{Value, Version};
use crate::present;
use crate::service::{
    Edit, EditOp, Member, Metadata, Precondition, Project, ServiceError, Write, Written as Made,
    rollback_write,
};
use crate::telemetry::ProjectMetrics;
use crate::wire::{BatchWritten, Put};

/// A project in a directory of this machine, opened without a server. Whoever holds the files may do
/// everything with them, so there are no keys here.
pub struct Local {
    pub(super) project: Project,
    /// Who the commits name.
    pub(super) account: Arc<str>,
}

/// The longest name of a person that is put into commits.
const MOST_NAME_BYTES: usize = 64;

impl Local {
    /// Opens the project, and waits until versions are known.
    pub fn open(dir: &FilePath) -> Result<Self, CliError> {
        let project = Project::open(dir, ProjectMetrics::default())?;
        // Where the history index cannot be built, reading still works; what needs it says so itself.
        let _ = project.wait_until_ready();
        let user =
            ["USER", "LOGNAME"].iter().find_map(|name| std::env::var(name).ok().filter(|user| is_name(user)));
        Ok(Local { project, account: user.map_or_else(|| Arc::from("local"), Arc::from) })
    }

    pub(super) fn grant(&self) -> ReadGrant {
        ReadGrant::local()
    }

    /// The project's name: that of its directory.
    pub(super) fn name(&self) -> String {
        let dir = &self.project.core().dir;
        dir.file_name().map_or_else(|| dir.to_string_lossy(), |name| name.to_string_lossy()).into_owned()
    }

    /// The environment of a place; one that does not exist is an error.
    pub(super) fn environment(&self, env: Option<&str>) -> Result<Arc<str>, ServiceError> {
        let reading = self.project.core().reading(&self.grant());
        let Some(name) = env else { return Ok(reading.environments().default_name().clone()) };
        reading.view(name)?;
        Ok(Arc::from(name))
    }

    /// Gives a path a value.
    pub fn put(&self, place: &Place, put: Put, expect: Expect) -> Result<Written, CliError> {
        let text = |member: Option<Option<String>>| match member {
            None => Member::Keep,
            Some(None) => Member::Remove,
            Some(Some(text)) => Member::Set(Value::String(text)),
        };
        let value = value_of(&put.value)?;
        let schema = match put.schema.as_deref().map(value_of).transpose()? {
            None => Member::Keep,
            Some(Value::Null) => Member::Remove,
            Some(schema) => Member::Set(schema),
        };
        let metadata = Metadata { description: text(put.description), owner: text(put.owner), schema };
        self.write(
            place,
            EditOp::Put { value, metadata: Box::new(metadata), as_text: false },
            put.message,
            expect,
        )
    }

    /// Takes what is at a path away, or hides what a parent has there.
    pub fn delete(
        &self,
        place: &Place,
        hide: bool,
        message: Option<String>,
        expect: Expect,
    ) -> Result<Written, CliError> {
        self.write(place, if hide { EditOp::Hide } else { EditOp::Delete }, message, expect)
    }

    /// Gives a path the value it had in an older version.
    pub fn rollback(&self, place: &Place, version: u64) -> Result<Written, CliError> {
        let environment = self.environment(place.env.as_deref())?;
        let grants = (&self.grant(), WriteGrant::local(self.account.clone()));
        let version = Version(version);
        let write = rollback_write(
            self.project.core(),
            grants,
            &environment,
            &place.path,
            version,
            Precondition::None,
        )?;
        answer(&self.project.write_blocking(write)?)
    }

    /// Makes several changes of an environment's own layer, or none of them.
    pub fn change(
        &self,
        place: &Place,
        changes: Vec<LayerChange>,
        message: Option<String>,
    ) -> Result<BatchWritten, CliError> {
        let edits = self.edits(place, changes)?;
        self.apply(edits, message)
    }

    pub(super) fn edits(&self, place: &Place, changes: Vec<LayerChange>) -> Result<Vec<Edit>, CliError> {
        let environment = self.environment(place.env.as_deref())?;
        let edits = changes.into_iter().map(|LayerChange { path, value, expect }| {
            let op = value.map_or(EditOp::Delete, |value| EditOp::Put {
                value,
                metadata: Box::default(),
                as_text: false,
            });
            let (environment, precondition) = (environment.clone(), precondition(expect));
            Edit { environment, path, layer_only: true, op, precondition }
        });
        Ok(edits.collect())
    }

    /// Makes several edits, or none of them.
    pub fn apply(&self, edits: Vec<Edit>, message: Option<String>) -> Result<BatchWritten, CliError> {
        let grant = WriteGrant::local(self.account.clone());
        let made = self.project.write_blocking(Write { grant, message, request_id: None, edits })?;
        Ok(present::batch(&made))
    }

    pub(super) fn write(
        &self,
        place: &Place,
        op: EditOp,
        message: Option<String>,
        expect: Expect,
    ) -> Result<Written, CliError> {
        let environment = self.environment(place.env.as_deref())?;
        let precondition = precondition(expect);
        let edit = Edit { layer_only: false, environment, path: place.path.clone(), op, precondition };
        let grant = WriteGrant::local(self.account.clone());
        answer(&self.project.write_blocking(Write { grant, message, request_id: None, edits: vec![edit] })?)
    }
}

fn precondition(expect: Expect) -> Precondition {
    match expect {
        Expect::Anything => Precondition::None,
        Expect::Absent => Precondition::Absent,
        Expect::Version(version) => Precondition::OneOf(vec![version.to_string()]),
    }
}

/// What became of a write of one path, as the API says it.
fn answer(made: &Made) -> Result<Written, CliError> {
    present::written(made).ok_or_else(|| CliError::Failed("nothing was written".to_owned()))
}

pub(super) fn value_of(raw: &RawValue) -> Result<Value, CliError> {
    Value::from_json(raw.get()).map_err(|error| CliError::Usage(error.to_string()))
}

/// Whether a user's name can stand in a journal line and in a commit.
fn is_name(user: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    (1..=MOST_NAME_BYTES).contains(&user.len()) && user.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_commits_can_hold() {
        for (user, good) in
            [("ines", true), ("a.b-c_1", true), ("", false), ("a b", false), ("a\nb", false), ("<x>", false)]
        {
            assert_eq!(is_name(user), good, "{user:?}");
        }
    }
}
