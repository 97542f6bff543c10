use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use sha2::{Digest as _, Sha256};

use super::core::Core;
use super::{Reading, ServiceError, entity_tag};
use crate::auth::{ReadGrant, SecretGrant};
use crate::index::{MadeOf, ResolvedBody};
use crate::model::{Diagnostic, Path, Rule, Value};
use crate::resolve::{
    Found, FoundEntry, Merged, Reason, Resolved, Resolver, Secrets, Seen, Unresolved, Withheld,
};
use crate::snapshot::{Digest, EntryKind, Refers, VARIABLES};

/// How many values that cannot be resolved one answer names.
pub(super) const MOST_NAMED: usize = 100;

/// A path whose value is wanted as services read it.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// The environment.
    pub environment: Arc<str>,
    /// Whether what the environment itself holds is wanted, its parents left aside; references still see all of them.
    pub layer_only: bool,
    /// The path.
    pub path: Path,
}

/// What a path comes to once templates are merged and references followed.
pub struct ResolvedValue {
    /// What stands there; of an entry the value is as it is written.
    pub found: Found,
    /// The value.
    pub content: Content,
}

/// A resolved value.
pub enum Content {
    /// One that everybody sees who may read.
    Plain(Arc<ResolvedBody>),
    /// One that is not to be shown yet, for these secrets are part of it.
    Withheld(BTreeSet<String>),
    /// One with secrets in it.
    Revealed(Revealed),
}

/// A value with secrets in it: it is in no cache, and cannot be printed.
pub struct Revealed {
    json: Bytes,
    is_bytes: bool,
}

impl Revealed {
    /// The value as JSON, for the one answer that may hold it, and whether that is base64 of bytes.
    pub fn expose(self) -> (Bytes, bool) {
        (self.json, self.is_bytes)
    }

    /// An entity tag that tells nothing of the value to who does not know a key of this process.
    pub fn tag(&self) -> String {
        Revealed::tag_of(&self.json)
    }

    /// The same of another body with secrets in it.
    pub fn tag_of(body: &[u8]) -> String {
        let digest = Sha256::new().chain_update(tag_key()).chain_update(body).finalize();
        digest[..16].iter().fold(String::with_capacity(32), |mut tag, byte| {
            let _ = write!(tag, "{byte:02x}");
            tag
        })
    }
}

fn tag_key() -> &'static [u8; 32] {
    static KEY: OnceLock<[u8; 32]> = OnceLock::new();
    KEY.get_or_init(|| {
        let mut key = [0; 32];
        // Without random bits, which no system lacks, the tags of secrets are at least not those of their values.
        if getrandom::fill(&mut key).is_err() {
            tracing::error!("the system gives no random bits");
        }
        key
    })
}

impl Core {
    /// What a path comes to, where it is known without work: it is kept from before, or nothing is derived there.
    pub fn resolved_at_once(
        &self,
        reading: &Reading,
        wanted: &Wanted,
    ) -> Result<Option<ResolvedValue>, ServiceError> {
        let view = reading.view(&wanted.environment)?;
        let grant = reading.grant();
        if wanted.layer_only || view.is_derived_above(&wanted.path) {
            return Ok(None);
        }
        let found = reading.find(&wanted.environment, &wanted.path)?;
        match &found {
            Found::Entry(entry) if entry.entry.refers() == Refers::No => {
                let body = plain_entry(entry);
                Ok(Some(ResolvedValue { found, content: Content::Plain(Arc::new(body)) }))
            }
            // What is only partly seen has to be walked through.
            Found::Object(object) if !object.is_derived() && !object.is_partial() => {
                let body = self.plain_object(&wanted.path, object);
                Ok(Some(ResolvedValue { found, content: Content::Plain(Arc::new(body)) }))
            }
            _ => {
                let kept = reading.state().resolved(&wanted.environment);
                let body = kept.and_then(|kept| kept.get(wanted.path.as_str()));
                let body = body.filter(|body| may_see_all(grant, &wanted.environment, &wanted.path, body));
                Ok(body.map(|body| ResolvedValue { found, content: Content::Plain(body) }))
            }
        }
    }

    /// What a path comes to; secrets are withheld. Blocks.
    pub fn resolved(&self, reading: &Reading, wanted: &Wanted) -> Result<ResolvedValue, ServiceError> {
        let (found, value, made_of) = self.resolve(reading, wanted, &Withheld)?;
        let Some(Resolved { value, secrets, .. }) = value else {
            let body = match &found {
                Found::Entry(entry) => plain_entry(entry),
                Found::Object(object) => self.plain_object(&wanted.path, object),
            };
            return Ok(ResolvedValue { found, content: Content::Plain(Arc::new(body)) });
        };
        if !secrets.is_empty() {
            return Ok(ResolvedValue { found, content: Content::Withheld(secrets) });
        }
        let (json, is_bytes) = json_of(value);
        let tag = Digest::of(&json).to_string();
        let (is_object, has_hidden) = match &found {
            Found::Entry(_) => (false, false),
            Found::Object(object) => (true, object.has_hidden()),
        };
        let body = Arc::new(ResolvedBody { json, is_bytes, tag, is_object, has_hidden, made_of });
        // What shows only part of an object is not what others see.
        let is_whole = !matches!(&found, Found::Object(object) if object.is_partial());
        if !wanted.layer_only
            && is_whole
            && let Some(kept) = reading.state().resolved(&wanted.environment)
        {
            kept.keep(wanted.path.as_str(), body.clone());
        }
        Ok(ResolvedValue { found, content: Content::Plain(body) })
    }

    /// The same with the values of secrets, which are read from their providers. Blocks.
    pub fn revealed(
        &self,
        grant: &SecretGrant,
        reading: &Reading,
        wanted: &Wanted,
        secrets: &BTreeSet<String>,
    ) -> Result<ResolvedValue, ServiceError> {
        self.audit.secrets(grant, &wanted.environment, secrets)?;
        let values = self.settings.load().secrets.read_all(grant.granted(secrets), &self.dir)?;
        let (found, value, _) = self.resolve(reading, wanted, &values)?;
        let value = value.map_or(Value::Null, |resolved| resolved.value);
        let (json, is_bytes) = json_of(value);
        Ok(ResolvedValue { found, content: Content::Revealed(Revealed { json, is_bytes }) })
    }

    /// What stands at a path, and what it comes to; none where that is what is written.
    fn resolve(
        &self,
        reading: &Reading,
        wanted: &Wanted,
        secrets: &dyn Secrets,
    ) -> Result<(Found, Option<Resolved>, MadeOf), ServiceError> {
        let Wanted { environment, layer_only, path } = wanted;
        let failed = |entry, error: &Unresolved| unresolvable(reading, (environment, path), entry, error);
        let view = reading.view(environment)?;
        let mut resolver = Resolver::new(&view, secrets, &self.limits());
        let found = if *layer_only {
            reading.find_in_layer(environment, path)?
        } else {
            let found = resolver.find(path).map_err(|error| failed(None, &error))?;
            found.ok_or_else(|| reading.absent(environment, path))?
        };
        let value = match &found {
            Found::Entry(entry) if entry.entry.refers() == Refers::No => {
                return Ok((found, None, MadeOf::Itself));
            }
            Found::Object(object) if !object.is_derived() => return Ok((found, None, MadeOf::Itself)),
            Found::Entry(entry) => resolver.entry(path, entry),
            Found::Object(object) => {
                let object = resolver.whole(path, object.clone());
                let object = object.map_err(|error| failed(None, &error))?;
                match resolver.object(path, &object) {
                    Ok(value) => Ok(value),
                    Err(error) => {
                        let refused = refused_part(reading, environment, path, &error);
                        return Err(refused.unwrap_or_else(|| all_unresolvable(&mut resolver, path, &object)));
                    }
                }
            }
        };
        match (value, &found) {
            (Ok(value), _) => {
                let made_of = resolver.used().map_or(MadeOf::More, |used| {
                    if used.is_empty() {
                        MadeOf::Itself
                    } else {
                        MadeOf::Parts(used.iter().cloned().collect())
                    }
                });
                Ok((found, Some(value), made_of))
            }
            (Err(error), Found::Entry(entry)) => Err(failed(Some(entry), &error)),
            (Err(error), Found::Object(_)) => Err(failed(None, &error)),
        }
    }

    fn plain_object(&self, path: &Path, object: &Merged) -> ResolvedBody {
        let json = self.object_json(path, object);
        ResolvedBody {
            json,
            is_bytes: false,
            tag: object.digest().to_string(),
            is_object: true,
            has_hidden: object.has_hidden(),
            made_of: MadeOf::Itself,
        }
    }
}

fn plain_entry(found: &FoundEntry) -> ResolvedBody {
    let is_bytes = found.entry.kind() == EntryKind::Bytes;
    let tag = entity_tag(&Found::Entry(found.clone()));
    let json = found.entry.json().clone();
    ResolvedBody { json, is_bytes, tag, is_object: false, has_hidden: false, made_of: MadeOf::Itself }
}

fn json_of(value: Value) -> (Bytes, bool) {
    let is_bytes = matches!(value, Value::Bytes(_));
    (Bytes::from(value.to_json().into_bytes()), is_bytes)
}

pub(super) fn diagnostic(path: &Path, found: Option<&FoundEntry>, error: &Unresolved) -> Diagnostic {
    Diagnostic {
        rule: Rule::Reference,
        file: found.map(|found| found.entry.file().to_string()),
        position: None,
        path: Some(path.clone()),
        message: error.to_string(),
    }
}

/// The error for a value that cannot be resolved, or of which a part may not be read.
pub(super) fn unresolvable(
    reading: &Reading,
    (environment, path): (&str, &Path),
    found: Option<&FoundEntry>,
    error: &Unresolved,
) -> ServiceError {
    refused_part(reading, environment, path, error)
        .unwrap_or_else(|| ServiceError::Unresolvable(vec![diagnostic(path, found, error)]))
}

/// The refusal, where whoever asks may not read what a value is made of.
pub(super) fn refused_part(
    reading: &Reading,
    environment: &str,
    path: &Path,
    error: &Unresolved,
) -> Option<ServiceError> {
    let Reason::Forbidden(part) = &error.reason else { return None };
    let of = error.chain.last().unwrap_or(path);
    let refused = reading.grant().refusal(environment, part);
    Some(refused.because(format!("the value at {of} is made of it")).into())
}

/// Whether somebody who asks for a value that was kept may see all that it is made of.
pub(super) fn may_see_all(grant: &ReadGrant, environment: &str, path: &Path, body: &ResolvedBody) -> bool {
    if grant.sees_everything() {
        return true;
    }
    let sees = |path: &Path, has_hidden: bool| {
        grant.sees(environment, path) && grant.below(environment, path, has_hidden) == Seen::All
    };
    let sees_itself =
        if body.is_object { sees(path, body.has_hidden) } else { grant.sees(environment, path) };
    sees_itself
        && match &body.made_of {
            MadeOf::Itself => true,
            MadeOf::Parts(parts) => parts.iter().all(|part| may_use(grant, environment, part)),
            MadeOf::More => false,
        }
}

/// Whether somebody may see values that something at a path is part of.
pub(super) fn may_use(grant: &ReadGrant, environment: &str, path: &Path) -> bool {
    match path.as_str().starts_with(VARIABLES) {
        true => !grant.is_variable_kept(environment, path),
        false => grant.sees(environment, path) && grant.below(environment, path, false) == Seen::All,
    }
}

/// Everything below an object that cannot be resolved.
fn all_unresolvable(resolver: &mut Resolver<'_>, path: &Path, object: &Merged) -> ServiceError {
    let mut all = Vec::new();
    resolver.visit(path, object, &mut |path, found| {
        if let Err(error) = found {
            all.push(diagnostic(path, None, &error));
        }
        all.len() < MOST_NAMED
    });
    ServiceError::Unresolvable(all)
}
