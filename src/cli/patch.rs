use clap::Args;
use serde_json::value::RawValue;

use super::options::Options;
use super::output::Output;
use super::path_argument::written_path;
use super::set::{expect_version, print};
use super::{CliError, value_argument};
use crate::client::{PatchKind, Place};
use crate::model::Value;

/// Change part of an object
///
/// PATCH is JSON: an object is a merge patch (RFC 7396), whose members replace those below the path and whose
/// nulls take them away; a list is a JSON Patch (RFC 6902), whose operations are all made or none. `@FILE` is what a
/// file holds, `-` what standard input gives. Comments and order of the files stay.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    confgit patch /myapp/database '{\"pool_size\": 20, \"timeout\": null}'\n  \
    confgit patch /services/shop '[{\"op\": \"add\", \"path\": \"/hosts/-\", \"value\": \"c\"}]' -m 'one more host'\n  \
    confgit patch myapp.cache @changes.json --env prod")]
pub struct Patch {
    /// The path: /myapp/database or myapp.database
    path: String,
    /// The patch, `-` for standard input, or @FILE
    patch: String,
    /// What the commit says
    #[arg(short, long, value_name = "TEXT")]
    message: Option<String>,
    /// Only if the path has this version
    #[arg(long, value_name = "N")]
    if_version: Option<u64>,
}

impl Patch {
    /// Runs the command.
    pub fn run(self, options: &Options, output: &mut Output) -> Result<(), CliError> {
        let place = Place { path: written_path(&self.path)?, env: options.env.clone() };
        let patch = match value_argument::value(&self.patch, false, None)? {
            Value::String(text) if !self.patch.starts_with('"') => {
                // It did not read as JSON; reading it once more tells why.
                Value::from_json(&text)
                    .map_err(|error| CliError::Usage(format!("the patch is no JSON: {error}")))?
            }
            patch => patch,
        };
        let kind = if matches!(patch, Value::Array(_)) { PatchKind::Operations } else { PatchKind::Merge };
        let json =
            RawValue::from_string(patch.to_json()).map_err(|error| CliError::Failed(error.to_string()))?;
        let expect = expect_version(self.if_version);
        let written = options.target()?.patch(&place, (kind, &json), self.message, expect)?;
        print(&written, None, output)
    }
}
