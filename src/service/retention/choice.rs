use crate::git::journal;
use crate::history::{History, HistoryError};
use crate::model::{Revision, Sequence, Timestamp};
use crate::service::ServiceError;
use crate::service::core::Core;
use crate::service::recover::journal_error;
use crate::settings::Retention;

/// Where history can be cut: after a change set with which a commit of the journal ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cut {
    /// The change set.
    pub sequence: Sequence,
    /// The journal's commit that ends with it.
    pub journal: Revision,
}

/// A cut is worth its while when so many change sets go, and this part of those that stay.
const LEAST: u64 = 100;
const PART: u64 = 10;

/// Where history is to be cut now; none while too little would go.
pub(super) fn choose(
    core: &Core,
    retention: &Retention,
    now: Timestamp,
) -> Result<Option<Cut>, ServiceError> {
    let Some(limit) = newest_to_go(&core.history, retention, now)? else { return Ok(None) };
    let base = core.history.base().unwrap_or_default();
    let covered = core.history.covered();
    let Some(tip) = core.repository.find_ref(journal::REF)?.id() else { return Ok(None) };
    let reader = core.repository.reader();
    for batch in journal::batches(&reader, tip) {
        if core.retention.is_stopped() {
            return Ok(None);
        }
        let batch = batch.map_err(journal_error)?;
        let Some(last) = batch.change_sets.last().map(|last| last.sequence) else { continue };
        if last <= limit {
            let cut = Cut { sequence: last, journal: batch.commit };
            return Ok(is_worth(base, last, covered).then_some(cut));
        }
    }
    Ok(None)
}

/// The newest change set after which the rest is all that is to be kept.
fn newest_to_go(
    history: &History,
    retention: &Retention,
    now: Timestamp,
) -> Result<Option<Sequence>, HistoryError> {
    let covered = history.covered();
    let by_number = retention.changes.map(|changes| Sequence(covered.0.saturating_sub(changes)));
    let by_age = match retention.age_ms {
        None => None,
        Some(age) => {
            let then = Timestamp::from_millis(now.as_millis().saturating_sub(age));
            match history.sequence_at(then) {
                Ok(sequence) => Some(sequence),
                Err(HistoryError::Pruned { .. }) => Some(Sequence(0)),
                Err(error) => return Err(error),
            }
        }
    };
    // What either keeps stays.
    let limit = by_number.into_iter().chain(by_age).min();
    let base = history.base().unwrap_or_default();
    Ok(limit.filter(|limit| is_worth(base, *limit, covered)))
}

fn is_worth(base: Sequence, cut: Sequence, covered: Sequence) -> bool {
    let goes = cut.0.saturating_sub(base.0);
    goes >= LEAST && goes >= covered.0.saturating_sub(cut.0) / PART
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ChangeSet;

    /// A change set a minute, from minute 1 on.
    fn history(last: u64) -> (tempfile::TempDir, History) {
        let dir = tempfile::tempdir().unwrap();
        let history = History::open(&dir.path().join("history")).unwrap();
        let one = |n: u64| {
            let time = Timestamp::from_millis(60_000 * n as i64);
            (ChangeSet { sequence: Sequence(n), time, account: "ann".into(), moves: Vec::new() }, Vec::new())
        };
        history.append(&(1..=last).map(one).collect::<Vec<_>>()).unwrap();
        (dir, history)
    }

    #[test]
    fn what_either_bound_keeps_stays() {
        let (_dir, history) = history(1000);
        for (changes, age_minutes, now_minutes, expected) in [
            (Some(500), None, 1000, Some(500)),
            (Some(850), None, 1000, Some(150)),
            // Fewer than a hundred would go.
            (Some(901), None, 1000, None),
            (Some(5000), None, 1000, None),
            (None, Some(300), 1000, Some(700)),
            (None, Some(300), 1500, Some(1000)),
            (None, Some(300), 310, None),
            (None, Some(5000), 1000, None),
            (Some(500), Some(300), 1000, Some(500)),
            (Some(200), Some(300), 1000, Some(700)),
            (Some(200), Some(5000), 1000, None),
        ] {
            let retention = Retention { changes, age_ms: age_minutes.map(|minutes: i64| minutes * 60_000) };
            let now = Timestamp::from_millis(now_minutes * 60_000);
            let found = newest_to_go(&history, &retention, now).unwrap();
            assert_eq!(found, expected.map(Sequence), "{changes:?} {age_minutes:?} at {now_minutes}");
        }
    }

    #[test]
    fn little_is_left_for_later() {
        for (base, cut, covered, worth) in [
            (0, 99, 200, false),
            (0, 100, 200, true),
            (0, 100, 1100, true),
            (0, 100, 1110, false),
            (500, 599, 700, false),
            (500, 600, 700, true),
            (500, 400, 700, false),
        ] {
            assert_eq!(is_worth(Sequence(base), Sequence(cut), Sequence(covered)), worth, "{base} {cut}");
        }
    }
}
