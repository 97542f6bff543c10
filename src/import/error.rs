/// Why nothing can be imported from a source.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImportError {
    /// The source is not of its format.
    #[error("{}{message}", match line { Some(line) => format!("line {line}: "), None => String::new() })]
    Syntax {
        /// The line, from 1, where it is known.
        line: Option<usize>,
        /// What is wrong.
        message: String,
    },
    /// Keys or files that cannot be taken as they are: all of them.
    #[error("{} cannot be imported:{}", counted(faults.len()), listed(faults))]
    Faults {
        /// Each with its reason.
        faults: Vec<Fault>,
    },
    /// The source is over a bound.
    #[error("there is more than {limit} in it: import it in parts, or push it with git")]
    TooMuch {
        /// The bound, with its unit.
        limit: String,
    },
    /// The source is something that has another way in, or none.
    #[error("{0}")]
    Refused(String),
}

/// One key or file that cannot be taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The key or the file's name, as the source writes it.
    pub name: String,
    /// Why.
    pub reason: String,
}

/// How many faults an error spells out.
const MOST_LISTED: usize = 100;

impl ImportError {
    pub(super) fn syntax(line: usize, message: impl Into<String>) -> Self {
        ImportError::Syntax { line: Some(line), message: message.into() }
    }

    pub(super) fn shape(message: impl Into<String>) -> Self {
        ImportError::Syntax { line: None, message: message.into() }
    }
}

fn counted(count: usize) -> String {
    if count == 1 { "1 item".to_owned() } else { format!("{count} items") }
}

fn listed(faults: &[Fault]) -> String {
    let mut text = String::new();
    for fault in faults.iter().take(MOST_LISTED) {
        // A name from elsewhere may hold what would move the cursor.
        text.push_str(&format!("\n  {}: {}", fault.name.escape_debug(), fault.reason));
    }
    match faults.len().saturating_sub(MOST_LISTED) {
        0 => text,
        more => format!("{text}\n  and {more} more"),
    }
}
