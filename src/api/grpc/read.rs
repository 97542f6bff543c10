use bytes::Bytes;

use super::convert::{described, entry, object, page_size, path, point, value};
use super::service::Caller;
use crate::api::http::App;
use crate::api::http::asked::{MOST_PER_PAGE, PAGE, blocking};
use crate::api::http::problem::Problem;
use crate::api::http::resolved::Value;
use crate::auth::Principal;
use crate::model::{Path, Version};
use crate::present;
use crate::resolve::Found;
use crate::service::{Content, Point, Reading, Wanted, entity_tag, page};
use crate::wire;
use crate::wire::grpc::{
    BatchGetItem, BatchGetRequest, BatchGetResponse, Entry, GetRequest, GetResponse, ListItem, ListRequest,
    ListResponse,
};

/// How many paths are looked at without a thread of their own.
const FEW_PATHS: usize = 64;

/// How many bytes the values of one answer may have.
const MOST_BYTES: usize = 16 << 20;

/// What was found, and whether it is an object.
type Shown = (Entry, bool);

/// The environment that is asked: its name, or the default one.
pub(super) fn environment(reading: &Reading, env: &str) -> Result<String, Problem> {
    let name = if env.is_empty() { reading.environments().default_name() } else { env };
    reading.check_environment(name)?;
    Ok(name.to_owned())
}

pub(super) async fn get(app: &App, caller: Caller<'_>, request: GetRequest) -> Result<GetResponse, Problem> {
    let grant = caller.may_read(app)?;
    let core = app.project.core();
    let (path, at) = (path(&request.path)?, point(&request.at));
    let present = core.reading(&grant);
    let env = environment(&present, &request.env)?;
    if request.version > 0 {
        if at.is_some() || request.resolve {
            return Err(Problem::contradiction(
                "`version` names one value as it was written: leave out `at` and `resolve`",
            ));
        }
        let (core, version, sequence) = (core.clone(), Version(request.version), present.sequence().0);
        return blocking(move || {
            let past = core.version(&grant, &env, &path, version)?;
            let found = crate::resolve::FoundEntry::own(env.as_str().into(), past.entry);
            Ok(GetResponse { entry: Some(entry(&env, &path, &found)), is_object: false, sequence })
        })
        .await?;
    }
    if at.is_none() && !request.resolve {
        let (entry, is_object) = written(app, &present, &env, &path)?;
        return Ok(GetResponse { entry: Some(entry), is_object, sequence: present.sequence().0 });
    }
    let principal = caller.principal(app)?;
    let (app, is_resolved) = (app.clone(), request.resolve);
    let look = move || {
        let reading =
            reading_at(&app, &grant, present, at.as_ref(), &env, std::slice::from_ref(&path), is_resolved)?;
        let shown = shown(&app, &principal, &reading, &env, &path, is_resolved)?;
        let (entry, is_object) = shown;
        Ok(GetResponse { entry: Some(entry), is_object, sequence: reading.sequence().0 })
    };
    blocking(look).await?
}

pub(super) async fn batch_get(
    app: &App,
    caller: Caller<'_>,
    request: BatchGetRequest,
) -> Result<BatchGetResponse, Problem> {
    let grant = caller.may_read(app)?;
    let principal = caller.principal(app)?;
    if !(1..=wire::MOST_BATCH_PATHS).contains(&request.paths.len()) {
        let detail = format!("`paths` has 1 to {} items", wire::MOST_BATCH_PATHS);
        return Err(Problem::malformed(detail));
    }
    let paths = request.paths.iter().map(|text| path(text)).collect::<Result<Vec<_>, _>>()?;
    let present = app.project.core().reading(&grant);
    let env = environment(&present, &request.env)?;
    let at = point(&request.at);
    let is_quick = at.is_none() && !request.resolve && paths.len() <= FEW_PATHS;
    let (app, is_resolved) = (app.clone(), request.resolve);
    let gather = move || {
        let reading = reading_at(&app, &grant, present, at.as_ref(), &env, &paths, is_resolved)?;
        let (mut items, mut bytes) = (Vec::with_capacity(paths.len()), 0);
        for path in &paths {
            let found = match shown(&app, &principal, &reading, &env, path, is_resolved) {
                Ok((entry, is_object)) => (Some(entry), is_object),
                Err(problem) if problem.is_missing_value() => (None, false),
                Err(problem) => return Err(problem),
            };
            bytes += found.0.as_ref().map_or(0, prost::Message::encoded_len);
            if bytes > MOST_BYTES {
                let detail =
                    format!("the values together are larger than {MOST_BYTES} bytes; ask for fewer at once");
                return Err(Problem::too_large(detail));
            }
            items.push(BatchGetItem { path: path.to_string(), entry: found.0, is_object: found.1 });
        }
        Ok(BatchGetResponse { items, sequence: reading.sequence().0 })
    };
    if is_quick { gather() } else { blocking(gather).await? }
}

pub(super) async fn list(
    app: &App,
    caller: Caller<'_>,
    request: ListRequest,
) -> Result<ListResponse, Problem> {
    let grant = caller.may_read(app)?;
    let reading = app.project.core().reading(&grant);
    let env = environment(&reading, &request.env)?;
    let at = path(&request.path)?;
    let limit = page_size(request.page_size, PAGE, MOST_PER_PAGE)?;
    let after = match &*request.page_token {
        "" => None,
        token => {
            Some(token.parse::<Path>().ok().filter(|after| at.is_prefix_of(after)).ok_or_else(|| {
                Problem::foreign_cursor("`page_token` is the `next_page_token` of a page of this list")
            })?)
        }
    };
    let is_recursive = request.recursive;
    blocking(move || {
        let (sequence, found) = (reading.sequence().0, reading.find(&env, &at)?);
        let mut response = ListResponse { path: at.to_string(), sequence, ..ListResponse::default() };
        match (found, is_recursive) {
            (Found::Entry(found), true) => response.entries.push(entry(&env, &at, &found)),
            (Found::Object(object), true) => {
                let found = page(&object, &at, after.as_ref(), limit, None);
                response.entries =
                    found.entries.iter().map(|(path, found)| entry(&env, path, found)).collect();
                response.next_page_token = found.next.map(|next| next.to_string()).unwrap_or_default();
            }
            (found, false) => {
                let object = match &found {
                    Found::Object(object) => Some(object),
                    Found::Entry(_) => None,
                };
                let name = after
                    .as_ref()
                    .and_then(|after| Some(after.strip_prefix(&at)?.segments().next()?.into_owned()));
                let listing = present::listing(&at, object, name.as_deref(), limit);
                response.items = listing
                    .entries
                    .into_iter()
                    .map(|item| ListItem {
                        name: item.name,
                        path: item.path,
                        kind: item.kind,
                        version: item.version.unwrap_or(0),
                    })
                    .collect();
                response.next_page_token = listing.next.unwrap_or_default();
            }
        }
        Ok(response)
    })
    .await?
}

/// The present, or the moment that is asked for.
fn reading_at(
    app: &App,
    grant: &crate::auth::ReadGrant,
    present: Reading,
    at: Option<&Point>,
    env: &str,
    paths: &[Path],
    is_resolved: bool,
) -> Result<Reading, Problem> {
    let Some(point) = at else { return Ok(present) };
    // What references name may stand anywhere.
    let root = [Path::root()];
    let paths = if is_resolved { &root[..] } else { paths };
    Ok(app.project.core().reading_at(grant, point, env, paths)?)
}

fn shown(
    app: &App,
    principal: &Principal,
    reading: &Reading,
    env: &str,
    path: &Path,
    is_resolved: bool,
) -> Result<Shown, Problem> {
    if is_resolved {
        return resolved(app, principal, reading, env, path);
    }
    written(app, reading, env, path)
}

/// What stands at a path as it is written.
fn written(app: &App, reading: &Reading, env: &str, path: &Path) -> Result<Shown, Problem> {
    Ok(match reading.find(env, path)? {
        Found::Entry(found) => (entry(env, path, &found), false),
        Found::Object(found) => {
            let json: Bytes = app.project.core().object_json(path, &found);
            let tag = entity_tag(&Found::Object(found));
            (object(env, path, json, tag), true)
        }
    })
}

/// The same as services read it. Whether the caller may see secrets matters only where there are some.
fn resolved(
    app: &App,
    principal: &Principal,
    reading: &Reading,
    env: &str,
    path: &Path,
) -> Result<Shown, Problem> {
    let core = app.project.core();
    let wanted = Wanted { environment: env.into(), layer_only: false, path: path.clone() };
    let mut found = match core.resolved_at_once(reading, &wanted)? {
        Some(found) => found,
        None => core.resolved(reading, &wanted)?,
    };
    if let Content::Withheld(secrets) = &found.content {
        let secrets = secrets.clone();
        let granted = principal.may_read_secrets(env, &secrets)?;
        found = core.revealed(&granted, reading, &wanted, &secrets)?;
    }
    let Value { found, json, is_bytes, tag } = Value::of(found)?;
    Ok(match &found {
        Found::Entry(found) => (described(env, path, found, value(json, is_bytes), tag), false),
        Found::Object(_) => (object(env, path, json, tag), true),
    })
}
