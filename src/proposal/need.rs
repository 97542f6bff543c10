use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::Approval;
use crate::model::Path;

/// The agreement that a rule asks for before something may change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Need {
    /// The rule, by its place in the access file.
    pub rule: usize,
    /// Of how many.
    pub count: u32,
    /// The teams whose members count; everybody's do where none is named.
    pub teams: Vec<Arc<str>>,
    /// Where it changes.
    pub environment: Arc<str>,
    /// What.
    pub path: Path,
    /// The environment that is written, where this one only shows what changes there.
    pub layer: Option<Arc<str>>,
    /// Whether all that is below the path changes, too.
    pub is_whole: bool,
}

/// What one rule asks for in one environment, and who agreed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Requirement {
    /// The rule, by its place in the access file.
    pub rule: usize,
    /// Of how many.
    pub count: u32,
    /// The teams whose members count; everybody's do where none is named.
    pub teams: Vec<Arc<str>>,
    /// The environment.
    pub environment: Arc<str>,
    /// The environments that are written, where this one only shows what changes there.
    pub layers: BTreeSet<Arc<str>>,
    /// What changes, in the order of paths.
    pub paths: BTreeSet<Path>,
    /// Who agreed, and may.
    pub approved_by: BTreeSet<String>,
    /// Whether enough of them did, for each path.
    pub is_met: bool,
}

/// What has to be agreed to, rule by rule and environment by environment. `counts` says whether somebody's agreement is one
/// to what a need is about.
///
/// ```
/// use confgit::proposal::{Need, requirements};
/// let need = |path: &str| Need {
///     rule: 1,
///     count: 1,
///     teams: vec![],
///     environment: "prod".into(),
///     path: path.parse().unwrap(),
///     layer: None,
///     is_whole: false,
/// };
/// let found = requirements(&[need("/a"), need("/b")], &[], &|_, _| true);
/// assert_eq!((found.len(), found[0].paths.len(), found[0].is_met), (1, 2, false));
/// ```
pub fn requirements(
    needs: &[Need],
    approvals: &[Approval],
    counts: &dyn Fn(&Approval, &Need) -> bool,
) -> Vec<Requirement> {
    let mut found: BTreeMap<(usize, Arc<str>), Requirement> = BTreeMap::new();
    for need in needs {
        let key = (need.rule, need.environment.clone());
        let requirement = found.entry(key).or_insert_with(|| Requirement {
            rule: need.rule,
            count: need.count,
            teams: need.teams.clone(),
            environment: need.environment.clone(),
            layers: BTreeSet::new(),
            paths: BTreeSet::new(),
            approved_by: BTreeSet::new(),
            is_met: true,
        });
        requirement.layers.extend(need.layer.clone());
        requirement.paths.insert(need.path.clone());
        let by: BTreeSet<&String> =
            approvals.iter().filter(|one| counts(one, need)).map(|one| &one.by.account).collect();
        requirement.is_met &= by.len() as u64 >= u64::from(need.count);
        requirement.approved_by.extend(by.into_iter().cloned());
    }
    found.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Timestamp;
    use crate::proposal::Person;

    fn need(rule: usize, count: u32, environment: &str, path: &str) -> Need {
        let path = path.parse().expect("a path");
        Need {
            rule,
            count,
            teams: Vec::new(),
            environment: environment.into(),
            path,
            layer: None,
            is_whole: false,
        }
    }

    fn approval(account: &str) -> Approval {
        let by = Person { account: account.to_owned(), teams: Vec::new() };
        Approval { by, at: Timestamp::from_millis(0) }
    }

    #[test]
    fn each_path_needs_as_many_as_its_rule_says() {
        let needs = [need(1, 2, "prod", "/a"), need(1, 2, "prod", "/b"), need(2, 1, "prod", "/b")];
        // bob may agree to all, carol to /b alone.
        let counts =
            |approval: &Approval, need: &Need| approval.by.account == "bob" || need.path.as_str() == "/b";
        let met = |approvals: &[Approval]| -> Vec<bool> {
            requirements(&needs, approvals, &counts).iter().map(|found| found.is_met).collect()
        };
        assert_eq!(met(&[]), [false, false]);
        assert_eq!(met(&[approval("bob")]), [false, true]);
        assert_eq!(met(&[approval("bob"), approval("carol")]), [false, true]);
        // Who agrees twice counts once.
        assert_eq!(met(&[approval("bob"), approval("bob")]), [false, true]);
    }

    #[test]
    fn environments_are_agreed_to_each_for_itself() {
        let needs = [need(1, 1, "prod", "/a"), need(1, 1, "test", "/a")];
        let in_prod = |_: &Approval, need: &Need| &*need.environment == "prod";
        let found = requirements(&needs, &[approval("bob")], &in_prod);
        assert_eq!(found.iter().map(|one| one.is_met).collect::<Vec<_>>(), [true, false]);
    }
}
