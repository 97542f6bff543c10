use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use super::configuration_file::ConfigurationFile;
use crate::auth::{AdminGrant, WriteGrant};
use crate::model::{ObjectId, Path, Revision, Sequence, Value, Version};
use crate::patch::Patch;
use crate::service::{Resolution, Take};

/// One write, as a client asks for it: all of its edits or none.
#[derive(Debug)]
pub struct Write {
    /// Who writes, proven.
    pub grant: WriteGrant,
    /// What the commit says; made from the edits when none.
    pub message: Option<String>,
    /// The id of the request, for the commit's trailer.
    pub request_id: Option<String>,
    /// The edits, in order.
    pub edits: Vec<Edit>,
}

/// One edit of one layer.
#[derive(Debug)]
pub struct Edit {
    /// The environment whose layer is edited.
    pub environment: Arc<str>,
    /// The path.
    pub path: Path,
    /// Whether the precondition speaks of the environment's own layer, rather than of its view.
    pub layer_only: bool,
    /// What happens there.
    pub op: EditOp,
    /// What has to hold before.
    pub precondition: Precondition,
}

/// What an edit does.
#[derive(Debug)]
pub enum EditOp {
    /// The path has this value from now on; an object replaces what is below it.
    Put {
        /// The value.
        value: Value,
        /// Description, owner and schema.
        metadata: Box<Metadata>,
        /// Whether the value came as plain text, and wants a file of its own at a new path.
        as_text: bool,
    },
    /// What the layer holds at the path, and below it, is changed by a patch.
    Patch(Patch),
    /// What is at the path, or below it, goes from the layer.
    Delete,
    /// The path has no value in this environment from now on, whatever its parents say.
    Hide,
    /// The branch holds this tree from now on. The only edit of its write; the path is the root.
    Restore {
        /// The commit whose tree it is.
        commit: Revision,
        /// The tree, of a commit that the repository holds.
        tree: ObjectId,
        /// The change set at which the commit was seen: where history begins later by now, the tree may go.
        seen_at: Sequence,
    },
    /// Entries get what the layer of another environment says of them. The only edit of its write; the path is the one
    /// that is promoted, and there is no other precondition than that of each entry.
    Promote(Box<Promotion>),
    /// A file has these bytes from now on, or with none is gone. The edit's path is where its content stands;
    /// there is no precondition.
    File {
        /// Which file.
        file: ConfigurationFile,
        /// Its content.
        content: Option<Bytes>,
    },
}

impl Edit {
    /// The edit that gives a file its content, or with none takes it away.
    pub fn file(environment: Arc<str>, file: ConfigurationFile, content: Option<Bytes>) -> Self {
        let path = file.base().clone();
        let (op, precondition) = (EditOp::File { file, content }, Precondition::None);
        Edit { environment, path, layer_only: true, op, precondition }
    }
}

/// What comes over from the layer of another environment.
#[derive(Debug)]
pub struct Promotion {
    /// The environment that it comes from.
    pub from: Arc<str>,
    /// The commit of its branch that was looked at.
    pub revision: Revision,
    /// The entries.
    pub entries: Vec<PromotedEntry>,
    /// Whether somebody decided between both sides: then there is a commit also where no entry changes, so that nobody
    /// has to decide again.
    pub is_decided: bool,
}

/// One entry that comes over.
#[derive(Debug, Clone)]
pub struct PromotedEntry {
    /// Where.
    pub path: Path,
    /// What the layer holds from now on: `null` hides what parents have, none is nothing.
    pub value: Option<Value>,
    /// Whether the value stands in a file of its own there.
    pub as_text: bool,
    /// The entity tag of what the environment showed when this was decided.
    pub seen: Option<String>,
}

/// What a write says of an entry beside its value.
#[derive(Debug, Default)]
pub struct Metadata {
    /// What the entry is for: text.
    pub description: Member,
    /// Who answers for it: text.
    pub owner: Member,
    /// The JSON Schema of its value.
    pub schema: Member,
}

impl Metadata {
    /// Whether nothing is said.
    pub fn is_silent(&self) -> bool {
        [&self.description, &self.owner, &self.schema].iter().all(|member| matches!(member, Member::Keep))
    }
}

/// One member of the metadata.
#[derive(Debug, Default)]
pub enum Member {
    /// Not spoken of: stays.
    #[default]
    Keep,
    /// Goes.
    Remove,
    /// Is this from now on.
    Set(Value),
}

/// What has to hold of the path for an edit to be made.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Precondition {
    /// Nothing.
    #[default]
    None,
    /// Nothing stands there: `If-None-Match: *`.
    Absent,
    /// Something stands there: `If-Match: *`.
    Present,
    /// It has one of these entity tags, without quotes, or versions: `If-Match`.
    OneOf(Vec<String>),
}

/// What became of a write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// The change set of the write; when nothing changed the newest one, with which what was asked for holds.
    pub sequence: Sequence,
    /// The head of each environment's branch that the write spoke of.
    pub revisions: BTreeMap<Arc<str>, Revision>,
    /// Whether there is a commit.
    pub changed: bool,
    /// What became of each edit, in order.
    pub edits: Vec<WrittenEdit>,
    /// The proposal that was made of it, where others have to agree first: then nothing has changed yet.
    pub proposal: Option<u64>,
}

/// What became of one edit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrittenEdit {
    /// The environment whose layer was edited.
    pub environment: Arc<str>,
    /// The path.
    pub path: Path,
    /// Whether nothing stood there before.
    pub created: bool,
    /// The version of the entry at the path, or of its delete; none where the path is an object.
    pub entry: Option<Version>,
    /// The entries at the path or below that changed, sorted by path.
    pub changed: Vec<ChangedEntry>,
}

/// An entry that a write changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangedEntry {
    /// Its path.
    pub path: Path,
    /// The version that it has now.
    pub version: Version,
    /// Whether that is a delete.
    pub deleted: bool,
}

/// What becomes of what a proposal and its branches both changed.
#[derive(Debug, Default)]
pub struct Resolving {
    /// Which side counts where nothing else is said: the branch is ours, the proposal theirs.
    pub take: Option<Take>,
    /// What becomes of single entries, by environment.
    pub resolutions: BTreeMap<String, BTreeMap<Path, Resolution>>,
}

/// An environment that is wanted.
#[derive(Debug, Clone)]
pub struct NewEnvironment {
    /// Who wants it, proven.
    pub grant: AdminGrant,
    /// Its name.
    pub name: Arc<str>,
    /// The branch that will hold it.
    pub branch: Arc<str>,
    /// What it inherits from.
    pub inherits: Option<Arc<str>>,
}
