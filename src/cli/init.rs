use std::path::{Path as FilePath, PathBuf};

use clap::Args;
use serde::Serialize;

use super::CliError;
use super::age::now;
use super::options::OutputFormat;
use super::output::Output;
use crate::service::{self, Initialized};

/// Make a project
///
/// Makes a directory with two bare Git repositories, config.git for the configuration and meta.git for
/// settings and access, and one administrator, whose key is printed once and stored nowhere. With --from, the
/// project begins with the files of a tree of folders: meta/ holds the settings, every other folder is the
/// environment of its name.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    confgit init ./data\n  \
    confgit init ./data --from ./example-repo\n  \
    export CONFGIT_TOKEN=$(confgit init ./data -o json | jq -r .key)")]
pub struct Init {
    /// The directory: empty, or not there yet
    dir: PathBuf,
    /// A tree of folders to begin with
    #[arg(long, value_name = "TREE")]
    from: Option<PathBuf>,
}

#[derive(Serialize)]
struct Made<'a> {
    key: &'a str,
}

impl Init {
    /// Runs the command.
    pub fn run(self, output: &mut Output) -> Result<(), CliError> {
        if let Some(tree) = self.from.as_deref().filter(|tree| !tree.is_dir()) {
            return Err(CliError::Usage(format!("--from: {} is no folder", tree.display())));
        }
        let made = make(&self.dir, self.from.as_deref())?;
        if output.format() != OutputFormat::Table {
            return output.data(&Made { key: made.key.reveal() });
        }
        output.line(format!("made {} with {} files", self.dir.display(), made.files))?;
        output.line("")?;
        output.line("the key of its first administrator, shown this once:")?;
        output.line(format!("  {}", made.key.reveal()))?;
        output.line("")?;
        output.line("next:")?;
        output.line(format!("  export CONFGIT_TOKEN={}", made.key.reveal()))?;
        output.line(format!("  confgit serve {}", quoted(&self.dir)))?;
        output.finish()
    }
}

/// Makes a project with a fresh key.
pub fn make(dir: &FilePath, tree: Option<&FilePath>) -> Result<Initialized, CliError> {
    let mut random = [0; 32];
    getrandom::fill(&mut random)
        .map_err(|error| CliError::Failed(format!("the system gives no random bits: {error}")))?;
    Ok(service::init(dir, tree, random, now())?)
}

/// A path as a shell reads it.
pub fn quoted(path: &FilePath) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+=@%:,".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_for_a_shell() {
        for (path, text) in
            [("data", "data"), ("/a/b-c.d", "/a/b-c.d"), ("a b", "'a b'"), ("it's", r"'it'\''s'")]
        {
            assert_eq!(quoted(FilePath::new(path)), text);
        }
    }
}
