use std::num::NonZeroU32;

use super::Parser;
use crate::model::{Object, Value};

/// How fast one account may ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// How many requests a second on and on.
    pub per_second: NonZeroU32,
    /// How many at once, when it was quiet before.
    pub burst: NonZeroU32,
}

/// No account is let ask faster by a setting.
const MOST: u32 = 10_000_000;

impl Parser<'_> {
    /// The members of `limits` that are about requests: none where they are not there.
    pub(super) fn rate(&mut self, root: &Object) -> Option<Rate> {
        let Some(Value::Object(limits)) = root.get("limits") else { return None };
        let mut number = |name: &str| -> Option<NonZeroU32> {
            let found = match limits.get(name)? {
                Value::Number(number) => number.as_str().parse().ok(),
                _ => None,
            };
            let found = found.filter(|number| *number <= MOST).and_then(NonZeroU32::new);
            if found.is_none() {
                self.wrong(&["limits", name], format!("`{name}` is a number from 1 to {MOST}"));
            }
            found
        };
        let (per_second, burst) = (number("requests_per_second"), number("request_burst"));
        match (per_second, burst) {
            (Some(per_second), burst) => {
                // A second's worth at once, unless told.
                Some(Rate { per_second, burst: burst.unwrap_or(per_second) })
            }
            (None, Some(_)) if !limits.contains_key("requests_per_second") => {
                self.wrong(&["limits", "request_burst"], "`request_burst` needs `requests_per_second`");
                None
            }
            _ => None,
        }
    }
}
