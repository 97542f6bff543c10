use std::fs::File;
use std::io::{self, Read};
use std::path::Path as FilePath;

use super::progress::Progress;
use super::{SourceFormat, folder};
use crate::cli::CliError;
use crate::document::stem;
use crate::import::{
    EnvKeys, FileTree, Import, MOST_SOURCE_BYTES, Texts, TreeLimits, is_archive, read_archive,
    read_configmaps, read_consul, read_env, read_etcd,
};
use crate::model::{Limits, Path, Value};
use crate::wire::{MOST_BATCH_BYTES, MOST_BATCH_EDITS};

/// Where an import comes from, and how it is to be understood.
pub struct Source<'a> {
    pub place: &'a FilePath,
    pub to: Option<Path>,
    pub format: SourceFormat,
    pub keys: EnvKeys,
    pub texts: Texts,
}

impl Source<'_> {
    /// The name, for people.
    pub fn name(&self) -> String {
        if self.is_stdin() {
            return "standard input".to_owned();
        }
        // The name of `.` is that of the folder it is.
        let full = self.place.canonicalize().unwrap_or_else(|_| self.place.to_owned());
        full.file_name()
            .map_or_else(|| full.display().to_string(), |name| name.to_string_lossy().into_owned())
    }

    /// Reads the source; answers also whether it is a tree of files.
    pub fn read(&self, progress: &Progress) -> Result<(Import, bool), CliError> {
        let is_folder = !self.is_stdin() && self.place.is_dir();
        if is_folder != (self.format == SourceFormat::Folder)
            && (!is_folder || self.format != SourceFormat::Auto)
        {
            if is_folder {
                return Err(CliError::Usage(format!(
                    "{} is a folder: leave out --format",
                    self.place.display()
                )));
            }
            if self.format == SourceFormat::Folder {
                return Err(CliError::Usage(format!("{} is no folder", self.place.display())));
            }
        }
        if is_folder {
            self.check_options(SourceFormat::Folder)?;
            let mut tree = FileTree::new(limits());
            folder::read(self.place, &mut tree, progress)?;
            return Ok((tree.finish(&self.to())?, true));
        }
        let bytes = self.bytes()?;
        let format = match self.format {
            SourceFormat::Auto => self.detect(&bytes)?,
            given => given,
        };
        self.check_options(format)?;
        let import = match format {
            SourceFormat::Env => read_env(&bytes, &self.env_path()?, &self.keys, self.texts),
            SourceFormat::Configmap => read_configmaps(&bytes, self.to.as_ref()),
            SourceFormat::Consul => read_consul(&bytes, &self.to(), self.texts),
            SourceFormat::Etcd => read_etcd(&bytes, &self.to(), self.texts),
            SourceFormat::Archive | SourceFormat::Auto | SourceFormat::Folder => {
                read_archive(&bytes, &self.to(), limits())
            }
        };
        Ok((import?, format == SourceFormat::Archive))
    }

    fn is_stdin(&self) -> bool {
        self.place == FilePath::new("-")
    }

    fn to(&self) -> Path {
        self.to.clone().unwrap_or_else(Path::root)
    }

    /// Below which path the keys of a `.env` file go: its name, where it has one.
    fn env_path(&self) -> Result<Path, CliError> {
        if let Some(to) = &self.to {
            return Ok(to.clone());
        }
        let name = if self.is_stdin() { String::new() } else { self.name() };
        let stem = name.strip_suffix(".env").unwrap_or_else(|| stem(&name));
        if stem.is_empty() || stem.starts_with('.') {
            let message =
                "say below which path the keys go, such as --to /myapp: the source has no name for it";
            return Err(CliError::Usage(message.to_owned()));
        }
        Path::root().child(stem).map_err(|reason| CliError::Path { text: stem.to_owned(), reason })
    }

    fn bytes(&self) -> Result<Vec<u8>, CliError> {
        let read = |from: &mut dyn Read| -> io::Result<Vec<u8>> {
            let mut bytes = Vec::new();
            from.take(MOST_SOURCE_BYTES as u64 + 1).read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        let bytes = if self.is_stdin() {
            read(&mut io::stdin().lock())
        } else {
            File::open(self.place).and_then(|mut file| read(&mut file))
        };
        let bytes = bytes.map_err(|error| folder::unreadable(self.place, &error))?;
        if bytes.len() > MOST_SOURCE_BYTES {
            let message =
                format!("{} has more than {MOST_SOURCE_BYTES} bytes: import it in parts", self.name());
            return Err(CliError::Failed(message));
        }
        Ok(bytes)
    }

    /// What the source is, by its name and content.
    fn detect(&self, bytes: &[u8]) -> Result<SourceFormat, CliError> {
        let name = self.name();
        if is_archive(bytes) {
            return Ok(SourceFormat::Archive);
        }
        if name.ends_with(".env") || name.starts_with(".env.") {
            return Ok(SourceFormat::Env);
        }
        let text = std::str::from_utf8(bytes).unwrap_or_default();
        let found = match text.trim_start_matches('\u{feff}').trim_start().chars().next() {
            Some('[') => Some(SourceFormat::Consul),
            Some('/') => Some(SourceFormat::Etcd),
            Some('{') => match Value::from_json(text) {
                Ok(Value::Object(members)) if members.contains_key("kind") => Some(SourceFormat::Configmap),
                Ok(Value::Object(members)) if members.contains_key("header") => Some(SourceFormat::Etcd),
                _ => None,
            },
            _ if text.lines().any(|line| line.starts_with("kind:")) => Some(SourceFormat::Configmap),
            _ => None,
        };
        found.ok_or_else(|| {
            CliError::Usage(format!(
                "what {name} is cannot be told from its name and content: say --format env, configmap, consul, etcd \
                 or archive; a single document is written by `confgit set PATH @FILE`"
            ))
        })
    }

    /// Refuses options that mean nothing for a format.
    fn check_options(&self, format: SourceFormat) -> Result<(), CliError> {
        let is_env = format == SourceFormat::Env;
        let has_texts = matches!(format, SourceFormat::Env | SourceFormat::Consul | SourceFormat::Etcd);
        let needless = if (self.keys.separator.is_some() || self.keys.lowercase) && !is_env {
            "--split and --lowercase are for .env files"
        } else if self.texts == Texts::AsJson && !has_texts {
            "--parse is for .env files and for exports of Consul and etcd"
        } else if self.keys.separator.as_deref() == Some("") {
            "--split needs a separator, such as _"
        } else {
            return Ok(());
        };
        Err(CliError::Usage(needless.to_owned()))
    }
}

/// As much as one request can carry; a server says itself where its documents may be no larger than it likes.
fn limits() -> TreeLimits {
    TreeLimits {
        file_bytes: Limits::default().document_bytes,
        total_bytes: MOST_BATCH_BYTES,
        files: MOST_BATCH_EDITS,
    }
}
