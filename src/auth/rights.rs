use std::collections::HashMap;
use std::sync::Arc;

use super::action::Action;
use super::rule::{AccessRule, Covers};
use crate::model::{Path, PathGlob};
use crate::resolve::Seen;
use crate::snapshot::{METADATA_ROOT, VARIABLES};

/// What somebody may do.
#[derive(Debug)]
pub enum Rights {
    /// Nothing.
    Nothing,
    /// Read everything but secrets.
    Reader,
    /// Everything: somebody who holds the project's files, or whom the server lets in as an administrator.
    Everything,
    /// What the rules of the access file say of an account.
    Ruled(Ruled),
}

/// What the rules say of one account, found by the place of a path.
#[derive(Debug)]
pub struct Ruled {
    /// All rules; those of the account by their index.
    rules: Arc<[AccessRule]>,
    mine: Vec<usize>,
    /// The rules by which others have to agree to what the account changes.
    approving: Vec<usize>,
    /// The patterns of those rules, by the literal segments that they begin with.
    by_place: HashMap<Box<str>, Vec<Candidate>>,
    /// Whether the account administers the project, and no rule denies it anything.
    is_unrestricted: bool,
    teams: Vec<Arc<str>>,
}

/// One pattern of a rule.
#[derive(Debug, Clone, Copy)]
struct Candidate {
    rule: usize,
    pattern: usize,
    weight: usize,
}

/// What the rules come to for one action at one place.
#[derive(Debug, Clone, Copy)]
pub struct Decision<'a> {
    /// Whether it may be done.
    pub is_allowed: bool,
    /// The rule that decides; where none does, nothing is allowed.
    pub by: Option<&'a AccessRule>,
}

/// What decides between two rules: how much the pattern says literally, whether the rule names the environment, and
/// then whether it denies.
type Rank = (usize, bool, bool);

/// What a rule of some rank says: that something is allowed, or not.
type Said = (Rank, bool);

impl Ruled {
    /// What the rules say of an account of these teams.
    pub fn of(account: &str, teams: &[Arc<str>], rules: &Arc<[AccessRule]>) -> Self {
        let is_mine = |rule: &AccessRule| rule.is_about(account, teams);
        let mine: Vec<usize> = (0..rules.len()).filter(|index| is_mine(&rules[*index])).collect();
        let mut by_place: HashMap<Box<str>, Vec<Candidate>> = HashMap::new();
        for &rule in &mine {
            for (pattern, found) in rules[rule].patterns().iter().enumerate() {
                let place = found.glob.place().as_str().into();
                by_place.entry(place).or_default().push(Candidate { rule, pattern, weight: found.weight });
            }
        }
        let approves = |index: &usize| {
            let rule: &AccessRule = &rules[*index];
            rule.approvals.is_some() && (rule.names_nobody() || is_mine(rule))
        };
        let approving = (0..rules.len()).filter(approves).collect();
        let mut ruled = Ruled {
            rules: rules.clone(),
            mine,
            approving,
            by_place,
            is_unrestricted: false,
            teams: teams.to_vec(),
        };
        let denies = |index: &usize| Action::ALL.iter().any(|action| rules[*index].denies(*action));
        ruled.is_unrestricted =
            ruled.decide(Action::Admin, None, &Path::root()).is_allowed && !ruled.mine.iter().any(denies);
        ruled
    }

    /// Whether an action may be done at a path of an environment; where none is given, whether it may be in all.
    pub fn decide(&self, action: Action, environment: Option<&str>, path: &Path) -> Decision<'_> {
        self.decide_by(action, environment, path, &|_| true)
    }

    /// The same by these rules alone.
    fn decide_by(
        &self,
        action: Action,
        environment: Option<&str>,
        path: &Path,
        counts: &dyn Fn(&AccessRule) -> bool,
    ) -> Decision<'_> {
        let mut best: Option<(Rank, &AccessRule)> = None;
        let text = path.as_str();
        let ends = text.match_indices('/').map(|(at, _)| at.max(1)).chain([text.len()]);
        for candidate in ends.filter_map(|end| self.by_place.get(&text[..end])).flatten() {
            let rule = &self.rules[candidate.rule];
            let rank = (candidate.weight, rule.environments.is_some(), rule.denies(action));
            if best.as_ref().is_none_or(|(known, _)| rank > *known)
                && rule.speaks_of(action)
                && rule.holds_in(environment)
                && counts(rule)
                && rule.patterns()[candidate.pattern].glob.matches(path)
            {
                best = Some((rank, rule));
            }
        }
        let by = best.map(|(_, rule)| rule);
        Decision { is_allowed: by.is_some_and(|rule| !rule.denies(action)), by }
    }

    /// The rules that speak of an action at a path of an environment, those that count more first.
    fn speaking(&self, action: Action, environment: &str, path: &Path) -> Vec<&AccessRule> {
        let text = path.as_str();
        let ends = text.match_indices('/').map(|(at, _)| at.max(1)).chain([text.len()]);
        let mut found: Vec<(Rank, &AccessRule)> = ends
            .filter_map(|end| self.by_place.get(&text[..end]))
            .flatten()
            .filter_map(|candidate| {
                let rule = &self.rules[candidate.rule];
                let is_met = rule.speaks_of(action)
                    && rule.holds_in(Some(environment))
                    && rule.patterns()[candidate.pattern].glob.matches(path);
                let rank = (candidate.weight, rule.environments.is_some(), rule.denies(action));
                is_met.then_some((rank, rule))
            })
            .collect();
        in_order(&mut found)
    }

    fn speaking_of_secret(&self, action: Action, environment: &str, name: &str) -> Vec<&AccessRule> {
        let rules = self.mine.iter().map(|index| &self.rules[*index]);
        let mut found: Vec<(Rank, &AccessRule)> = rules
            .filter(|rule| rule.speaks_of(action) && rule.holds_in(Some(environment)))
            .filter_map(|rule| {
                let weight = rule.weight_for_secret(name)?;
                Some(((weight, rule.environments.is_some(), rule.denies(action)), rule))
            })
            .collect();
        in_order(&mut found)
    }

    fn decide_secret(&self, action: Action, environment: Option<&str>, name: &str) -> Decision<'_> {
        let mut best: Option<(Rank, &AccessRule)> = None;
        for rule in self.mine.iter().map(|index| &self.rules[*index]) {
            let Some(weight) = rule.weight_for_secret(name) else { continue };
            let rank = (weight, rule.environments.is_some(), rule.denies(action));
            let is_better = best.as_ref().is_none_or(|(known, _)| rank > *known);
            if is_better && rule.speaks_of(action) && rule.holds_in(environment) {
                best = Some((rank, rule));
            }
        }
        match best {
            Some((_, rule)) => Decision { is_allowed: !rule.denies(action), by: Some(rule) },
            // Secrets have no path, so whoever administers everything need not be told each by name.
            None => self.decide(Action::Admin, environment, &Path::root()),
        }
    }

    /// Whether a rule denies an action to something at or below a path.
    fn is_denied_below(&self, action: Action, environment: &str, path: &Path) -> bool {
        self.mine.iter().map(|index| &self.rules[*index]).any(|rule| {
            rule.denies(action)
                && rule.holds_in(Some(environment))
                && rule.patterns().iter().any(|pattern| pattern.glob.reaches(path))
        })
    }

    fn extent(&self, action: Action, environment: &str, path: &Path, has_hidden: bool) -> Seen {
        // What rules say of the whole or a part of it, and of those the one that counts most and is about the whole.
        let (mut all, mut cover): (Vec<Said>, Option<Said>) = (Vec::new(), None);
        for rule in self.mine.iter().map(|index| &self.rules[*index]) {
            if !rule.speaks_of(action) || !rule.holds_in(Some(environment)) {
                continue;
            }
            let is_allowed = !rule.denies(action);
            for pattern in rule.patterns().iter().filter(|pattern| pattern.glob.reaches(path)) {
                let found = ((pattern.weight, rule.environments.is_some(), !is_allowed), is_allowed);
                all.push(found);
                if pattern.glob.covers(path) && cover.is_none_or(|known| found > known) {
                    cover = Some(found);
                }
            }
        }
        if !all.iter().any(|(_, is_allowed)| *is_allowed) {
            return Seen::Nothing;
        }
        match cover.filter(|_| !has_hidden) {
            Some((rank, says))
                if all.iter().all(|(other, other_says)| *other_says == says || *other < rank) =>
            {
                if says {
                    Seen::All
                } else {
                    Seen::Nothing
                }
            }
            _ => Seen::Part,
        }
    }
}

/// The rules of these ranks, each once, the highest first.
fn in_order<'a>(found: &mut Vec<(Rank, &'a AccessRule)>) -> Vec<&'a AccessRule> {
    found.sort_by(|(rank, rule), (other, of_other)| other.cmp(rank).then(rule.number.cmp(&of_other.number)));
    let mut rules: Vec<&AccessRule> = Vec::with_capacity(found.len());
    for (_, rule) in found.drain(..) {
        if !rules.iter().any(|known| known.number == rule.number) {
            rules.push(rule);
        }
    }
    rules
}

impl Rights {
    /// The rules that speak of an action at a path of an environment, those that count more first.
    pub fn speaking(&self, action: Action, environment: &str, path: &Path) -> Vec<&AccessRule> {
        let Rights::Ruled(ruled) = self else { return Vec::new() };
        let subject = described(path).into_iter().next().unwrap_or_else(|| path.clone());
        ruled.speaking(action, environment, &subject)
    }

    /// The same of a secret.
    pub fn speaking_of_secret(&self, action: Action, environment: &str, name: &str) -> Vec<&AccessRule> {
        match self {
            Rights::Ruled(ruled) => ruled.speaking_of_secret(action, environment, name),
            _ => Vec::new(),
        }
    }

    /// Whether an action may be done at a path of an environment.
    pub fn decide(&self, action: Action, environment: Option<&str>, path: &Path) -> Decision<'_> {
        match self.ruled() {
            Ok(is_allowed) => Decision { is_allowed: is_allowed(action), by: None },
            Err(ruled) => described(path)
                .iter()
                .map(|subject| ruled.decide(action, environment, subject))
                // Of several things that a path may be about, each has to be allowed.
                .min_by_key(|decision| decision.is_allowed)
                .unwrap_or_else(|| ruled.decide(action, environment, path)),
        }
    }

    /// What the rules say that are asked for wherever a view shows a change; none where they say nothing.
    pub fn decide_for_view(&self, environment: &str, path: &Path) -> Option<Decision<'_>> {
        let ruled = self.ruled().err()?;
        let of_views = |rule: &AccessRule| rule.covers == Covers::View;
        let subjects = subjects(path);
        let decisions =
            subjects.iter().map(|at| ruled.decide_by(Action::Write, Some(environment), at, &of_views));
        decisions.filter(|decision| decision.by.is_some()).min_by_key(|decision| decision.is_allowed)
    }

    /// Whether an action may be done to a secret in an environment.
    pub fn decide_secret(&self, action: Action, environment: Option<&str>, name: &str) -> Decision<'_> {
        match self.ruled() {
            Ok(is_allowed) => Decision { is_allowed: is_allowed(action), by: None },
            Err(ruled) => ruled.decide_secret(action, environment, name),
        }
    }

    /// The rules by which others have to agree to a change. Whoever administers the place is not held up: such accounts
    /// may change the rules.
    /// `is_shown`: the change is one of another layer; `is_whole`: it is one of all that is below, too.
    pub fn needs_approval(
        &self,
        environment: &str,
        path: &Path,
        (is_shown, is_whole): (bool, bool),
    ) -> Vec<&AccessRule> {
        let Err(ruled) = self.ruled() else { return Vec::new() };
        if ruled.approving.is_empty() {
            return Vec::new();
        }
        let subjects = subjects(path);
        let means = |glob: &PathGlob, subject: &Path| {
            if is_whole { glob.reaches(subject) } else { glob.matches(subject) }
        };
        let rules = ruled.approving.iter().map(|index| &ruled.rules[*index]);
        let holds = |rule: &&AccessRule| {
            rule.holds_in(Some(environment)) && (!is_shown || rule.covers == Covers::View)
        };
        let binds = |rule: &&AccessRule| {
            let mut met = subjects
                .iter()
                .filter(|subject| rule.patterns().iter().any(|pattern| means(&pattern.glob, subject)));
            met.any(|subject| !ruled.decide(Action::Admin, Some(environment), subject).is_allowed)
        };
        rules.filter(holds).filter(binds).collect()
    }

    /// Whether all that a path is about is administered.
    pub fn administers(&self, environment: &str, path: &Path) -> bool {
        self.decide(Action::Admin, Some(environment), path).is_allowed
    }

    /// Whether an action may be done anywhere at all.
    pub fn may_somewhere(&self, action: Action) -> bool {
        match self.ruled() {
            Ok(is_allowed) => is_allowed(action),
            Err(ruled) => ruled.mine.iter().any(|index| ruled.rules[*index].allows(action)),
        }
    }

    /// How much of what is at and below a path of an environment an action may be done to.
    pub fn extent(&self, action: Action, environment: &str, path: &Path, has_hidden: bool) -> Seen {
        match self.ruled() {
            Ok(is_allowed) if is_allowed(action) => Seen::All,
            Ok(_) => Seen::Nothing,
            // What may be done to metadata is what may be done to what it describes.
            Err(_) if path.as_str() == CONFGIT || is_of_metadata(path) => match self.may_somewhere(action) {
                true => Seen::Part,
                false => Seen::Nothing,
            },
            Err(ruled) => ruled.extent(action, environment, path, has_hidden),
        }
    }

    /// Whether an action may be done to whatever stands at a path, and below it. A pattern may mean the path alone: that
    /// is enough where no rule denies anything below.
    pub fn may_whole(&self, action: Action, environment: &str, path: &Path) -> bool {
        let ruled = match self.ruled() {
            Ok(is_allowed) => return is_allowed(action),
            Err(ruled) => ruled,
        };
        let mut subjects = subjects(path);
        if path.as_str() == CONFGIT {
            subjects.push(Path::root());
        }
        subjects.iter().all(|subject| {
            ruled.extent(action, environment, subject, false) == Seen::All
                || (ruled.decide(action, Some(environment), subject).is_allowed
                    && !ruled.is_denied_below(action, environment, subject))
        })
    }

    /// The same of a place that may lie within a value: whoever may write the value may write its parts, unless a rule
    /// speaks of them.
    pub fn may_part(&self, action: Action, environment: &str, path: &Path, above: &Path) -> bool {
        if self.may_whole(action, environment, path) {
            return true;
        }
        let Err(ruled) = self.ruled() else { return false };
        let speaks = ruled.decide(action, Some(environment), path).by.is_some();
        let mut outer =
            std::iter::successors(path.parent(), Path::parent).take_while(|at| above.is_prefix_of(at));
        !speaks && !above.is_root() && outer.any(|at| self.may_whole(action, environment, &at))
    }

    /// Whether a rule denies an action at this very path.
    pub fn is_denied(&self, action: Action, environment: &str, path: &Path) -> bool {
        let decision = self.decide(action, Some(environment), path);
        !decision.is_allowed && decision.by.is_some()
    }

    /// Whether a rule of the account is asked for where a view shows a change, or agreements are.
    pub fn asks_in_views(&self) -> bool {
        let of_views = |ruled: &Ruled| {
            !ruled.approving.is_empty()
                || ruled.mine.iter().any(|index| ruled.rules[*index].covers == Covers::View)
        };
        self.ruled().err().is_some_and(of_views)
    }

    /// Whether a value at this very path is seen in an environment.
    pub fn sees(&self, environment: &str, path: &Path) -> bool {
        self.decide(Action::Read, Some(environment), path).is_allowed
    }

    /// Whether everything is seen in every environment, hidden names too.
    pub fn sees_everything(&self) -> bool {
        self.ruled().is_ok_and(|is_allowed| is_allowed(Action::Read))
    }

    /// Whether a variable is kept from whoever sees a value that names it: only a rule that denies it by name does
    /// that, for variables are there to be named.
    pub fn is_variable_kept_from(&self, environment: &str, path: &Path) -> bool {
        debug_assert!(path.as_str().starts_with(VARIABLES));
        let decision = self.decide(Action::Read, Some(environment), path);
        !decision.is_allowed && decision.by.is_some()
    }

    /// The teams that whoever has them belongs to.
    pub fn teams(&self) -> &[Arc<str>] {
        match self {
            Rights::Ruled(ruled) => &ruled.teams,
            _ => &[],
        }
    }

    /// Whether nothing need be asked: everything is allowed.
    pub fn is_unrestricted(&self) -> bool {
        self.ruled().is_ok_and(|is_allowed| is_allowed(Action::Admin))
    }

    /// The rules, or where none need be asked, what is allowed.
    fn ruled(&self) -> Result<fn(Action) -> bool, &Ruled> {
        match self {
            Rights::Nothing => Ok(|_| false),
            Rights::Reader => Ok(|action| action == Action::Read),
            Rights::Everything => Ok(|_| true),
            Rights::Ruled(ruled) if ruled.is_unrestricted => Ok(|_| true),
            Rights::Ruled(ruled) => Err(ruled),
        }
    }
}

const CONFGIT: &str = "/.confgit";

/// The members of metadata.
const MEMBERS: [&str; 4] = ["description", "owner", "schema", "resolve"];

fn is_of_metadata(path: &Path) -> bool {
    path.as_str().strip_prefix(METADATA_ROOT).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// What the metadata at a path describes; nothing where the path is none of metadata. A member may be one of the
/// metadata of what is above, or part of the path of what is below: then it may be about either.
fn described(path: &Path) -> Vec<Path> {
    if !is_of_metadata(path) {
        return Vec::new();
    }
    // `/.confgit/keys` and then the path.
    let segments: Vec<_> = path.segments().skip(2).collect();
    let ends = (1..segments.len()).filter(|end| MEMBERS.contains(&&*segments[*end]));
    let found: Vec<Path> = ends.filter_map(|end| Path::from_segments(&segments[..end]).ok()).collect();
    if found.is_empty() { Path::from_segments(&segments).into_iter().collect() } else { found }
}

/// What is asked for where a path is: what the metadata there describes, else the path itself.
fn subjects(path: &Path) -> Vec<Path> {
    let found = described(path);
    if found.is_empty() { vec![path.clone()] } else { found }
}
