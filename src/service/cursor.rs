use std::fmt;
use std::str::FromStr;

use super::ServiceError;
use crate::model::Sequence;

/// Where a page of a list that goes back through the change sets begins: in this change set, after so many of
/// its items. Written `<sequence>.<items>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    /// The change set.
    pub sequence: Sequence,
    /// How many of its items were given already.
    pub skip: usize,
}

impl Cursor {
    /// Where a list begins whose newest change set is this one; a cursor beyond it is of another project.
    pub(super) fn begin(cursor: Option<Self>, newest: Sequence) -> Result<Self, ServiceError> {
        match cursor {
            None => Ok(Cursor { sequence: newest, skip: 0 }),
            Some(cursor) if cursor.sequence <= newest => Ok(cursor),
            Some(Cursor { sequence, .. }) => Err(ServiceError::Cursor {
                reason: format!("it names change set {sequence}, and the newest is {newest}"),
            }),
        }
    }
}

impl Cursor {
    /// Refuses a cursor that stands beyond the items of its change set.
    pub(super) fn check_within(self, items: usize) -> Result<(), ServiceError> {
        if self.skip <= items {
            return Ok(());
        }
        let reason =
            format!("change set {} has {items} items of this list, not {}", self.sequence, self.skip);
        Err(ServiceError::Cursor { reason })
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.sequence, self.skip)
    }
}

impl FromStr for Cursor {
    type Err = ServiceError;

    fn from_str(text: &str) -> Result<Self, ServiceError> {
        let numbers = text.split_once('.').and_then(|(sequence, skip)| {
            Some(Cursor { sequence: Sequence(sequence.parse().ok()?), skip: skip.parse().ok()? })
        });
        let wrong = || ServiceError::Cursor { reason: "give the `next` of the page before".to_owned() };
        numbers.ok_or_else(wrong)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_round_trip_and_strangers_are_told() {
        let cursor: Cursor = "12.3".parse().unwrap();
        assert_eq!((cursor.sequence, cursor.skip, cursor.to_string().as_str()), (Sequence(12), 3, "12.3"));
        for text in ["", "12", "x.y", "12.-1", "12.3.4", "/a/b"] {
            assert!(text.parse::<Cursor>().is_err(), "{text}");
        }
        assert_eq!(Cursor::begin(None, Sequence(7)).unwrap().to_string(), "7.0");
        let error = Cursor::begin(Some(cursor), Sequence(7)).unwrap_err().to_string();
        assert!(error.contains("change set 12, and the newest is 7"), "{error}");
    }
}
