use super::{
    Approval, Event, EventKind, Head, MOST_EVENTS, MOST_TEXT_BYTES, Person, Proposal, Schedule, State,
};
use crate::model::{Sequence, Timestamp};

/// What somebody does to a proposal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// Says something.
    Comment,
    /// Agrees to it.
    Approve,
    /// Agrees no more.
    Withdraw,
    /// Lets it be merged from some moment on.
    Schedule(Timestamp),
    /// Lets it be merged by hand alone.
    Unschedule,
    /// Gives it other commits.
    Update(Vec<Head>),
    /// Merges it with a change set.
    Merge(Sequence),
    /// Gives it up.
    Close,
}

/// Why something cannot be done to a proposal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ActError {
    /// It waits no more.
    #[error("proposal {number} is {state}: nothing can become of it any more")]
    NotOpen {
        /// Which.
        number: u64,
        /// What it is.
        state: &'static str,
    },
    /// It holds other commits than whoever acts saw.
    #[error("proposal {number} is at version {actual}, and version {expected} was meant; look at it again")]
    Stale {
        /// Which.
        number: u64,
        /// The version that was seen.
        expected: u32,
        /// The version that it has.
        actual: u32,
    },
    /// Nobody agrees to what they made themselves.
    #[error(
        "{account} had a part in proposal {number}, and nobody agrees to their own change; ask somebody else"
    )]
    OwnChange {
        /// Which.
        number: u64,
        /// Who.
        account: String,
    },
    /// They agreed already.
    #[error("{account} agreed to version {version} of proposal {number} already")]
    Twice {
        /// Which.
        number: u64,
        /// Who.
        account: String,
        /// To what.
        version: u32,
    },
    /// There is nothing to take back.
    #[error("{what} of proposal {number} is there to take back")]
    NothingThere {
        /// Which.
        number: u64,
        /// What there is not.
        what: String,
    },
    /// Whoever is to merge it is not known when nobody asks.
    #[error("`{account}` is no account that is there and enabled, so nothing can be merged for it later")]
    Unknown {
        /// Who.
        account: String,
    },
    /// What was said is empty, or too long.
    #[error("a comment has between 1 and {MOST_TEXT_BYTES} bytes, and this one {bytes}")]
    Text {
        /// Its length.
        bytes: usize,
    },
    /// Too much happened.
    #[error(
        "{MOST_EVENTS} things have happened to proposal {number}, which is the most; close it and open another"
    )]
    TooMuch {
        /// Which.
        number: u64,
    },
}

impl Proposal {
    /// That it is the version that somebody saw, where they say which.
    pub fn demand_version(&self, expected: Option<u32>) -> Result<(), ActError> {
        match expected {
            Some(expected) if expected != self.version => {
                Err(ActError::Stale { number: self.number, expected, actual: self.version })
            }
            _ => Ok(()),
        }
    }

    /// That it waits.
    pub fn demand_open(&self) -> Result<(), ActError> {
        match self.state {
            State::Open => Ok(()),
            _ => Err(ActError::NotOpen { number: self.number, state: self.state.name() }),
        }
    }

    /// What somebody does to it, and what is said with it: the proposal after it, and the event. A proposal that waits no
    /// more can be talked about.
    pub fn after(
        &self,
        act: Act,
        text: Option<String>,
        (by, at): (&Person, Timestamp),
    ) -> Result<(Proposal, Event), ActError> {
        let number = self.number;
        if act != Act::Comment {
            self.demand_open()?;
        }
        // What ends it always has room.
        if self.events >= MOST_EVENTS && !matches!(act, Act::Merge(_) | Act::Close | Act::Unschedule) {
            return Err(ActError::TooMuch { number });
        }
        let bytes = text.as_ref().map_or(0, String::len);
        if bytes > MOST_TEXT_BYTES || (act == Act::Comment && bytes == 0) {
            return Err(ActError::Text { bytes });
        }
        let mut after = self.clone();
        let (mut due, mut sequence) = (None, None);
        let account = by.account.clone();
        let event = match act {
            Act::Comment => EventKind::Commented,
            Act::Approve => {
                if self.contributors.contains(&account) {
                    return Err(ActError::OwnChange { number, account });
                }
                if self.approvals.iter().any(|approval| approval.by.account == account) {
                    return Err(ActError::Twice { number, account, version: self.version });
                }
                after.approvals.push(Approval { by: by.clone(), at });
                EventKind::Approved
            }
            Act::Withdraw => {
                after.approvals.retain(|approval| approval.by.account != account);
                if after.approvals.len() == self.approvals.len() {
                    let what = format!("no agreement of {account} to version {}", self.version);
                    return Err(ActError::NothingThere { number, what });
                }
                EventKind::Withdrawn
            }
            Act::Schedule(at) => {
                after.schedule = Some(Schedule { by: by.clone(), at });
                due = Some(at);
                EventKind::Scheduled
            }
            Act::Unschedule => {
                if after.schedule.take().is_none() {
                    return Err(ActError::NothingThere { number, what: "no schedule".to_owned() });
                }
                EventKind::Unscheduled
            }
            Act::Update(heads) => {
                after.heads = heads;
                after.version += 1;
                // What was agreed to is another thing now.
                after.approvals.clear();
                after.schedule = None;
                if !after.contributors.contains(&account) {
                    after.contributors.push(account.clone());
                }
                EventKind::Updated
            }
            Act::Merge(by_sequence) => {
                after.state = State::Merged { sequence: by_sequence, by: account.clone() };
                after.schedule = None;
                sequence = Some(by_sequence.0);
                EventKind::Merged
            }
            Act::Close => {
                after.state = State::Closed { by: account.clone() };
                after.schedule = None;
                EventKind::Closed
            }
        };
        after.events += 1;
        after.updated_at = at;
        let event =
            Event { number: after.events, at, account, event, version: after.version, text, due, sequence };
        Ok((after, event))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ObjectId;

    fn person(account: &str) -> Person {
        Person { account: account.to_owned(), teams: Vec::new() }
    }

    fn opened() -> Proposal {
        let now = Timestamp::from_millis(1_000);
        Proposal {
            number: 7,
            title: "more workers".to_owned(),
            description: String::new(),
            author: person("alice"),
            opened_at: now,
            updated_at: now,
            state: State::Open,
            version: 1,
            heads: Vec::new(),
            contributors: vec!["alice".to_owned()],
            approvals: Vec::new(),
            schedule: None,
            events: 1,
        }
    }

    fn after(proposal: &Proposal, who: &str, act: Act) -> Result<Proposal, ActError> {
        let said = (act == Act::Comment).then(|| "well".to_owned());
        let at = Timestamp::from_millis(2_000);
        proposal.after(act, said, (&person(who), at)).map(|(after, event)| {
            assert_eq!((after.events, event.number), (proposal.events + 1, proposal.events + 1));
            after
        })
    }

    #[test]
    fn nobody_agrees_to_their_own_change_nor_twice() {
        let proposal = opened();
        let own = after(&proposal, "alice", Act::Approve);
        assert!(matches!(own, Err(ActError::OwnChange { .. })), "{own:?}");
        let agreed = after(&proposal, "bob", Act::Approve).expect("bob may");
        assert!(matches!(after(&agreed, "bob", Act::Approve), Err(ActError::Twice { .. })));
        let withdrawn = after(&agreed, "bob", Act::Withdraw).expect("he did");
        assert!(withdrawn.approvals.is_empty());
        assert!(matches!(after(&withdrawn, "bob", Act::Withdraw), Err(ActError::NothingThere { .. })));
    }

    #[test]
    fn other_commits_dismiss_agreements_and_bar_who_made_them() {
        let agreed = after(&opened(), "bob", Act::Approve).expect("bob may");
        let due = after(&agreed, "bob", Act::Schedule(Timestamp::from_millis(9))).expect("it waits");
        let head = Head {
            environment: "prod".to_owned(),
            branch: "prod".to_owned(),
            base: None,
            commit: ObjectId::ZERO,
            paths: Vec::new(),
            more: false,
        };
        let updated = after(&due, "bob", Act::Update(vec![head])).expect("it waits");
        assert_eq!((updated.version, updated.approvals.len(), updated.schedule.as_ref()), (2, 0, None));
        assert!(matches!(after(&updated, "bob", Act::Approve), Err(ActError::OwnChange { .. })));
        assert!(matches!(updated.demand_version(Some(1)), Err(ActError::Stale { actual: 2, .. })));
    }

    #[test]
    fn what_waits_no_more_can_only_be_talked_about() {
        for act in [Act::Merge(Sequence(9)), Act::Close] {
            let ended = after(&opened(), "carol", act).expect("it waits");
            for more in [Act::Approve, Act::Close, Act::Merge(Sequence(10)), Act::Update(Vec::new())] {
                assert!(matches!(after(&ended, "dave", more), Err(ActError::NotOpen { .. })));
            }
            after(&ended, "dave", Act::Comment).expect("anybody may talk");
        }
    }

    #[test]
    fn room_is_bounded_and_what_ends_it_has_some_left() {
        let full = Proposal { events: MOST_EVENTS, ..opened() };
        assert!(matches!(after(&full, "bob", Act::Comment), Err(ActError::TooMuch { .. })));
        after(&full, "bob", Act::Close).expect("it can be closed");
        let long = Some("x".repeat(MOST_TEXT_BYTES + 1));
        let by = (&person("bob"), Timestamp::from_millis(0));
        assert!(matches!(opened().after(Act::Comment, long, by), Err(ActError::Text { .. })));
        assert!(matches!(opened().after(Act::Comment, None, by), Err(ActError::Text { bytes: 0 })));
    }

    #[test]
    fn what_is_written_is_read_again() {
        let due = after(&opened(), "bob", Act::Schedule(Timestamp::from_millis(9_000))).expect("it waits");
        let agreed = after(&due, "bob", Act::Approve).expect("bob may");
        for proposal in [agreed.clone(), after(&agreed, "carol", Act::Merge(Sequence(9))).expect("it waits")]
        {
            let text = serde_json::to_string(&proposal).expect("it has no odd keys");
            assert_eq!(serde_json::from_str::<Proposal>(&text).expect(&text), proposal);
        }
    }
}
