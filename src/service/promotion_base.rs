use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use super::core::Core;
use super::past::unless_pruned;
use super::trailers::{promotion_of, restored_of};
use super::{Reading, ServiceError};
use crate::git::Reader;
use crate::merge::Says;
use crate::model::{Path, ResolutionRules, Revision};
use crate::resolve::{Found, View};
use crate::snapshot::{Snapshot, metadata_path, visit_differing};

/// How many promotions of parts of what is asked for are looked at; of older ones only those of all of it count.
const MOST_PARTS: usize = 100;

/// How many commits of a branch are looked through.
const MOST_COMMITS: usize = 100_000;

/// Since when two environments are compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PromotionBase {
    /// Since this was promoted: a commit of the environment that is promoted.
    Promotion {
        /// The commit.
        revision: Revision,
    },
    /// Since always: what differs from what this environment shows, from which both inherit.
    Ancestor {
        /// The environment.
        environment: Arc<str>,
    },
    /// Since always: they inherit from no common environment.
    Nothing,
}

/// What a path was when both sides were alike: as it was promoted last, or as their common ancestor shows it.
pub(super) struct Bases {
    /// Newest first; the first that covers a path counts.
    promotions: Vec<Promoted>,
    ancestor: Option<(Arc<str>, View)>,
    regions: Vec<Path>,
    /// Whether there may have been a promotion that is not known any more.
    is_lost: bool,
    rules: Arc<ResolutionRules>,
}

/// What was promoted before.
struct Promoted {
    part: Path,
    revision: Revision,
    layer: Arc<Snapshot>,
}

impl Bases {
    /// Those for promoting what is at or below a path from one environment to another. Reads history, and blocks.
    pub fn find(
        core: &Core,
        reader: &Reader,
        reading: &Reading,
        (from, to): (&str, &str),
        path: &Path,
    ) -> Result<Self, ServiceError> {
        let (mut found, mut is_lost) = promotions(reader, reading.revision(to), from, path)?;
        let count = found.len();
        if let (Some(head), false) = (reading.revision(from), found.is_empty()) {
            // Of a branch that was made anew, what was promoted before is no beginning.
            let known = commits_among(reader, head, found.iter().map(|(_, revision)| *revision).collect())?;
            found.retain(|(_, revision)| known.contains(revision));
        }
        let mut promotions = Vec::new();
        for (part, revision) in found {
            // What was promoted may have been pruned since.
            if let Some(layer) = unless_pruned(core.loaded(reader, revision, std::slice::from_ref(&part)))? {
                promotions.push(Promoted { part, revision, layer });
            }
        }
        is_lost |= promotions.len() < count;
        let environments = reading.environments();
        let ours: HashSet<&str> = environments.chain(to).map(|link| &*link.name).collect();
        let shared = environments.chain(from).find(|link| ours.contains(&*link.name));
        let ancestor = match shared {
            Some(shared) => Some((shared.name.clone(), reading.view(&shared.name)?.clone())),
            None => None,
        };
        let (regions, rules) = (regions_of(path), environments.rules().clone());
        Ok(Bases { promotions, ancestor, regions, is_lost, rules })
    }

    /// Where their layer may say something else than it did.
    pub fn candidates(&self, theirs: &Snapshot) -> BTreeSet<Path> {
        let mut candidates = BTreeSet::new();
        for (index, Promoted { part, layer, .. }) in self.promotions.iter().enumerate() {
            for region in regions_of(part) {
                let (old, new) = (layer.find(&region), theirs.find(&region));
                visit_differing(&region, old.as_ref(), new.as_ref(), &mut |path| {
                    if self.covering(&path) == Some(index) && self.is_asked(&path) {
                        candidates.insert(path);
                    }
                });
            }
        }
        for region in &self.regions {
            if self.promotions.iter().any(|promoted| covers(&promoted.part, region)) {
                continue;
            }
            visit_differing(region, None, theirs.find(region).as_ref(), &mut |path| {
                if self.covering(&path).is_none() && self.is_asked(&path) {
                    candidates.insert(path);
                }
            });
        }
        candidates
    }

    /// What a path was; `own` is what the layer says that is written.
    pub fn says(&self, path: &Path, own: &Says) -> Says {
        if let Some(index) = self.covering(path) {
            return Says::of(&self.promotions[index].layer, path);
        }
        // Where both sides could have been made alike once, nobody knows what this was then.
        if self.is_lost && !matches!(own, Says::Nothing) {
            return Says::Unknown;
        }
        if self.is_joined(path) {
            return Says::Nothing;
        }
        match self.ancestor.as_ref().and_then(|(_, view)| view.find(path)) {
            Some(Found::Entry(found)) => Says::Value(found.entry),
            // Their layer's value would take its place, as it does there.
            Some(Found::Object(_)) => Says::Nothing,
            None => Says::Hidden,
        }
    }

    /// Whether what a layer holds is not simply what shows: the settings join it with what is inherited, or let it hide
    /// that. Then layers are compared, and not what shows.
    pub fn is_joined(&self, path: &Path) -> bool {
        let merge = &self.rules.merge;
        !merge.is_empty()
            && std::iter::successors(Some(path.clone()), Path::parent).any(|at| merge.of(&at).is_some())
    }

    /// Since when the whole of it is compared.
    pub fn told(&self) -> PromotionBase {
        let all = self
            .promotions
            .iter()
            .find(|promoted| self.regions.iter().all(|region| covers(&promoted.part, region)));
        match (all, &self.ancestor) {
            (Some(promoted), _) => PromotionBase::Promotion { revision: promoted.revision },
            (None, Some((environment, _))) => PromotionBase::Ancestor { environment: environment.clone() },
            (None, None) => PromotionBase::Nothing,
        }
    }

    fn covering(&self, path: &Path) -> Option<usize> {
        self.promotions.iter().position(|promoted| covers(&promoted.part, path))
    }

    fn is_asked(&self, path: &Path) -> bool {
        let is_below = self.regions.iter().any(|region| region.is_prefix_of(path));
        is_below && (!is_variable(path) || self.regions.first().is_some_and(is_own))
    }
}

/// What was promoted from an environment, by the commits that lead to a head, newest first: at or below which path, and
/// which commit; and whether there may be more that cannot be seen.
fn promotions(
    reader: &Reader,
    head: Option<Revision>,
    from: &str,
    path: &Path,
) -> Result<(Vec<(Path, Revision)>, bool), ServiceError> {
    let regions = regions_of(path);
    let (mut found, mut at) = (Vec::<(Path, Revision)>::new(), head);
    for _ in 0..MOST_COMMITS {
        let Some(id) = at else { return Ok((found, false)) };
        let Some(commit) = unless_pruned(reader.commit(id))? else { return Ok((found, true)) };
        // What came between a commit and the one it was rolled back to is not there any more.
        if let Some(restored) = restored_of(&commit.message) {
            at = Some(restored);
            continue;
        }
        if let Some((revision, below)) = promotion_of(&commit.message, from) {
            let is_all = regions.iter().all(|region| covers(&below, region));
            let is_part =
                regions_of(&below).iter().any(|part| regions.iter().any(|asked| asked.is_prefix_of(part)));
            let is_news = !found.iter().any(|(newer, _)| covers(newer, &below));
            if is_news && (is_all || (is_part && found.len() < MOST_PARTS)) {
                found.push((below, revision));
            }
            if is_all {
                return Ok((found, false));
            }
        }
        if reader.is_end(id) {
            return Ok((found, true));
        }
        at = commit.parents.first().copied();
    }
    Ok((found, true))
}

/// Those of some commits that lead to a head.
fn commits_among(
    reader: &Reader,
    head: Revision,
    mut wanted: HashSet<Revision>,
) -> Result<HashSet<Revision>, ServiceError> {
    let (mut known, mut at) = (HashSet::new(), Some(head));
    for _ in 0..MOST_COMMITS {
        let Some(id) = at else { break };
        if wanted.remove(&id) {
            known.insert(id);
        }
        if wanted.is_empty() {
            break;
        }
        at = unless_pruned(reader.commit(id))?.and_then(|commit| commit.parents.first().copied());
    }
    Ok(known)
}

/// A path, and what describes the entries there.
fn regions_of(path: &Path) -> Vec<Path> {
    let described = metadata_path(path).ok().filter(|_| !path.is_root());
    std::iter::once(path.clone()).chain(described).collect()
}

/// Whether a promotion of what is at or below a path brought another one along.
fn covers(part: &Path, path: &Path) -> bool {
    (!is_variable(path) || is_own(part)) && regions_of(part).iter().any(|region| region.is_prefix_of(path))
}

fn is_variable(path: &Path) -> bool {
    let mut segments = path.segments();
    segments.next().as_deref() == Some(".confgit") && segments.next().as_deref() == Some("variables")
}

/// Whether a path is in confgit's own folder.
fn is_own(path: &Path) -> bool {
    path.segments().next().as_deref() == Some(".confgit")
}
