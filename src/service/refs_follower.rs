use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::time::Duration;

use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};

use super::committer::QueueWatch;
use super::core::Core;
use super::outside::moved_refs;
use crate::model::Move;

/// How often the refs are looked at where nothing is heard of them: not every file system tells.
const LOOK: Duration = Duration::from_secs(1);

/// A ref that stands elsewhere than readers see it may be one that the committer is moving. One that still does after
/// so long was moved by somebody else.
const SECOND_LOOK: Duration = Duration::from_millis(25);

/// Follows the refs of the repository: what is pushed there by path reaches readers and watchers without a write.
pub(super) struct RefsFollower {
    core: Arc<Core>,
    committer: QueueWatch,
    sender: SyncSender<News>,
    news: Receiver<News>,
}

/// What the thread hears.
enum News {
    /// Something moved below the refs.
    Moved,
    /// The project closes.
    Stop,
}

/// Ends the thread of a [`RefsFollower`].
#[derive(Debug)]
pub(super) struct StopFollowing(SyncSender<News>);

impl StopFollowing {
    pub fn stop(&self) {
        // Where the channel is full the thread is awake, and room comes.
        let _ = self.0.send(News::Stop);
    }
}

impl RefsFollower {
    pub fn new(core: Arc<Core>, committer: QueueWatch) -> Self {
        let (sender, news) = mpsc::sync_channel(2);
        RefsFollower { core, committer, sender, news }
    }

    /// What ends it.
    pub fn stop(&self) -> StopFollowing {
        StopFollowing(self.sender.clone())
    }

    /// Looks at the refs until the project closes.
    pub fn run(self) {
        let dir = self.core.repository.dir().to_owned();
        let _watcher = match watch(&dir, self.sender.clone()) {
            Ok(watcher) => Some(watcher),
            Err(error) => {
                tracing::warn!(%error, "the refs are looked at once a second, for the system does not tell of changes");
                None
            }
        };
        loop {
            match self.news.recv_timeout(LOOK) {
                Ok(News::Moved) | Err(RecvTimeoutError::Timeout) => {}
                Ok(News::Stop) | Err(RecvTimeoutError::Disconnected) => return,
            }
            let first = self.moved();
            if first.is_empty() {
                continue;
            }
            std::thread::sleep(SECOND_LOOK);
            let second = self.moved();
            let stays =
                |step: &Move| first.iter().any(|old| old.branch == step.branch && old.new == step.new);
            if second.iter().any(stays) && !self.committer.take_in() {
                tracing::debug!("what was moved from outside is taken in later");
            }
        }
    }

    /// The branches that are elsewhere than readers see them. Before the history index is there they stay so.
    fn moved(&self) -> Vec<Move> {
        if self.core.writable().is_err() {
            return Vec::new();
        }
        let state = self.core.index.snapshot();
        // A ref that cannot be read is looked at again.
        moved_refs(&self.core.repository, &state).unwrap_or_default()
    }
}

/// Listens for changes of a repository's refs.
fn watch(repository: &FilePath, sender: SyncSender<News>) -> notify::Result<RecommendedWatcher> {
    let refs = repository.join("refs").join("heads");
    let packed = repository.join("packed-refs");
    let heard = {
        let (refs, packed): (PathBuf, PathBuf) = (refs.clone(), packed);
        move |event: notify::Result<Event>| {
            let is_news = event.is_ok_and(|event| {
                let is_change = !matches!(event.kind, EventKind::Access(_));
                let is_ref = |path: &PathBuf| {
                    (path.starts_with(&refs) || *path == packed)
                        && path.extension().is_none_or(|extension| extension != "lock")
                };
                is_change && event.paths.iter().any(is_ref)
            });
            if is_news {
                // A full channel means that the thread looks anyway.
                let _ = sender.try_send(News::Moved);
            }
        }
    };
    let mut watcher = notify::recommended_watcher(heard)?;
    watcher.watch(&refs, RecursiveMode::Recursive)?;
    // `packed-refs` is replaced, so its folder is watched.
    watcher.watch(repository, RecursiveMode::NonRecursive)?;
    Ok(watcher)
}
