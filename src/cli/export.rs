use std::io::Write as _;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::CliError;
use super::options::{Options, OutputFormat};
use super::output::Output;
use super::path_argument::path;
use crate::bundle::BundleFormat;
use crate::client::{Export as Wanted, Moment, Place};

/// Write configuration for other tools
///
/// Writes all that services read below a path as one text: variables of a shell, Java properties, objects of
/// Kubernetes, or a document. References are followed and templates merged. Values that hold secrets are written only
/// with --resolve, and never into a ConfigMap, which names them in a comment. What the format cannot say is refused,
/// all of it at once.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    confgit export /checkout --env prod --format env > .env\n  \
    confgit export /checkout --env prod --format k8s-configmap | kubectl apply -f -\n  \
    confgit export /checkout/database --env prod --format k8s-secret --resolve --name checkout-db\n  \
    confgit export /services/shipping --format yaml --at 2026-01-31T12:00:00Z")]
pub struct Export {
    /// The path
    path: String,
    /// What is written
    #[arg(short, long, value_name = "FORMAT")]
    format: ExportFormat,
    /// The values of secrets, too
    #[arg(long)]
    resolve: bool,
    /// What an object of Kubernetes is called; made from the path when not given
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// The values as they were at a sequence, commit, tag or time
    #[arg(long, value_name = "POINT")]
    at: Option<String>,
    /// The file that is written, for its owner alone to read; standard output when not given
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
}

/// What configuration is written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ExportFormat {
    /// `NAME='value'`, for shells and dotenv libraries
    Env,
    /// Java properties
    Properties,
    /// A ConfigMap of Kubernetes
    K8sConfigmap,
    /// A Secret of Kubernetes
    K8sSecret,
    /// JSON
    Json,
    /// YAML
    Yaml,
    /// TOML
    Toml,
    /// A line for each entry, or the text of one
    Text,
}

impl ExportFormat {
    /// What it is where the text tells when it was written.
    pub fn bundle(self) -> Option<BundleFormat> {
        match self {
            ExportFormat::Env => Some(BundleFormat::Env),
            ExportFormat::Properties => Some(BundleFormat::Properties),
            ExportFormat::K8sConfigmap => Some(BundleFormat::ConfigMap),
            ExportFormat::K8sSecret => Some(BundleFormat::Secret),
            ExportFormat::Json | ExportFormat::Yaml | ExportFormat::Toml | ExportFormat::Text => None,
        }
    }

    /// The name that the API has for it.
    pub fn name(self) -> &'static str {
        match self {
            ExportFormat::Env => "env",
            ExportFormat::Properties => "properties",
            ExportFormat::K8sConfigmap => "k8s-configmap",
            ExportFormat::K8sSecret => "k8s-secret",
            ExportFormat::Json => "json",
            ExportFormat::Yaml => "yaml",
            ExportFormat::Toml => "toml",
            ExportFormat::Text => "text",
        }
    }
}

impl Export {
    /// Runs the command.
    pub fn run(self, options: &Options, output: &mut Output) -> Result<(), CliError> {
        if output.format() != OutputFormat::Table {
            return Err(CliError::Usage(
                "what is exported has the format of --format: leave out -o".to_owned(),
            ));
        }
        let place = Place { path: path(&self.path)?, env: options.env.clone() };
        let wanted = Wanted {
            format: self.format.name(),
            with_secrets: self.resolve,
            name: self.name,
            moment: self.at.map_or(Moment::Now, Moment::At),
        };
        let bytes = options.target()?.export(&place, &wanted)?;
        let Some(file) = self.to else {
            output.bytes(&bytes)?;
            return if bytes.ends_with(b"\n") { Ok(()) } else { output.bytes(b"\n") };
        };
        let failed = |error: std::io::Error| CliError::Failed(format!("{}: {error}", file.display()));
        write_private(&file, &bytes).map_err(failed)
    }
}

/// Writes a file that only its owner may read: whole, or not at all.
fn write_private(file: &std::path::Path, bytes: &[u8]) -> std::io::Result<()> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or_else(|| std::path::Path::new("."));
    // Such a file is for its owner alone.
    let mut temporary = tempfile::NamedTempFile::new_in(folder)?;
    temporary.write_all(bytes)?;
    temporary.persist(file)?;
    Ok(())
}
