//! Places at which a test can make the storage fail, or the process die.
//!
//! With the Cargo feature `failpoints`, the variable `CONFGIT_FAILPOINTS` holds a comma-separated list of
//! `step=action` or `step=action@N` (at the N-th time, from 1; without it every time). Actions: `abort`
//! ends the process, `error` answers EIO, `full` answers ENOSPC. Without the feature nothing is compiled in.

/// A step of publishing, folding or cutting, named for what has just happened when it is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    /// The `.keep` file of the new pack exists.
    KeepWritten,
    /// All refs are locked and hold what was expected.
    RefsLocked,
    /// The pack's bytes are written, not yet flushed.
    PackWritten,
    /// The lock files of journal and branches are written, not yet flushed.
    RefsWritten,
    /// Pack, index and lock files are flushed.
    AllSynced,
    /// Pack and index have their names.
    PackRenamed,
    /// The journal has moved: the commit point is behind.
    JournalMoved,
    /// One branch has moved.
    BranchMoved,
    /// The `.keep` file is gone.
    KeepRemoved,
    /// The caller's in-memory index shows the new heads.
    IndexSwapped,
    /// A folded pack is written and flushed, not yet verified.
    FoldSynced,
    /// A folded pack is verified and has its name.
    FoldRenamed,
    /// The first input of a fold is unlinked.
    FoldUnlinking,
    /// The checkpoint of a cut is durable: what history will begin with.
    CutCheckpoint,
    /// The file that makes history end there is durable.
    CutShallow,
    /// The history index that begins there is written, not yet in its place.
    CutIndexWritten,
    /// It is in its place.
    CutIndexPlaced,
    /// A pack without what was cut off has its name.
    PruneRenamed,
    /// The first pack with what was cut off is unlinked.
    PruneUnlinking,
    /// All of them are.
    PruneUnlinked,
}

impl Step {
    /// Every step, in the order in which a publication, then a fold, then a cut reach them.
    pub const ALL: [Step; 20] = [
        Step::KeepWritten,
        Step::RefsLocked,
        Step::PackWritten,
        Step::RefsWritten,
        Step::AllSynced,
        Step::PackRenamed,
        Step::JournalMoved,
        Step::BranchMoved,
        Step::KeepRemoved,
        Step::IndexSwapped,
        Step::FoldSynced,
        Step::FoldRenamed,
        Step::FoldUnlinking,
        Step::CutCheckpoint,
        Step::CutShallow,
        Step::CutIndexWritten,
        Step::CutIndexPlaced,
        Step::PruneRenamed,
        Step::PruneUnlinking,
        Step::PruneUnlinked,
    ];

    /// The name that `CONFGIT_FAILPOINTS` uses.
    pub fn name(self) -> &'static str {
        match self {
            Step::KeepWritten => "keep-written",
            Step::RefsLocked => "refs-locked",
            Step::PackWritten => "pack-written",
            Step::RefsWritten => "refs-written",
            Step::AllSynced => "all-synced",
            Step::PackRenamed => "pack-renamed",
            Step::JournalMoved => "journal-moved",
            Step::BranchMoved => "branch-moved",
            Step::KeepRemoved => "keep-removed",
            Step::IndexSwapped => "index-swapped",
            Step::FoldSynced => "fold-synced",
            Step::FoldRenamed => "fold-renamed",
            Step::FoldUnlinking => "fold-unlinking",
            Step::CutCheckpoint => "cut-checkpoint",
            Step::CutShallow => "cut-shallow",
            Step::CutIndexWritten => "cut-index-written",
            Step::CutIndexPlaced => "cut-index-placed",
            Step::PruneRenamed => "prune-renamed",
            Step::PruneUnlinking => "prune-unlinking",
            Step::PruneUnlinked => "prune-unlinked",
        }
    }
}

/// Says that `step` is reached; fails or ends the process when a failpoint is set there.
#[cfg(not(feature = "failpoints"))]
#[inline(always)]
pub fn reach(_step: Step) -> std::io::Result<()> {
    Ok(())
}

#[cfg(feature = "failpoints")]
pub use armed::{arm, disarm, reach};

#[cfg(feature = "failpoints")]
mod armed {
    use std::cell::RefCell;
    use std::collections::HashMap;
    use std::io;
    use std::sync::{LazyLock, Mutex, PoisonError};

    use super::Step;

    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    enum Action {
        Abort,
        Error,
        Full,
    }

    #[derive(Debug, Clone)]
    struct Failpoint {
        action: Action,
        /// Which passage fails, from 1; none for every one.
        at: Option<u64>,
        passed: u64,
    }

    type Failpoints = HashMap<String, Failpoint>;

    static FROM_ENVIRONMENT: LazyLock<Mutex<Failpoints>> =
        LazyLock::new(|| Mutex::new(parse(&std::env::var("CONFGIT_FAILPOINTS").unwrap_or_default())));

    thread_local! {
        // Tests of one process run in parallel, so what they arm holds for their own thread only.
        static OF_THREAD: RefCell<Failpoints> = RefCell::new(Failpoints::new());
    }

    /// Arms failpoints for the calling thread, in the syntax of `CONFGIT_FAILPOINTS`.
    pub fn arm(text: &str) {
        OF_THREAD.with(|failpoints| *failpoints.borrow_mut() = parse(text));
    }

    /// Disarms what [`arm`] armed.
    pub fn disarm() {
        arm("");
    }

    /// Says that `step` is reached; fails or ends the process when a failpoint is set there.
    pub fn reach(step: Step) -> io::Result<()> {
        OF_THREAD.with(|failpoints| pass(&mut failpoints.borrow_mut(), step))?;
        pass(&mut FROM_ENVIRONMENT.lock().unwrap_or_else(PoisonError::into_inner), step)
    }

    fn parse(text: &str) -> Failpoints {
        let one = |part: &str| {
            let (name, action) = part.trim().split_once('=')?;
            let (action, at) = match action.split_once('@') {
                Some((action, at)) => (action, Some(at.parse().ok()?)),
                None => (action, None),
            };
            let action = match action {
                "abort" => Action::Abort,
                "error" => Action::Error,
                "full" => Action::Full,
                _ => return None,
            };
            Some((name.to_owned(), Failpoint { action, at, passed: 0 }))
        };
        text.split(',').filter_map(one).collect()
    }

    fn pass(failpoints: &mut Failpoints, step: Step) -> io::Result<()> {
        let Some(failpoint) = failpoints.get_mut(step.name()) else { return Ok(()) };
        failpoint.passed += 1;
        if failpoint.at.is_some_and(|at| at != failpoint.passed) {
            return Ok(());
        }
        match failpoint.action {
            Action::Abort => std::process::abort(),
            Action::Error => Err(io::Error::from_raw_os_error(5)),
            Action::Full => Err(io::Error::from_raw_os_error(28)),
        }
    }
}
