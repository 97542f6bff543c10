use std::collections::BTreeSet;
use std::sync::Arc;

use super::core::Core;
use super::past::unless_pruned;
use super::promoted_from::promotion_of;
use super::{Reading, ServiceError};
use crate::git::Reader;
use crate::merge::Says;
use crate::model::{Path, Revision};
use crate::resolve::{Found, View};
use crate::snapshot::{Snapshot, metadata_path, visit_differing};

/// How many promotions of parts of what is asked for are looked at; older ones are not known any more.
const MOST_PARTS: usize = 100;

/// Since when two environments are compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PromotionBase {
    /// Since this was promoted, at or below this path: a commit of the environment that is promoted.
    Promotion {
        /// The commit.
        revision: Revision,
        /// The path.
        path: Path,
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
    promotions: Vec<(Path, Revision, Arc<Snapshot>)>,
    ancestor: Option<(Arc<str>, View)>,
    regions: Vec<Path>,
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
        let regions = regions_of(path);
        let mut promotions: Vec<(Path, Revision, Arc<Snapshot>)> = Vec::new();
        let mut at = reading.revision(to);
        while let Some(id) = at {
            let Some(commit) = unless_pruned(reader.commit(id))? else { break };
            if let Some((revision, below)) = promotion_of(&commit.message, from)
                && (below.is_prefix_of(path) || path.is_prefix_of(&below))
                && !promotions.iter().any(|(newer, ..)| covers(newer, &below))
            {
                let is_all = below.is_prefix_of(path);
                let part = if is_all { path.clone() } else { below };
                // What was promoted may have been pruned since.
                if let Some(snapshot) =
                    unless_pruned(core.loaded(reader, revision, std::slice::from_ref(&part)))?
                {
                    promotions.push((part, revision, snapshot));
                    if is_all || promotions.len() == MOST_PARTS {
                        break;
                    }
                }
            }
            at = commit.parents.first().copied();
        }
        let environments = reading.environments();
        let ours: BTreeSet<&str> = environments.chain(to).map(|link| &*link.name).collect();
        let shared = environments.chain(from).find(|link| ours.contains(&*link.name));
        let ancestor = shared
            .map(|shared| Ok::<_, ServiceError>((shared.name.clone(), reading.view(&shared.name)?.clone())));
        Ok(Bases { promotions, ancestor: ancestor.transpose()?, regions })
    }

    /// Where their layer may say something else than it did.
    pub fn candidates(&self, theirs: &Snapshot) -> BTreeSet<Path> {
        let mut candidates = BTreeSet::new();
        for (index, (part, _, snapshot)) in self.promotions.iter().enumerate() {
            for region in regions_of(part) {
                let (old, new) = (snapshot.find(&region), theirs.find(&region));
                visit_differing(&region, old.as_ref(), new.as_ref(), &mut |path| {
                    if self.covering(&path) == Some(index) {
                        candidates.insert(path);
                    }
                });
            }
        }
        if self.promotions.iter().any(|(part, ..)| self.regions.first() == Some(part)) {
            return candidates;
        }
        for region in &self.regions {
            visit_differing(region, None, theirs.find(region).as_ref(), &mut |path| {
                if self.covering(&path).is_none() {
                    candidates.insert(path);
                }
            });
        }
        candidates
    }

    /// What a path was.
    pub fn says(&self, path: &Path) -> Says {
        if let Some(index) = self.covering(path) {
            return Says::of(&self.promotions[index].2, path);
        }
        match self.ancestor.as_ref().and_then(|(_, view)| view.find(path)) {
            Some(Found::Entry(found)) => Says::Value(found.entry),
            // Their layer's value would take its place, as it does there.
            Some(Found::Object(_)) => Says::Nothing,
            None => Says::Hidden,
        }
    }

    /// Since when the whole of it is compared.
    pub fn told(&self) -> PromotionBase {
        match (self.promotions.last(), &self.ancestor) {
            (Some((part, revision, _)), _) if self.regions.first() == Some(part) => {
                PromotionBase::Promotion { revision: *revision, path: part.clone() }
            }
            (_, Some((environment, _))) => PromotionBase::Ancestor { environment: environment.clone() },
            _ => PromotionBase::Nothing,
        }
    }

    fn covering(&self, path: &Path) -> Option<usize> {
        self.promotions.iter().position(|(part, ..)| covers(part, path))
    }
}

/// A path, and what describes the entries there.
fn regions_of(path: &Path) -> Vec<Path> {
    let described = metadata_path(path).ok().filter(|_| !path.is_root());
    std::iter::once(path.clone()).chain(described).collect()
}

fn covers(part: &Path, path: &Path) -> bool {
    regions_of(part).iter().any(|region| region.is_prefix_of(path))
}
