use std::collections::HashSet;

use super::gather::file_name;
use super::{Fault, Import, ImportError, ImportedFile, LeftOut};
use crate::model::Path;

/// The folder of a project's tree that holds its settings, and the files that mark it.
const SETTINGS_FILES: [&str; 2] = ["meta/settings.yaml", "meta/access.yaml"];

/// How much of a tree is taken.
#[derive(Debug, Clone, Copy)]
pub struct TreeLimits {
    /// The most bytes of one file.
    pub file_bytes: usize,
    /// The most bytes of all files together.
    pub total_bytes: usize,
    /// The most files.
    pub files: usize,
}

/// The files of a folder or an archive, as they come: which of them are taken is decided here.
#[derive(Debug)]
pub struct FileTree {
    limits: TreeLimits,
    files: Vec<ImportedFile>,
    left_out: Vec<LeftOut>,
    faults: Vec<Fault>,
    bytes: usize,
}

impl FileTree {
    /// A tree without files.
    pub fn new(limits: TreeLimits) -> Self {
        FileTree { limits, files: Vec::new(), left_out: Vec::new(), faults: Vec::new(), bytes: 0 }
    }

    /// Whether a file or folder is looked at; one that is hidden is noted instead. Only `.confgit` at the top is
    /// not hidden.
    pub fn admits(&mut self, name: &str) -> bool {
        let inside = match name.strip_prefix(".confgit") {
            Some("") => return true,
            Some(rest) => rest.strip_prefix('/').unwrap_or(name),
            None => name,
        };
        let is_hidden = inside.split('/').any(|part| part.starts_with('.'));
        if is_hidden {
            self.leave_out(name, "it is hidden: names that start with a dot are no configuration");
        }
        !is_hidden
    }

    /// Notes what is seen and not taken.
    pub fn leave_out(&mut self, name: &str, reason: &str) {
        self.left_out.push(LeftOut { name: name.to_owned(), reason: reason.to_owned() });
    }

    /// Notes what cannot be taken, so that nothing is.
    pub fn fault(&mut self, name: &str, reason: impl Into<String>) {
        self.faults.push(Fault { name: name.to_owned(), reason: reason.into() });
    }

    /// Whether a file of this size is taken in; one over the limit is a fault. Asked before its bytes are read.
    pub fn has_room(&mut self, name: &str, size: u64) -> Result<bool, ImportError> {
        let limit = self.limits.file_bytes;
        if size > limit as u64 {
            self.fault(name, format!("it has {size} bytes, more than the limit of {limit} for a file"));
            return Ok(false);
        }
        self.bytes += usize::try_from(size).unwrap_or(usize::MAX);
        if self.bytes > self.limits.total_bytes {
            return Err(ImportError::TooMuch { limit: format!("{} bytes", self.limits.total_bytes) });
        }
        if self.files.len() >= self.limits.files {
            return Err(ImportError::TooMuch { limit: format!("{} files", self.limits.files) });
        }
        Ok(true)
    }

    /// Takes a file.
    pub fn add(&mut self, name: String, content: Vec<u8>) {
        self.files.push(ImportedFile { name, content });
    }

    /// How many files were taken.
    pub fn count(&self) -> usize {
        self.files.len()
    }

    /// The files below a path, or all that speaks against them.
    pub fn finish(mut self, to: &Path) -> Result<Import, ImportError> {
        if let Some(file) = self.files.iter().find(|file| SETTINGS_FILES.contains(&file.name.as_str())) {
            return Err(ImportError::Refused(format!(
                "this is the tree of a whole project, since it has {}: `confgit init DIR --from SOURCE` makes one of \
                 it; to import a single environment, name its folder: `confgit import SOURCE/prod --env prod`",
                file.name
            )));
        }
        self.files.sort_by(|a, b| a.name.cmp(&b.name));
        let mut seen = HashSet::new();
        for file in self.files.iter().filter(|file| !seen.insert(file.name.as_str())) {
            self.faults.push(Fault { name: file.name.clone(), reason: "it comes twice".to_owned() });
        }
        if !self.faults.is_empty() {
            return Err(ImportError::Faults { faults: self.faults });
        }
        if !to.is_root() {
            let folder = file_name(to).map_err(|reason| ImportError::Refused(format!("{to}: {reason}")))?;
            for file in &mut self.files {
                file.name = format!("{folder}/{}", file.name);
            }
        }
        Ok(Import { files: self.files, values: Vec::new(), left_out: self.left_out })
    }
}
