use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::scene::Scene;
use crate::model::Path;
use crate::resolve::{Dependencies, reached};
use crate::snapshot::{Node, Snapshot, visit_differing};

/// Which values name which paths, kept from one moment to the next: made once for a branch, and then grown with it.
#[derive(Debug, Default)]
pub(super) struct Reach(HashMap<Arc<str>, (Arc<Snapshot>, Dependencies)>);

impl Reach {
    /// Every path of an environment whose value may be another where these are, as references and templates are at a
    /// moment.
    pub fn reached(&mut self, scene: &Scene, environment: &str, changed: &[Path]) -> BTreeSet<Path> {
        let chain: Vec<Arc<str>> =
            scene.environments.chain(environment).map(|link| link.branch.clone()).collect();
        for branch in &chain {
            let present = scene.branches.get(branch).map(|found| found.snapshot.clone()).unwrap_or_default();
            self.bring_to(branch, present);
        }
        let layers: Vec<&Dependencies> =
            chain.iter().filter_map(|branch| Some(&self.0.get(branch)?.1)).collect();
        reached(changed.iter().cloned(), &layers)
    }

    fn bring_to(&mut self, branch: &Arc<str>, snapshot: Arc<Snapshot>) {
        let Some((known, dependencies)) = self.0.get_mut(branch) else {
            let dependencies = Dependencies::of(snapshot.root());
            self.0.insert(branch.clone(), (snapshot, dependencies));
            return;
        };
        if Arc::ptr_eq(known, &snapshot) {
            return;
        }
        let root = |snapshot: &Snapshot| Node::Object(snapshot.root().clone());
        visit_differing(&Path::root(), Some(&root(known)), Some(&root(&snapshot)), &mut |path| {
            dependencies.change(&path, known.entry(&path).as_deref(), snapshot.entry(&path).as_deref());
        });
        *known = snapshot;
    }
}
