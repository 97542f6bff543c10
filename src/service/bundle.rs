use std::collections::BTreeSet;

use super::core::Core;
use super::resolved::{MOST_NAMED, diagnostic, refused_part, unresolvable};
use super::{Reading, ServiceError, Wanted};
use crate::auth::SecretGrant;
use crate::bundle::{self, BundleEntry, BundleFault, BundleFormat, BundleOrigin};
use crate::model::{Diagnostic, Path, Rule};
use crate::resolve::{Found, Resolved, Resolver, Secrets, Unresolved, Visited, Withheld};

/// How many entries a bundle holds at most, and how many bytes.
const MOST_ENTRIES: usize = 50_000;
const MOST_BYTES: usize = 16 << 20;

/// A part of the configuration as one text.
pub enum Bundle {
    /// Whole.
    Text(String),
    /// It needs these secrets, which are not to be shown yet.
    Withheld(BTreeSet<String>),
}

impl Core {
    /// The entries at or below a path, their references followed, as one text. Without secrets a value that holds some
    /// keeps the text from being made, unless the format leaves such values out. Blocks.
    pub fn bundle(
        &self,
        reading: &Reading,
        (wanted, name): (&Wanted, Option<&str>),
        format: BundleFormat,
    ) -> Result<Bundle, ServiceError> {
        let entries = self.resolved_entries(reading, wanted, &Withheld)?;
        let secrets: BTreeSet<String> =
            entries.iter().flat_map(|(_, resolved)| resolved.secrets.iter().cloned()).collect();
        if !secrets.is_empty() && !format.leaves_secrets_out() {
            return Ok(Bundle::Withheld(secrets));
        }
        write(reading, (wanted, name), format, entries).map(Bundle::Text)
    }

    /// The same with the values of secrets. Blocks.
    pub fn revealed_bundle(
        &self,
        grant: &SecretGrant,
        reading: &Reading,
        (wanted, name): (&Wanted, Option<&str>),
        format: BundleFormat,
        secrets: &BTreeSet<String>,
    ) -> Result<String, ServiceError> {
        self.audit.secrets(grant, &wanted.environment, secrets)?;
        let values = self.settings.load().secrets.read_all(grant.granted(secrets), &self.dir)?;
        let entries = self.resolved_entries(reading, wanted, &values)?;
        write(reading, (wanted, name), format, entries)
    }

    /// The keys that secrets keep from being written, below the path of a bundle.
    pub fn withheld_keys(&self, reading: &Reading, wanted: &Wanted) -> Result<ServiceError, ServiceError> {
        let entries = self.resolved_entries(reading, wanted, &Withheld)?;
        let withheld = entries.iter().filter(|(_, resolved)| !resolved.secrets.is_empty()).take(MOST_NAMED);
        let told = withheld.map(|(path, resolved)| {
            let secrets: Vec<&str> = resolved.secrets.iter().map(String::as_str).collect();
            let message =
                format!("holds a secret ({}), which is written only with resolve=true", secrets.join(", "));
            Diagnostic {
                rule: Rule::Reference,
                file: None,
                position: None,
                path: Some(path.clone()),
                message,
            }
        });
        Ok(ServiceError::Unresolvable(told.collect()))
    }

    /// The entries at or below a path with what they come to; or all that cannot be resolved.
    fn resolved_entries(
        &self,
        reading: &Reading,
        wanted: &Wanted,
        secrets: &dyn Secrets,
    ) -> Result<Vec<(Path, Resolved)>, ServiceError> {
        let Wanted { environment, layer_only, path } = wanted;
        let failed = |error: &Unresolved| unresolvable(reading, (environment, path), None, error);
        let view = reading.view(environment)?;
        let mut resolver = Resolver::new(&view, secrets, &self.limits());
        let found = if *layer_only {
            reading.find_in_layer(environment, path)?
        } else {
            let found = resolver.find(path).map_err(|error| failed(&error))?;
            found.ok_or_else(|| reading.absent(environment, path))?
        };
        let mut gathered = Gathered::default();
        match &found {
            Found::Entry(found) => {
                let resolved = resolver.entry(path, found);
                if let Some(refused) =
                    resolved.as_ref().err().and_then(|error| refused_part(reading, environment, path, error))
                {
                    return Err(refused);
                }
                gathered.take(path, resolved.map(|resolved| (found, resolved)));
            }
            Found::Object(object) => {
                let object = resolver.whole(path, object.clone()).map_err(|error| failed(&error))?;
                let mut refused = None;
                resolver.visit(path, &object, &mut |path, found| {
                    refused = found
                        .as_ref()
                        .err()
                        .and_then(|error| refused_part(reading, environment, path, error));
                    refused.is_none() && gathered.take(path, found)
                });
                if let Some(refused) = refused {
                    return Err(refused);
                }
            }
        }
        if gathered.is_too_much {
            let (path, limit) = (path.clone(), MOST_BYTES);
            return Err(ServiceError::TooLarge { path, actual: gathered.bytes, limit });
        }
        if !gathered.faults.is_empty() {
            return Err(ServiceError::Unresolvable(gathered.faults));
        }
        Ok(gathered.entries)
    }
}

#[derive(Default)]
struct Gathered {
    entries: Vec<(Path, Resolved)>,
    bytes: usize,
    is_too_much: bool,
    faults: Vec<Diagnostic>,
}

impl Gathered {
    fn take(&mut self, path: &Path, found: Visited<'_>) -> bool {
        match found {
            Ok((found, resolved)) => {
                self.bytes += found.entry.json().len().max(resolved.value.to_json().len());
                self.entries.push((path.clone(), resolved));
                self.is_too_much = self.bytes > MOST_BYTES || self.entries.len() > MOST_ENTRIES;
                !self.is_too_much
            }
            Err(error) => {
                self.faults.push(diagnostic(path, None, &error));
                self.faults.len() < MOST_NAMED
            }
        }
    }
}

fn write(
    reading: &Reading,
    (wanted, name): (&Wanted, Option<&str>),
    format: BundleFormat,
    entries: Vec<(Path, Resolved)>,
) -> Result<String, ServiceError> {
    let revision = reading.revision(&wanted.environment);
    let origin = BundleOrigin {
        path: wanted.path.clone(),
        environment: wanted.environment.to_string(),
        revision: revision.map(|revision| revision.to_string()).unwrap_or_default(),
        sequence: reading.state().sequence.0,
        name: name.map(str::to_owned),
    };
    let entries: Vec<BundleEntry> = entries
        .into_iter()
        .map(|(path, Resolved { value, secrets, .. })| BundleEntry {
            path: path.strip_prefix(&wanted.path).unwrap_or(path),
            value,
            has_secrets: !secrets.is_empty(),
        })
        .collect();
    bundle::write(format, &origin, &entries).map_err(|faults| {
        let at = |below: &Path| {
            let path = below.segments().try_fold(wanted.path.clone(), |path, segment| path.child(&segment));
            path.unwrap_or_else(|_| below.clone())
        };
        let told = faults.into_iter().take(MOST_NAMED).map(|BundleFault { path, reason }| Diagnostic {
            rule: Rule::Bundle,
            file: None,
            position: None,
            path: Some(at(&path)),
            message: reason,
        });
        ServiceError::NotExpressible(told.collect())
    })
}
