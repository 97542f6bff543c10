//! Branches that environments are to begin with and that somebody pushed before: what they hold is held to what a write is held
//! to, before anybody reads it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;

use super::ServiceError;
use super::core::Core;
use super::load::Loader;
use super::receive::{Content, PUSHED, PushRefusal};
use super::refs::branch_ref;
use crate::index::{Branch, State};
use crate::model::{Diagnostic, Revision, Rule};
use crate::resolve::View;
use crate::settings::{ProjectSettings, SETTINGS_FILE};
use crate::validation;

/// Where branches were when they were looked at.
pub(super) type LookedAt = BTreeMap<Arc<str>, Option<Revision>>;

impl Core {
    /// Refuses settings whose environments show branches that none shows yet and that do not hold what is valid. Answers with
    /// those branches. Reads all of them: blocks.
    pub(super) fn look_at_new_branches(&self, settings: &ProjectSettings) -> Result<LookedAt, ServiceError> {
        let state = self.index.snapshot();
        let is_shown = |branch: &str| state.environments.iter().any(|other| *other.branch == *branch);
        let environments = &settings.environments;
        let new: BTreeSet<&Arc<str>> = environments
            .iter()
            .map(|environment| &environment.branch)
            .filter(|name| !is_shown(name))
            .collect();
        let reader = self.repository.reader();
        let (mut branches, mut looked_at) = (state.branches.clone(), LookedAt::new());
        for name in new {
            let head = self.repository.find_ref(&branch_ref(name))?.id();
            looked_at.insert(name.clone(), head);
            let Some(head) = head else { continue };
            let tree = Some(reader.commit(head)?.tree);
            // One that an environment showed before is known up to there.
            let known = state.branches.get(name);
            let content = Content {
                reader: &reader,
                limits: PUSHED,
                head: known.and_then(|branch| branch.head),
                tree: known.and_then(|branch| branch.tree),
            };
            content
                .check_files(head)
                .and_then(|()| content.check_chain(head, &|_, _| Ok(true)))
                .map_err(|refusal| refused(name, refusal))?;
            let snapshot = Arc::new(Loader { reader: &reader, limits: &settings.limits }.load_plainly(head)?);
            if !snapshot.problems().is_empty() {
                let problems = snapshot.problems().iter().map(|problem| problem.diagnostic.clone());
                return Err(ServiceError::Problems(problems.collect()));
            }
            branches.insert(name.clone(), Branch { head: Some(head), tree, snapshot });
        }
        if looked_at.values().all(Option::is_none) {
            return Ok(looked_at);
        }
        let begun = State::new(state.sequence, environments.clone(), branches);
        let views = |name: &Arc<str>| begun.view(name).map(|view| View::clone(view));
        let found = validation::check_all(environments, &views, &settings.limits, &|| true);
        let mut findings = found.unwrap_or_default();
        // What is wrong elsewhere already is not theirs.
        findings.retain(|finding| {
            let environment = environments.get(&finding.environment);
            environment
                .is_some_and(|environment| looked_at.get(&environment.branch).is_some_and(Option::is_some))
        });
        if findings.is_empty() {
            return Ok(looked_at);
        }
        let content = |layer: &str, file: &str| {
            let blob = begun.branch_of(layer)?.snapshot.file(file)?;
            reader.blob(blob, settings.limits.document_bytes as u64).ok().map(Bytes::from)
        };
        validation::place(&mut findings, &content, &settings.limits);
        Err(ServiceError::Findings(findings))
    }

    /// That branches are where they were looked at.
    pub(super) fn demand_unmoved(&self, looked_at: &LookedAt) -> Result<(), ServiceError> {
        for (branch, seen) in looked_at {
            if self.repository.find_ref(&branch_ref(branch))?.id() != *seen {
                return Err(ServiceError::Busy);
            }
        }
        Ok(())
    }
}

fn refused(branch: &str, refusal: PushRefusal) -> ServiceError {
    match refusal {
        PushRefusal::Content(faults) => ServiceError::Problems(faults),
        PushRefusal::Service(error) => error,
        _ => ServiceError::Conflict(Diagnostic {
            rule: Rule::Settings,
            file: Some(SETTINGS_FILE.to_owned()),
            position: None,
            path: None,
            message: format!(
                "the commits of the branch `{branch}` change more than can be followed at once; make the environment with another \
                 branch, and push there in several steps"
            ),
        }),
    }
}
