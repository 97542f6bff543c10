use crate::auth::{ReadGrant, WriteGrant};
use crate::git::Quarantine;
use crate::model::{Environment, Path, Revision};
use crate::service::committer::try_commit;
use crate::service::core::Core;
use crate::service::diff::EntryChange;
use crate::service::preview::previewed_all;
use crate::service::receive::{self, ChangeLimits, PushRefusal};
use crate::service::{PreviewedEnvironment, ServiceError};
use crate::snapshot::EntryKind;

/// How much a pull request may change: less than a push, for whoever opens one may be anybody.
const LIMITS: ChangeLimits = ChangeLimits { files: 20_000, bytes: 16 << 20 };

/// What taking a pull request in would come to.
#[derive(Debug, Default)]
pub(super) struct Checked {
    /// Why it would be refused, one after the other.
    pub problems: Vec<String>,
    /// What both it and its branch changed.
    pub conflicts: Vec<String>,
    /// Every environment that would show something else.
    pub environments: Vec<ShownEnvironment>,
}

/// What one environment would show.
#[derive(Debug)]
pub(super) struct ShownEnvironment {
    pub name: String,
    /// How many entries would be others.
    pub entries: usize,
    /// How many more values would, through references and templates.
    pub through: usize,
    /// How many clients watch any of that now.
    pub clients: usize,
    pub changes: Vec<ShownChange>,
    /// Whether these are not all.
    pub is_cut: bool,
}

/// An entry before and after.
#[derive(Debug)]
pub(super) struct ShownChange {
    pub path: String,
    pub old: Option<String>,
    pub new: Option<String>,
}

/// Works out what taking a commit into the branch of an environment would come to.
pub(super) fn check(
    core: &Core,
    environment: &Environment,
    commit: Revision,
    quarantine: &Quarantine,
) -> Result<Checked, ServiceError> {
    let grant = WriteGrant::local(super::super::ACCOUNT.into());
    let base = match receive::base_of(core, &grant, (environment, commit), quarantine, LIMITS)? {
        Ok(base) => base,
        // What is wrong with the server is not the pull request's fault.
        Err(PushRefusal::Service(error)) if !is_of_content(&error) => return Err(error),
        Err(refusal) => return Ok(Checked { problems: refusal.reasons(), ..Checked::default() }),
    };
    let state = core.index.snapshot();
    let reader = quarantine.reader(&core.repository)?;
    let trial = try_commit(core, &state, reader, &grant, &environment.branch, (base, commit))?;
    let faults = trial.faults.iter().map(ToString::to_string);
    let findings = trial.findings.iter().map(|found| format!("{}: {}", found.environment, found.diagnostic));
    let conflicts =
        trial.conflicts.iter().flat_map(|(_, found)| found.iter().map(|conflict| conflict.path.to_string()));
    // Whoever reads the pull request reads its repository, too. Secrets are no part of either.
    let previewed = previewed_all(&ReadGrant::local(), &trial.environments, &core.limits());
    Ok(Checked {
        problems: faults.chain(findings).collect(),
        conflicts: conflicts.collect(),
        environments: previewed.into_iter().map(|previewed| shown(core, previewed)).collect(),
    })
}

/// Whether an error says what is wrong with what was pushed.
fn is_of_content(error: &ServiceError) -> bool {
    matches!(error, ServiceError::Problems(_) | ServiceError::Findings(_) | ServiceError::Conflict(_))
}

fn shown(core: &Core, previewed: PreviewedEnvironment) -> ShownEnvironment {
    let PreviewedEnvironment { environment, entries, changes, through, is_cut } = previewed;
    let changed: Vec<&Path> = changes.iter().map(|change| &change.path).chain(&through).collect();
    let watches = |prefix: &Path| {
        is_cut || changed.iter().any(|path| prefix.is_prefix_of(path) || path.is_prefix_of(prefix))
    };
    let clients = core.live.clients.connected().into_iter().filter(|client| {
        client.watched.environment == environment && client.watched.prefixes.iter().any(watches)
    });
    ShownEnvironment {
        name: environment.to_string(),
        entries,
        through: through.len(),
        clients: clients.count(),
        changes: changes.iter().map(shown_change).collect(),
        is_cut,
    }
}

fn shown_change(change: &EntryChange) -> ShownChange {
    let text = |found: &crate::resolve::FoundEntry| match found.entry.kind() {
        EntryKind::Bytes => format!("{} bytes", found.entry.json().len().saturating_sub(2) / 4 * 3),
        _ => String::from_utf8_lossy(found.entry.json()).into_owned(),
    };
    ShownChange {
        path: change.path.to_string(),
        old: change.old.as_ref().map(text),
        new: change.new.as_ref().map(text),
    }
}
