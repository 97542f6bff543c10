use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::value::RawValue;

use super::progress::Progress;
use crate::cli::CliError;
use crate::cli::target::Target;
use crate::document::{self, Format};
use crate::import::{Fault, Import, ImportError, LeftOut};
use crate::model::{Limits, Path, Value};
use crate::service::{ConfigurationFile, Edit, EditOp, Precondition};
use crate::wire::{Batch, BatchEdit, BatchWritten, MOST_BATCH_BYTES, MOST_BATCH_EDITS};

/// What is going to be written, all of it possible as far as can be told from here.
pub struct Plan {
    pub files: Vec<(ConfigurationFile, Vec<u8>)>,
    pub values: Vec<(Path, Value)>,
    pub left_out: Vec<LeftOut>,
}

impl Plan {
    /// Checks the names of all files. A file of a tree that cannot be configuration is left out, as hidden ones
    /// are; a key of a store that would have to be such a file is an error.
    pub fn new(import: Import, is_tree: bool) -> Result<Self, CliError> {
        let Import { files, values, mut left_out } = import;
        let (mut named, mut faults) = (Vec::new(), Vec::new());
        for file in files {
            match ConfigurationFile::parse(&file.name) {
                Ok(name) => named.push((name, file.content)),
                Err(error) if is_tree => {
                    left_out.push(LeftOut { name: file.name, reason: error.to_string() })
                }
                Err(error) => faults.push(Fault { name: file.name, reason: error.to_string() }),
            }
        }
        if !faults.is_empty() {
            return Err(ImportError::Faults { faults }.into());
        }
        let plan = Plan { files: named, values, left_out };
        if plan.count() > MOST_BATCH_EDITS {
            return Err(ImportError::TooMuch { limit: format!("{MOST_BATCH_EDITS} files and values") }.into());
        }
        Ok(plan)
    }

    /// Refuses files that no server would take because they cannot be read: all of them, each with its place.
    pub fn check_files(&self) -> Result<(), CliError> {
        let limits = Limits::default();
        let fault_of = |(file, content): &(ConfigurationFile, Vec<u8>)| {
            let fault = document::read(Format::of(file.name()), content, &limits).err()?;
            Some(Fault { name: file.name().to_string(), reason: fault.to_string() })
        };
        let faults: Vec<Fault> = self.files.iter().filter_map(fault_of).collect();
        if faults.is_empty() { Ok(()) } else { Err(ImportError::Faults { faults }.into()) }
    }

    /// How many files and values there are.
    pub fn count(&self) -> usize {
        self.files.len() + self.values.len()
    }

    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.count() == 0
    }
}

/// Writes all of it as one change set.
pub fn send(
    target: &Target,
    plan: &Plan,
    env: Option<&str>,
    message: String,
    progress: &Progress,
) -> Result<BatchWritten, CliError> {
    match target {
        Target::Server(client) => {
            let body = body_of(plan, env, message)?;
            // A server that refuses a key does so before it has taken in a large body, and hangs up: that would be
            // heard as a broken pipe. So the key is shown before the body is.
            client.status()?;
            Ok(client.batch_watched(&body, &mut |sent| progress.sending(sent, body.len()))?)
        }
        Target::Local(local) => {
            progress.committing();
            let environment = local.environment(env)?;
            let files = plan.files.iter().map(|(file, content)| {
                Edit::file(environment.clone(), file.clone(), Some(content.clone().into()))
            });
            let values = plan.values.iter().map(|(path, value)| put(&environment, path, value));
            local.apply(files.chain(values).collect(), Some(message))
        }
    }
}

fn put(environment: &Arc<str>, path: &Path, value: &Value) -> Edit {
    let op = EditOp::Put { value: value.clone(), metadata: Box::default(), as_text: false };
    let (environment, precondition) = (environment.clone(), Precondition::None);
    Edit { environment, path: path.clone(), layer_only: true, op, precondition }
}

/// The request, within what a server takes.
fn body_of(plan: &Plan, env: Option<&str>, message: String) -> Result<Vec<u8>, CliError> {
    let broken = |error: serde_json::Error| CliError::Failed(error.to_string());
    let edit = || BatchEdit { env: env.map(str::to_owned), ..BatchEdit::default() };
    let mut edits = Vec::with_capacity(plan.count());
    for (file, content) in &plan.files {
        let (content, encoding) = match std::str::from_utf8(content) {
            Ok(text) => (text.to_owned(), None),
            Err(_) => (STANDARD.encode(content), Some("base64".to_owned())),
        };
        let file = Some(file.name().to_string());
        edits.push(BatchEdit {
            op: "file".to_owned(),
            file,
            content: Some(Some(content)),
            encoding,
            ..edit()
        });
    }
    for (path, value) in &plan.values {
        let value = RawValue::from_string(value.to_json()).map_err(broken)?;
        edits.push(BatchEdit { op: "put".to_owned(), path: path.to_string(), value: Some(value), ..edit() });
    }
    let body = serde_json::to_vec(&Batch { edits, message: Some(message) }).map_err(broken)?;
    if body.len() > MOST_BATCH_BYTES {
        return Err(ImportError::TooMuch { limit: format!("{MOST_BATCH_BYTES} bytes") }.into());
    }
    Ok(body)
}
