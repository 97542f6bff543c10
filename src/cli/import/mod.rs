mod folder;
mod progress;
mod report;
mod send;
mod source;

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use self::progress::Progress;
use self::send::Plan;
use self::source::Source;
use super::CliError;
use super::options::Options;
use super::output::Output;
use super::path_argument::path;
use crate::import::{EnvKeys, Texts};

/// Bring configuration in from elsewhere
///
/// Takes a folder of files, which are kept byte for byte with their comments; a tar archive of one; a .env file;
/// ConfigMaps of Kubernetes; an export of Consul or etcd. All of it becomes one commit, or nothing does. What is
/// already there and not in SOURCE stays.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    confgit import ./config --env prod -m 'move in'\n  \
    confgit import legacy.tar.gz --to /legacy --dry-run\n  \
    confgit import shop.env --to /shop --split _ --lowercase\n  \
    kubectl get configmap -o yaml | confgit import - --format configmap --to /k8s\n  \
    consul kv export | confgit import - --format consul\n  \
    etcdctl get --prefix '' -w json | confgit import - --format etcd --parse json")]
pub struct Import {
    /// The folder or file, or `-` for standard input
    source: PathBuf,
    /// Below which path it goes: the root; of a .env file, its name; of a ConfigMap, its name
    #[arg(long, value_name = "PATH")]
    to: Option<String>,
    /// What SOURCE is; found out from its name and content when not given
    #[arg(long, value_name = "FORMAT", default_value = "auto")]
    format: SourceFormat,
    /// What separates the segments of a path within the keys of a .env file
    #[arg(long, value_name = "SEPARATOR")]
    split: Option<String>,
    /// Make the keys of a .env file lower case
    #[arg(long)]
    lowercase: bool,
    /// Take values that are JSON for what they say; otherwise they are strings
    #[arg(long, value_name = "LANGUAGE")]
    parse: Option<Language>,
    /// Print what would be written, and write nothing
    #[arg(long)]
    dry_run: bool,
    /// What the commit says
    #[arg(short, long, value_name = "TEXT")]
    message: Option<String>,
}

/// What a source is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum SourceFormat {
    /// Found out from name and content
    Auto,
    /// A folder of configuration files
    Folder,
    /// A .env file
    Env,
    /// ConfigMaps of Kubernetes, as YAML or JSON
    Configmap,
    /// `consul kv export`, or the answer of Consul's HTTP API
    Consul,
    /// `etcdctl get --prefix "" -w json`
    Etcd,
    /// A .tar or .tar.gz of a folder
    Archive,
}

/// What the values of a source may be written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Language {
    /// JSON
    Json,
}

impl Import {
    /// Runs the command.
    pub fn run(self, options: &Options, output: &mut Output) -> Result<(), CliError> {
        let progress = Progress::new();
        let source = Source {
            place: &self.source,
            to: self.to.as_deref().map(path).transpose()?,
            format: self.format,
            keys: EnvKeys { separator: self.split.clone(), lowercase: self.lowercase },
            texts: if self.parse.is_some() { Texts::AsJson } else { Texts::AsStrings },
        };
        let target = if self.dry_run { None } else { Some(options.target()?) };
        let taken = source.read(&progress);
        progress.finish();
        let (import, is_tree) = taken?;
        let plan = Plan::new(import, is_tree)?;
        report::left_out(&plan.left_out);
        if plan.is_empty() {
            return Err(CliError::Failed(format!("there is nothing to import in {}", source.name())));
        }
        let Some(target) = target else {
            plan.check_files()?;
            return report::planned(&plan, options, output);
        };
        let message = self.message.unwrap_or_else(|| format!("import {}", source.name()));
        let written = send::send(&target, &plan, options.env.as_deref(), message, &progress);
        progress.finish();
        report::written(&plan, &written?, output)
    }
}
