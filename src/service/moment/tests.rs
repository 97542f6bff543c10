use super::*;
use crate::git::{NewCommit, Pack, RefMove, Signature, publish};
use crate::model::{ChangeSet, Move, Timestamp};

/// A repository that is written the way the committer writes it.
struct Written {
    _dir: tempfile::TempDir,
    repository: Repository,
    tip: Option<Revision>,
    sequence: Sequence,
}

impl Written {
    /// Publishes one change set that moves branches from somewhere to a new commit, or away.
    fn batch(
        &mut self,
        moves: &[(&str, Option<Revision>, bool)],
        trailers: &[(&str, &str)],
    ) -> Vec<Option<Revision>> {
        let (mut pack, time) = (Pack::new(), Timestamp::from_millis(1_700_000_000_000));
        let who = Signature { name: "Ada", email: "ada@localhost" };
        self.sequence = self.sequence.next();
        let tree = pack.empty_tree().unwrap();
        let steps: Vec<Move> = moves
            .iter()
            .map(|(branch, old, stays)| {
                let parents: Vec<Revision> = old.iter().copied().collect();
                let message = format!("{branch} {}", self.sequence);
                let new = NewCommit {
                    tree,
                    parents: &parents,
                    author: who,
                    committer: who,
                    time,
                    message: &message,
                };
                let new = stays.then(|| pack.commit(&new).unwrap());
                Move { branch: (*branch).into(), old: *old, new }
            })
            .collect();
        let heads = steps.iter().map(|step| step.new).collect();
        let change_set = ChangeSet { sequence: self.sequence, time, account: "ada".into(), moves: steps };
        let tip = journal::append(&mut pack, self.tip, std::slice::from_ref(&change_set), trailers).unwrap();
        let journal = RefMove { name: journal::REF.to_owned(), old: self.tip, new: Some(tip) };
        let branches = branch_moves(std::iter::once(&change_set));
        publish(&self.repository, Some(pack.finish().unwrap()), Some(&journal), &branches).unwrap();
        self.tip = Some(tip);
        heads
    }

    fn refs(&self) -> Vec<(String, RefState)> {
        self.repository.refs("refs/").unwrap()
    }

    fn between(&self, tip: Option<Revision>, refs: Vec<(String, RefState)>) -> Moment {
        let reader = self.repository.reader();
        Moment::between(&reader, tip.unwrap(), refs, self.tip.unwrap()).unwrap().unwrap()
    }
}

fn written() -> Written {
    let dir = tempfile::tempdir().unwrap();
    let repository = Repository::init(dir.path().join("config.git")).unwrap();
    Written { _dir: dir, repository, tip: None, sequence: Sequence(0) }
}

const MAIN: &str = "refs/heads/main";

#[test]
fn branches_are_where_the_journal_was() {
    let mut written = written();
    let first = written.batch(&[("main", None, true), ("old", None, true)], &[]);
    let (tip, then) = (written.tip, written.refs());
    let second =
        written.batch(&[("main", first[0], true), ("new", None, true), ("old", first[1], false)], &[]);
    written.batch(&[("main", second[0], true)], &[]);
    // References read before, in the middle of, and after what the journal went on with.
    let mut half = written.refs();
    half.retain(|(name, _)| name != "refs/heads/new");
    for refs in [then.clone(), half, written.refs()] {
        let moment = written.between(tip, refs);
        assert_eq!((moment.journal, moment.sequence), (tip, Sequence(1)));
        let mut expected: BTreeMap<String, ObjectId> = BTreeMap::new();
        for (name, state) in &then {
            expected.extend(state.id().map(|id| (name.clone(), id)));
        }
        assert_eq!(moment.refs, expected);
    }
    assert_eq!(
        Moment::observe(&written.repository, &written.repository.reader()).unwrap().sequence,
        Sequence(3)
    );
}

#[test]
fn a_batch_that_is_still_moving_its_branches_counts_whole() {
    let mut written = written();
    let first = written.batch(&[("main", None, true)], &[]);
    let before = written.refs();
    let second = written.batch(&[("main", first[0], true), ("new", None, true)], &[]);
    let torn = vec![(MAIN.to_owned(), RefState::Torn)];
    for refs in [before, torn, written.refs()] {
        let moment = written.between(written.tip, refs);
        assert_eq!(moment.refs.get(MAIN).copied(), second[0]);
        assert_eq!(moment.refs.get("refs/heads/new").copied(), second[1]);
        assert!(moment.torn.is_empty());
    }
    // One that somebody moved elsewhere since is not the batch's any more.
    let elsewhere = ObjectId::from_bytes([7; 20]);
    let moment = written.between(written.tip, vec![(MAIN.to_owned(), RefState::At(elsewhere))]);
    assert_eq!(moment.refs.get(MAIN), Some(&elsewhere));
}

#[test]
fn moves_from_outside_are_nobodys_to_finish() {
    let mut written = written();
    let first = written.batch(&[("main", None, true)], &[]);
    let before = written.refs();
    written.batch(&[("main", first[0], true)], &[(OUTSIDE_TRAILER, "true")]);
    assert_eq!(written.between(written.tip, before).refs.get(MAIN).copied(), first[0]);
    // A journal that does not lead back to the tip is another one.
    let reader = written.repository.reader();
    let stranger = first[0].unwrap();
    assert!(Moment::between(&reader, stranger, Vec::new(), written.tip.unwrap()).unwrap().is_none());
}
